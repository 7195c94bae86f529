"""Many at once over HTTP, as a browser without scripts uses it: find, look, decide, undo."""

import re
from dataclasses import replace

import httpx
import pytest

from fairstall.labeling.permissions import Role
from fairstall.labeling.together import Together
from fairstall.labeling.verdicts import Judgement, ReviewVerdict
from fairstall.model.policies import PolicySet, ReviewTerms
from fairstall.records.engine import reading
from fairstall.records.ledger import CaseReason
from fairstall.records.tables import reviews

PASSWORD = "three blind moderators"
WATCH = "Automatic watch with sapphire glass, box and papers, new and unworn, bought for a birthday, size {}."


@pytest.fixture
def policies(policies) -> PolicySet:
    """Those of the folder, one of which asks for a reason."""
    strict = replace(policies["prohibited/drugs"], review=ReviewTerms(reason_required=True))
    return PolicySet(policies.version, tuple(strict if one.code == strict.code else one for one in policies))


@pytest.fixture
def zoe(sqlite_store):
    return sqlite_store.user("zoe", Role.SENIOR)


@pytest.fixture
def client(console, zoe):
    with httpx.Client(base_url=console, follow_redirects=True) as client:
        client.post("/login", data={"name": "zoe", "password": PASSWORD})
        yield client


@pytest.fixture
def watches(sqlite_store) -> list[str]:
    return [sqlite_store.open_case(f"Watch {size}", WATCH.format(size), words=["papers"]) for size in (38, 40, 42)]


def words_of(page: httpx.Response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


def csrf_of(page: httpx.Response) -> str:
    return re.search(r'name="csrf" value="([^"]+)"', page.text)[1]


def link_to(page: httpx.Response, pattern: str) -> str:
    return re.search(rf'href="/console({pattern}[^"]*)"', page.text)[1].replace("&amp;", "&")


def ticked(page: httpx.Response) -> list[str]:
    return re.findall(r'name="case" value="([^"]+)" checked', page.text)


def stored(store) -> int:
    with reading(store.engine) as connection:
        return len(connection.execute(reviews.select()).all())


def test_a_cluster_is_looked_at_decided_and_undone(client, sqlite_store, watches):
    page = client.get(link_to(client.get("/together"), "/together/like/"))
    assert "3 cases nearly the same" in words_of(page)
    assert ticked(page) == watches
    assert "Says 40" in words_of(page), "against the first one"
    assert page.text.count("<mark") == 3
    answer = {"csrf": csrf_of(page), "verdict": "violation", "policy": "prohibited/weapons", "case": watches}
    page = client.post("/together/decide", data=answer)
    assert "3 decided" in words_of(page)
    page = client.post(str(page.url.path).removeprefix("/console") + "/undo", data={"csrf": csrf_of(page)})
    assert "All 3 undone: they wait again" in words_of(page)
    assert len(ticked(client.get(link_to(client.get("/together"), "/together/like/")))) == 3


def test_what_colleagues_took_meanwhile_is_named_and_the_rest_is_decided(client, sqlite_store, watches):
    page = client.get(f"/together/like/{watches[2]}")
    sqlite_store.queue.claim(sqlite_store.user("noor"))
    page = client.post("/together/decide", data={"csrf": csrf_of(page), "verdict": "compliant", "case": watches})
    assert "2 decided, 1 was taken meanwhile" in words_of(page)
    assert "Taken or decided by colleagues meanwhile Watch 38" in words_of(page)


def test_the_same_form_again_leads_to_the_same_page_and_decides_nothing(client, sqlite_store, watches):
    page = client.get(f"/together/like/{watches[2]}")
    answer = {"csrf": csrf_of(page), "verdict": "compliant", "case": watches}
    first, second = (client.post("/together/decide", data=answer) for _ in range(2))
    assert first.url == second.url
    assert stored(sqlite_store) == 3


def test_a_batch_of_which_nothing_is_left_is_refused(client, sqlite_store, watches):
    page, noor = client.get(f"/together/like/{watches[2]}"), sqlite_store.user("noor", Role.SENIOR)
    Together(sqlite_store.engine, sqlite_store.clock).decide(watches, noor, Judgement(ReviewVerdict.COMPLIANT))
    page = client.post("/together/decide", data={"csrf": csrf_of(page), "verdict": "compliant", "case": watches})
    assert (page.status_code, "taken or decided meanwhile" in page.text) == (409, True)
    assert client.get(f"/together/like/{watches[2]}").status_code == 404


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"verdict": "violation"}, "Choose the policy"),
        ({"verdict": "perhaps"}, "Choose violation or compliant"),
        ({"verdict": "violation", "policy": "prohibited/drugs"}, "a violation needs a reason"),
        ({"verdict": "compliant", "case": []}, "Tick the cases first"),
        ({"verdict": "compliant", "case": ["x"] * 601}, "cannot be read"),
        ({"verdict": "compliant", "case": [str(number) for number in range(501)]}, "more than the 500"),
    ],
)
def test_a_verdict_that_cannot_be_stored_is_refused_with_a_reason(client, sqlite_store, watches, fields, reason):
    page = client.get(f"/together/like/{watches[2]}")
    page = client.post("/together/decide", data={"csrf": csrf_of(page), "case": watches[:2]} | fields)
    assert (page.status_code, reason in page.text) == (422, True)
    assert stored(sqlite_store) == 0


