"""The pages of quality and calibration over HTTP: what they show to whom, and what becomes of a disagreement."""

import csv
import io
import re
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from fairstall.labeling.calibration import Calibration
from fairstall.labeling.permissions import Role
from fairstall.labeling.queue import ReviewQueue
from fairstall.labeling.second_reviews import WIDE_REACH, SecondReviews
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.policy_file import parse_policies
from fairstall.records.engine import reading
from fairstall.records.erasure import Erasure
from fairstall.records.tables import calibration_entries, disagreements

PASSWORD = "three blind moderators"
VIOLATION, COMPLIANT = ReviewVerdict.VIOLATION, ReviewVerdict.COMPLIANT
WEAPONS = ("prohibited/weapons",)
HOSTILE = "<script>alert(1)</script>\u202e cane"


@contextmanager
def signed_in(console, name):
    with httpx.Client(base_url=console, follow_redirects=True) as client:
        client.post("/login", data={"name": name, "password": PASSWORD})
        yield client


def words_of(page: httpx.Response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


def send(client, page: str, action: str, **fields) -> httpx.Response:
    """Fill in the form of a page that goes to `action`."""
    csrf = re.search(r'name="csrf" value="([^"]+)"', client.get(page).text)[1]
    return client.post(action, data={"csrf": csrf, **fields})


@pytest.fixture
def team(sqlite_store):
    return {
        name: sqlite_store.user(name, role)
        for name, role in (("mira", Role.MODERATOR), ("noor", Role.MODERATOR), ("zoe", Role.SENIOR))
    }


@pytest.fixture
def queue(sqlite_store, policies):
    return ReviewQueue(sqlite_store.engine, sqlite_store.clock, second_reviews=SecondReviews(policies, b"key"))


@pytest.fixture
def disagreed(sqlite_store, queue, team):
    """A decision that two disagree on and that the senior has not settled; its id."""
    sqlite_store.open_case(HOSTILE, "A blade in it.", reach=WIDE_REACH)
    case = queue.claim(team["mira"])
    queue.decide(case.case_id, team["mira"], VIOLATION, WEAPONS, "The blade is the point.")
    second = queue.claim(team["noor"])
    queue.decide(second.case_id, team["noor"], COMPLIANT, (), "It is <b>blunt</b>.")
    return case.decision_id


@pytest.fixture
def reviewed(sqlite_store, queue, team):
    """Thirty decisions that two reviewed, one of five with another verdict."""
    for number, second in zip(range(30), cycle((VIOLATION, VIOLATION, COMPLIANT, VIOLATION, VIOLATION)), strict=False):
        sqlite_store.open_case(f"Knife {number}", reach=WIDE_REACH)
        for name, verdict in (("mira", VIOLATION if number % 2 else COMPLIANT), ("noor", second)):
            case = queue.claim(team[name])
            sqlite_store.clock.advance(seconds=2)
            queue.touch(case.case_id, team[name])
            sqlite_store.clock.advance(seconds=20)
            queue.decide(case.case_id, team[name], verdict, WEAPONS if verdict is VIOLATION else ())


def test_quality_is_for_those_who_lead_and_each_sees_his_own(console, team):
    with signed_in(console, "mira") as client:
        for path in ("/quality", "/quality/reviewers.csv", "/quality/reviews", "/disagreements", "/golden"):
            assert client.get(path).status_code == 403
        page = client.get("/quality/mine")
        assert "Nothing yet" in words_of(page)
        assert "/quality/mine" in page.text
        assert "/disagreements" not in page.text


def test_an_empty_store_has_too_little_to_say(console, team):
    with signed_in(console, "zoe") as client:
        words = words_of(client.get("/quality"))
        assert "too few to say" in words
        assert "Nothing was reviewed in these 28 days" in words
        assert client.get("/quality?days=3").status_code == 422


def test_the_figures_the_tables_and_the_lists_behind_them_say_the_same(console, reviewed):
    with signed_in(console, "zoe") as client:
        page = client.get("/quality?days=7")
        words = words_of(page)
        assert "Krippendorff's alpha" in words
        assert "too few to say" in words  # nobody has reviewed a golden item
        assert "22.0 s" not in words
        assert "2.0 s 9 of 10: 2.0 s" in words
        policies = list(csv.DictReader(io.StringIO(client.get("/quality/policies.csv?days=7").text)))
        (weapons,) = policies
        assert (weapons["policy"], weapons["reviews"], weapons["second_reviewed"]) == (WEAPONS[0], "60", "30")
        assert float(weapons["kappa_low"]) < float(weapons["kappa"]) < float(weapons["kappa_high"])
        reviewers = list(csv.DictReader(io.StringIO(client.get("/quality/reviewers.csv?days=7").text)))
        assert [(one["reviewer"], one["reviews"], one["golden_reviewed"]) for one in reviewers] == [
            ("mira", "30", "0"),
            ("noor", "30", "0"),
        ]
        links = set(re.findall(r'href="/console(/quality/reviews[^"]+)"', page.text))
        counts = {
            link.replace("&amp;", "&"): count
            for link, count in re.findall(r'href="/console(/quality/reviews[^"]+)">(\d+)</a>', page.text)
        }
        assert len(links) >= 6
        mine = next(link for link in counts if "reviewer=mira" in link and "of=all" in link)
        assert f"{counts[mine]} reviews in the last 7 days, by mira" in words_of(client.get(mine))
        second = next(
            link for link in counts if "of=second" in link and "reviewer" not in link and "policy" not in link
        )
        assert f"{2 * int(counts[second])} reviews in the last 7 days" in words_of(client.get(second))


def test_the_consensus_is_worked_out_when_somebody_asks_for_it(console, reviewed):
    pytest.importorskip("cleanlab")
    with signed_in(console, "zoe") as client:
        client.timeout = 120  # importing cleanlab takes long on a busy machine
        assert "Right by consensus" not in words_of(client.get("/quality"))
        assert re.search(r"Right by consensus .* mira .* \d+ % of 30", words_of(client.get("/quality?consensus=1")))
        (mira, _) = csv.DictReader(io.StringIO(client.get("/quality/reviewers.csv?consensus=1").text))
        assert (0 < float(mira["consensus_quality"]) < 1, mira["consensus_decisions"]) == (True, "30")


def test_a_reviewers_own_figures_end_at_midnight(console, sqlite_store, reviewed):
    with signed_in(console, "mira") as client:
        assert "Nothing yet" in words_of(client.get("/quality/mine"))
    sqlite_store.clock.advance(hours=11)
    with signed_in(console, "mira") as client:
        assert "Nothing yet" in words_of(client.get("/quality/mine"))
    sqlite_store.clock.advance(hours=2)
    with signed_in(console, "mira") as client:
        words = words_of(client.get("/quality/mine"))
    assert "Decided by you 30" in words
    assert "Of 30 listings that a colleague reviewed" in words
    assert "noor" not in words


def test_the_senior_sees_both_verdicts_and_notes_without_names(console, disagreed):
    with signed_in(console, "zoe") as client:
        page = send(client, "/queue", "/next")
        words = words_of(page)
        for said in ("Two colleagues disagree", "The blade is the point.", "It is &lt;b&gt;blunt&lt;/b&gt;."):
            assert said in words
        assert "mira" not in words
        assert "noor" not in words


def test_a_disagreement_is_discussed_and_becomes_an_example_and_a_golden_item(console, disagreed, tmp_path):
    here = f"/disagreements/{disagreed}"
    with signed_in(console, "zoe") as client:
        listed = client.get("/disagreements")
        assert "Waits for a senior" in words_of(listed)
        assert "<script>alert" not in listed.text
        case = send(client, "/queue", "/next").url.path.removeprefix("/console")
        send(client, case, f"{case}/decide", verdict="compliant", note="A walking aid.")
        assert "Make it a golden item" in words_of(client.get(here))
        send(client, here, f"{here}/comment", text="What about <i>antiques</i>?")
        send(client, here, f"{here}/verdict", verdict="violation", policy=WEAPONS[0], text="A hidden blade.")
        words = words_of(client.get(here))
        assert "What about &lt;i&gt;antiques&lt;/i&gt;?" in words
        assert "The session came to another verdict than the one in force" in words
        example = {"verdict": "compliant", "policy": WEAPONS[0], "title": "Cane: 'blunt' # old", "text": "No blade."}
        page = send(client, here, f"{here}/example", **example)
        snippet = re.search(r"<pre[^>]*>(.*?)</pre>", page.text, re.DOTALL)[1]
        assert "look_alikes:" in snippet
        assert "golden item already" not in words_of(page)
        made = send(client, f"/golden/new/{disagreed}", f"/golden/new/{disagreed}", verdict="compliant", text="Blunt.")
        assert (made.url.path, "0 of 0" in words_of(made)) == ("/console/golden", True)
        assert "It is a golden item." in words_of(client.get(here))
        again = send(client, f"/golden/new/{disagreed}", f"/golden/new/{disagreed}", verdict="compliant", text="x")
        assert again.status_code == 409
        golden_id = re.search(r"/golden/([^/]+)/retire", made.text)[1]
        assert "retired" in words_of(send(client, "/golden", f"/golden/{golden_id}/retire"))


def test_what_is_missing_is_said_and_nothing_is_stored(console, sqlite_store, disagreed):
    here = f"/disagreements/{disagreed}"
    with signed_in(console, "zoe") as client:
        for action, fields in (
            ("comment", {"text": "  "}),
            ("comment", {"text": "x" * 4_001}),
            ("verdict", {"verdict": "violation"}),
            ("verdict", {"verdict": "maybe"}),
            ("example", {"verdict": "violation", "policy": "prohibited/joy", "title": "t", "text": "w"}),
            ("example", {"verdict": "violation", "policy": WEAPONS[0], "title": "t" * 201, "text": "w"}),
        ):
            assert send(client, here, f"{here}/{action}", **fields).status_code == 422
        assert client.get("/disagreements/none").status_code == 404
        assert client.post(f"{here}/comment", data={"text": "no token"}).status_code == 403
    with reading(sqlite_store.engine) as connection:
        assert connection.execute(select(calibration_entries)).all() == []


def test_erasing_the_seller_empties_what_was_said(console, sqlite_store, disagreed):
    here = f"/disagreements/{disagreed}"
    with signed_in(console, "zoe") as client:
        send(client, here, f"{here}/comment", text="It says 'cane'.")
        send(client, here, f"{here}/example", verdict="violation", policy=WEAPONS[0], title="Cane", text="A blade.")
        Erasure(sqlite_store.engine, "seller-1", sqlite_store.clock).run(actor="operator:kim", reason="ticket 7")
        words = words_of(client.get(here))
        assert "Erased at the seller's request" in words
        assert "was erased" in words
        for gone in ("cane", "Cane", "A blade.", "blunt", "the point"):
            assert gone not in words
        assert client.get("/disagreements").status_code == 200
    with reading(sqlite_store.engine) as connection:
        said = connection.execute(select(calibration_entries.c.title, calibration_entries.c.text)).all()
        assert [tuple(one) for one in said] == [("", "")] * 2
        assert len(connection.execute(select(disagreements)).all()) == 1


def test_the_ledger_offers_to_make_a_golden_item_of_what_a_person_decided(console, sqlite_store, queue, team):
    sqlite_store.open_case("Pocket knife")
    queue.decide(queue.claim(team["mira"]).case_id, team["mira"], COMPLIANT)
    with signed_in(console, "zoe") as client:
        (link,) = re.findall(r'href="/console(/golden/new/[^"]+)"', client.get("/decisions").text)
        assert "Pocket knife" in words_of(client.get(link))


@pytest.mark.parametrize(
    "title", ["Cane: 'blunt' # old", 'Gehstock, für "ältere" Herren', "Cane \u202e\u200b- {x}", "yes"]
)
def test_an_example_can_be_pasted_into_a_policy_file(sqlite_store, disagreed, team, title):
    calibration = Calibration(sqlite_store.engine, sqlite_store.clock)
    calibration.add_example(disagreed, team["zoe"], COMPLIANT, WEAPONS[0], title=title, why="No blade:\nno weapon.")
    (entry,) = calibration.session(disagreed).entries
    starter = (Path(__file__).parents[2] / "policies" / "starter.yaml").read_text()
    before, after = starter.split("    look_alikes:\n", 1)
    after = after[after.index("      - ", 1) :]  # in the place of the first one
    (first,) = parse_policies(f"{before}{entry.snippet}\n{after}", file="pasted.yaml").policies[:1]
    assert (first.look_alikes[0].title, first.look_alikes[0].why) == (title, "No blade: no weapon.")
    assert all(line.isprintable() for line in entry.snippet.splitlines())
