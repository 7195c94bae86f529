"""What can be done with a case over HTTP beside deciding it, and what its page says and keeps to itself."""

import re
from contextlib import contextmanager

import httpx
import pytest

from fairstall.labeling.permissions import Role
from fairstall.records.ledger import CaseReason

PASSWORD = "three blind moderators"


@contextmanager
def signed_in(console, name="mira"):
    with httpx.Client(base_url=console, follow_redirects=True) as client:
        client.post("/login", data={"name": name, "password": PASSWORD})
        client.headers["X-CSRF-Token"] = re.search(r'name="csrf" value="([^"]+)"', client.get("/queue").text)[1]
        yield client


@pytest.fixture
def mira(console, sqlite_store):
    """A moderator's browser without scripts."""
    sqlite_store.user()
    with signed_in(console) as client:
        yield client


def words_of(page: httpx.Response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split()).replace("&#39;", "'")


def case_on(page: httpx.Response) -> str:
    """The case that a page shows, or nothing."""
    found = re.search(r'data-case="([^"]+)"', page.text)
    return found[1] if found else ""


def test_a_policy_that_asks_for_a_reason_refuses_a_violation_without_one(mira, sqlite_store):
    case_id = sqlite_store.open_case(policy="misleading/rule_1")
    page = mira.post("/next")
    assert "A violation of this policy needs a reason." in words_of(page)
    answer = {"verdict": "violation", "policy": ["misleading/rule_1", "prohibited/weapons"], "note": " "}
    refused = mira.post(f"/cases/{case_id}/decide", data=answer)
    assert (refused.status_code, "Rule 1: a violation needs a reason" in refused.text) == (422, True)
    assert "All clear" in mira.post(f"/cases/{case_id}/decide", data=answer | {"note": "It shows the real thing."}).text


def test_a_compliant_verdict_and_other_policies_need_no_reason(mira, sqlite_store):
    first, second = (
        sqlite_store.open_case(policy="misleading/rule_1"),
        sqlite_store.open_case(policy="misleading/rule_1"),
    )
    mira.post("/next")
    page = mira.post(f"/cases/{first}/decide", data={"verdict": "compliant"})
    assert case_on(page) == second
    page = mira.post(f"/cases/{second}/decide", data={"verdict": "violation", "policy": "prohibited/weapons"})
    assert "All clear" in page.text


def test_the_next_case_is_given_ahead_and_then_confirmed_instead_of_sent_again(mira, sqlite_store):
    first, second = sqlite_store.open_case("First knife"), sqlite_store.open_case("Second knife")
    assert case_on(mira.post("/next")) == first
    ahead = mira.post(f"/cases/{first}/ahead")
    assert (case_on(ahead), "Second knife" in ahead.text) == (second, True)
    answer = mira.post(f"/cases/{first}/decide", data={"verdict": "compliant", "ready": second})
    assert answer.headers["x-next-case"] == second
    assert "Take back: compliant, First knife" in answer.text
    assert "<main" not in answer.text
    assert mira.post(f"/cases/{second}/ahead").status_code == 204


def test_a_case_that_is_not_the_next_any_more_is_not_confirmed(mira, console, sqlite_store):
    first, second, third = (sqlite_store.open_case(f"Knife {n}", priority=1 - n / 10) for n in range(3))
    mira.post("/next")
    assert case_on(mira.post(f"/cases/{first}/ahead")) == second
    sqlite_store.user("zoe", Role.SENIOR)
    with signed_in(console, "zoe") as senior:
        senior.post(f"/cases/{second}/recall")
        assert case_on(senior.post("/next")) == second
    answer = mira.post(f"/cases/{first}/decide", data={"verdict": "compliant", "ready": second})
    assert "x-next-case" not in answer.headers
    assert case_on(answer) == third


def test_what_is_kept_ready_stays_with_its_reader_and_goes_when_he_stops(mira, sqlite_store):
    noor = sqlite_store.user("noor")
    first, second = sqlite_store.open_case(), sqlite_store.open_case()
    mira.post("/next")
    mira.post(f"/cases/{first}/ahead")
    assert sqlite_store.queue.claim(noor) is None
    for case_id in (first, second):
        assert mira.post(f"/cases/{case_id}/heartbeat").status_code == 204
    assert mira.post(f"/cases/{first}/touch").status_code == 204
    assert mira.post(f"/cases/{first}/release", data={"ready": second}).url.path.endswith("/queue")
    assert sqlite_store.queue.claim(noor).case_id == first


def test_holding_puts_a_case_aside_and_its_page_takes_it_up_again(mira, sqlite_store):
    first, second = sqlite_store.open_case("First knife"), sqlite_store.open_case("Second knife")
    mira.post("/next")
    assert case_on(mira.post(f"/cases/{first}/hold", data={"note": "Asked the brand"})) == second
    queue = words_of(mira.get("/queue"))
    assert "Held by you First knife Asked the brand since just now" in queue
    assert "1 case waits" in queue
    page = mira.get(f"/cases/{first}")
    assert (case_on(page), "Held by mira" in page.text, "Asked the brand" in page.text) == (first, True, True)
    assert "Held by you" not in words_of(mira.get("/queue"))


def test_an_escalated_case_reaches_a_senior_with_its_note(mira, console, sqlite_store):
    case_id = sqlite_store.open_case("Training sword")
    sqlite_store.user("zoe", Role.SENIOR)
    mira.post("/next")
    assert mira.post(f"/cases/{case_id}/escalate", data={"note": " "}).status_code == 422
    assert "All clear" in mira.post(f"/cases/{case_id}/escalate", data={"note": "Is <b>it</b> a replica?"}).text
    with signed_in(console, "zoe") as senior:
        listed = words_of(senior.get("/passed-on"))
        assert (
            "Training sword Unsure the seniors Escalated by mira, just now : Is &lt;b&gt;it&lt;/b&gt; a replica?"
            in listed
        )
        page = senior.post("/next")
        assert case_on(page) == case_id
        assert "Escalated by mira , just now : Is &lt;b&gt;it&lt;/b&gt; a replica?" in words_of(page)
        assert "/escalate" not in page.text, "it would come back at once"