def test_what_was_ticked_and_written_is_still_there_when_a_form_is_refused(client, watches):
    page = client.get(f"/together/like/{watches[2]}")
    answer = {"csrf": csrf_of(page), "verdict": "violation", "note": "copies", "case": watches[1:]}
    page = client.post("/together/decide", data=answer)
    assert ticked(page) == watches[1:]
    assert "copies</textarea>" in page.text
    answer |= {"policy": "prohibited/drugs"}
    assert "2 decided" in words_of(client.post("/together/decide", data=answer))


def test_five_hundred_and_a_long_note_fit_into_a_form(client, sqlite_store, watches):
    page = client.get(f"/together/like/{watches[2]}")
    many = [f"{number:036d}" for number in range(497)]
    answer = {"csrf": csrf_of(page), "verdict": "compliant", "note": "\U0001f600" * 2_000, "case": [*watches, *many]}
    assert "3 decided, 497 were taken meanwhile" in words_of(client.post("/together/decide", data=answer))


def test_a_bar_leads_to_its_cases(client, sqlite_store):
    inside = sqlite_store.open_case("Inside", probability=0.42)
    sqlite_store.open_case("Outside", probability=0.9)
    page = client.get("/together")
    assert "40 to 45 %: 1" in words_of(page)
    page = client.get(link_to(page, "/together/range"))
    assert "1 case with 40 to 45 % for Weapons" in words_of(page)
    assert ticked(page) == [inside]
    assert 'value="prohibited/weapons" data-title="Weapons" data-key="1" checked' in page.text
    page = client.get("/together/range", params={"policy": "prohibited/weapons", "low": "0", "high": "100"})
    assert len(ticked(page)) == 2
    assert ticked(client.get(str(page.url) + "&ticked=none")) == []


def test_a_range_that_is_none_is_refused(client, sqlite_store):
    sqlite_store.open_case()
    for low, high, status in (("40", "", 422), ("x", "50", 422), ("0", "101", 422), ("50", "40", 404)):
        answer = client.get("/together/range", params={"policy": "prohibited/weapons", "low": low, "high": high})
        assert answer.status_code == status


def test_blind_cases_are_nowhere_and_cannot_be_looked_at(client, sqlite_store):
    blind = [sqlite_store.open_case("Watch", WATCH.format(38), reason=CaseReason.CONTROL) for _ in range(2)]
    page = words_of(client.get("/together"))
    assert "Of the 0 most urgent cases" in page
    assert "No uncertain case with a finding waits" in page
    assert client.get(f"/together/like/{blind[0]}").status_code == 404
    token = csrf_of(client.get("/queue"))
    for verdict, status in (("compliant", 409), ("violation", 422)):
        refused = client.post("/together/decide", data={"csrf": token, "verdict": verdict, "case": blind})
        assert (refused.status_code, "Watch" in refused.text) == (status, False)


def test_a_batch_is_shown_to_whoever_decided_it(client, sqlite_store, watches):
    noor = sqlite_store.user("noor", Role.SENIOR)
    theirs = Together(sqlite_store.engine, sqlite_store.clock).decide(watches, noor, Judgement(ReviewVerdict.COMPLIANT))
    assert client.get(f"/together/batches/{theirs.batch_id}").status_code == 404


def test_what_was_decided_lately_is_listed_until_it_can_no_longer_be_undone(client, sqlite_store, zoe, watches):
    batch = Together(sqlite_store.engine, sqlite_store.clock).decide(watches, zoe, Judgement(ReviewVerdict.COMPLIANT))
    assert f"/together/batches/{batch.batch_id}" in client.get("/together").text
    sqlite_store.clock.advance(minutes=16)
    assert f"/together/batches/{batch.batch_id}" not in client.get("/together").text
    page = client.get(f"/together/batches/{batch.batch_id}")
    assert "3 decided" in words_of(page)
    assert "Undo all" not in words_of(page)


def test_long_texts_open_on_demand_and_very_long_ones_say_what_is_not_shown(client, sqlite_store):
    long = "Knife and a block. " * 400
    sqlite_store.open_case("Long", long)
    page = client.get("/together/range", params={"policy": "prohibited/weapons", "low": "0", "high": "100"})
    assert f"all {len(long)} characters" in words_of(page)
    assert f"{len(long) - 5_000} more characters are not shown here" in words_of(page)


def test_pages_hold_no_inline_script_or_style(client, watches):
    pages = [client.get("/together"), client.get(f"/together/like/{watches[2]}")]
    answer = {"csrf": csrf_of(pages[1]), "verdict": "compliant", "case": watches}
    for page in (*pages, client.post("/together/decide", data=answer)):
        assert page.status_code == 200
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=\"/console/static/)", page.text)


def test_a_moderator_sees_no_way_there(console, sqlite_store, watches):
    sqlite_store.user("mira")
    with httpx.Client(base_url=console, follow_redirects=True) as client:
        client.post("/login", data={"name": "mira", "password": PASSWORD})
        assert 'href="/console/together"' not in client.get("/queue").text
        assert client.get("/together").status_code == 403