def test_a_blind_case_does_not_show_what_its_escalation_says(mira, console, sqlite_store):
    case_id = sqlite_store.open_case("Training sword", reason=CaseReason.CONTROL)
    sqlite_store.user("zoe", Role.SENIOR)
    assert "but not what you write" in words_of(mira.post("/next"))
    mira.post(f"/cases/{case_id}/escalate", data={"note": "Surely sharp"})
    with signed_in(console, "zoe") as senior:
        assert "Surely sharp" not in senior.get("/passed-on").text
        page = senior.post("/next")
    assert "Escalated by mira" in words_of(page)
    assert "Surely sharp" not in page.text


def test_a_case_is_handed_over_to_a_person_and_called_back(mira, console, sqlite_store):
    case_id = sqlite_store.open_case("Training sword")
    sqlite_store.user("noor")
    sqlite_store.user("zoe", Role.SENIOR)
    page = mira.post("/next")
    assert re.findall(r'<option value="(@\w+)">', page.text) == ["@noor", "@zoe"]
    refused = mira.post(f"/cases/{case_id}/hand-over", data={"to": "@nobody"})
    assert (refused.status_code, "Nobody else who reviews" in refused.text) == (422, True)
    mira.post(f"/cases/{case_id}/hand-over", data={"to": "@noor", "note": "Your field"})
    with signed_in(console, "noor") as noor:
        page = noor.post("/next")
        assert "Handed over by mira to @noor, just now : Your field" in words_of(page)
    with signed_in(console, "zoe") as senior:
        assert "open at noor's" in words_of(senior.get("/passed-on"))
        page = senior.post(f"/cases/{case_id}/recall")
        assert "No case is held or passed on." in words_of(page)
    assert case_on(mira.post("/next")) == case_id


def test_a_skip_says_why_and_seniors_read_it(mira, console, sqlite_store):
    case_id = sqlite_store.open_case("Nóż myśliwski", priority=0.9)
    sqlite_store.open_case("Kettle", priority=0.1)
    sqlite_store.user("zoe", Role.SENIOR)
    mira.post("/next")
    assert mira.post(f"/cases/{case_id}/skip").status_code == 422
    mira.post(f"/cases/{case_id}/skip", data={"reason": "language"})
    with signed_in(console, "zoe") as senior:
        assert "Nóż myśliwski 1 time: mira (I do not read the language)" in words_of(senior.get("/passed-on"))
        assert "Skipped by mira , just now : I do not read the language" in words_of(senior.post("/next"))


def test_texts_of_a_policy_that_blurs_are_veiled_and_others_are_not(mira, sqlite_store):
    veiled, plain = sqlite_store.open_case(policy="misleading/rule_2"), sqlite_store.open_case()
    page = mira.post("/next")
    assert (case_on(page), 'class="case veiled"' in page.text) == (veiled, True)
    page = mira.post(f"/cases/{veiled}/decide", data={"verdict": "compliant"})
    assert (case_on(page), "veiled" in page.text) == (plain, False)


def test_all_blind_cases_are_veiled_alike(mira, sqlite_store):
    for policy in ("misleading/rule_2", "prohibited/weapons"):
        sqlite_store.open_case(policy=policy, reason=CaseReason.CONTROL)
    page = mira.post("/next")
    assert 'class="case veiled"' in page.text
    page = mira.post(f"/cases/{case_on(page)}/decide", data={"verdict": "compliant"})
    assert 'class="case veiled"' in page.text


def test_the_raw_view_shows_what_is_stored(mira, sqlite_store):
    sqlite_store.open_case("Iv\u200bory  comb", "One line\r\nand \u202emore", attributes={"Colour": "bl\u0430ck"})
    page = mira.post("/next")
    raw = mira.get(f"/cases/{case_on(page)}?view=raw")
    words = words_of(raw)
    assert "Iv ZWSP ory SPACE SPACE comb" in words
    assert "One line CR LF and RLO more" in words
    assert "U+0430 CYRILLIC SMALL LETTER A" in raw.text
    assert "\u202e" not in raw.text


def test_the_colours_that_somebody_chose_are_in_the_page_and_nothing_else_can_be(mira):
    for sent, written in (("dark", ' data-theme="dark"'), ("light", ' data-theme="light"'), ('"><script>', "")):
        page = mira.get("/queue", headers={"Cookie": f"fairstall_theme={sent}; fairstall_session={session_of(mira)}"})
        assert page.text.startswith(f'<!doctype html>\n<html lang="en"{written}>')


def session_of(client: httpx.Client) -> str:
    return client.cookies["fairstall_session"]


def test_the_search_page_finds_and_escapes(mira, console, sqlite_store):
    sqlite_store.open_case('<i>Hunting</i> "knife"')
    case_id = case_on(mira.post("/next"))
    found = mira.get("/search", params={"q": "<i>hunting"})
    assert f"/cases/{case_id}" in found.text
    assert 'value="&lt;i&gt;hunting"' in found.text
    assert "<i>" not in found.text
    assert "Nothing of yours fits." in words_of(mira.get("/search", params={"q": "x" * 5_000}))
    sqlite_store.user("zoe", Role.SENIOR)
    with signed_in(console, "zoe") as senior:
        words = words_of(senior.get("/search", params={"q": "hunting"}))
    assert "in review by the model, with mira" in words
