"""The console over HTTP, as a browser without scripts uses it: who gets in, what a form may do, what it says."""

import re
from contextlib import contextmanager
from functools import reduce

import httpx
import pytest
from sqlalchemy import select

from fairstall.labeling.accounts import FAILURES_BEFORE_LOCK
from fairstall.labeling.console import create_console
from fairstall.labeling.permissions import PERMISSIONS, Permission, Role
from fairstall.labeling.queue import ReviewVerdict
from fairstall.model.decide import Outcome, Resemblance
from fairstall.records.engine import reading
from fairstall.records.erasure import Erasure
from fairstall.records.ledger import CaseReason
from fairstall.records.tables import cases

PASSWORD = "three blind moderators"


@contextmanager
def visitor(console):
    with httpx.Client(base_url=console, follow_redirects=True) as client:
        yield client


@contextmanager
def signed_in(console, name="mira"):
    with visitor(console) as client:
        client.post("/login", data={"name": name, "password": PASSWORD})
        yield client


def csrf_of(page: httpx.Response) -> str:
    return re.search(r'name="csrf" value="([^"]+)"', page.text)[1]


def words_of(page: httpx.Response) -> str:
    """What a page says, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


def take_case(client) -> httpx.Response:
    return client.post("/next", data={"csrf": csrf_of(client.get("/queue"))})


def test_without_a_session_every_page_leads_to_the_log_in(console):
    with visitor(console) as client:
        for path in ("/", "/queue", "/decisions", "/cases/x"):
            assert "Log in</h1>" in client.get(path).text
        assert "Log in</h1>" in client.post("/next").text


def test_logging_in_sets_a_cookie_that_scripts_and_other_sites_cannot_use(console, sqlite_store):
    sqlite_store.user()
    with httpx.Client(base_url=console) as client:
        answer = client.post("/login", data={"name": " Mira ", "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/queue")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("fairstall_session=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))


def test_on_https_the_cookie_is_secure_and_bound_to_the_host(sqlite_store, policies):
    from starlette.testclient import TestClient

    sqlite_store.user()
    app = create_console(engine=sqlite_store.engine, policies=policies, accounts=sqlite_store.accounts)
    with TestClient(app, base_url="https://market.example", follow_redirects=False) as client:
        cookie = client.post("/login", data={"name": "mira", "password": PASSWORD}).headers["set-cookie"]
    assert cookie.startswith("__Host-fairstall_session=")
    assert "Secure" in cookie.split("; ")


def test_a_wrong_password_and_an_unknown_name_are_told_in_the_same_words(console, sqlite_store):
    sqlite_store.user()
    with visitor(console) as client:
        wrong = client.post("/login", data={"name": "mira", "password": "something else"})
        unknown = client.post("/login", data={"name": "nobody", "password": "something else"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace("mira", "nobody") == unknown.text
    assert "do not match" in wrong.text


def test_an_account_locks_after_failures_and_opens_again_by_itself(console, sqlite_store):
    sqlite_store.user()
    with visitor(console) as client:
        for _ in range(FAILURES_BEFORE_LOCK):
            client.post("/login", data={"name": "mira", "password": "something else"})
        assert client.post("/login", data={"name": "mira", "password": PASSWORD}).status_code == 401
        sqlite_store.clock.advance(minutes=16)
        assert client.post("/login", data={"name": "mira", "password": PASSWORD}).url.path == "/console/queue"


def test_a_session_ends_at_log_out_when_disabled_and_after_twelve_hours(console, sqlite_store):
    sqlite_store.user()
    ends = (
        lambda client: client.post("/logout", data={"csrf": csrf_of(client.get("/queue"))}),
        lambda client: sqlite_store.accounts.disable("mira"),
        lambda client: sqlite_store.clock.advance(hours=12),
    )
    for end in ends:
        sqlite_store.accounts.enable("mira")
        with signed_in(console) as client:
            cookies = dict(client.cookies)
            assert client.get("/queue").url.path == "/console/queue"
            end(client)
            client.cookies.update(cookies)
            assert client.get("/queue").url.path == "/console/login"


def test_every_answer_carries_the_security_headers_and_pages_are_not_stored(console):
    with visitor(console) as client:
        for path in ("/login", "/static/console.css", "/static/console.js", "/nothing"):
            headers = client.get(path).headers
            assert "default-src 'none'; script-src 'self'; style-src 'self'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
        assert client.get("/login").headers["cache-control"] == "no-store"


def test_pages_hold_no_inline_script_or_style_and_nothing_from_elsewhere(console, sqlite_store):
    sqlite_store.user()
    sqlite_store.open_case(words=["knife"])
    with signed_in(console) as client:
        for page in (client.get("/queue"), take_case(client), client.get("/cases/none")):
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=\"/console/static/)", page.text)
            assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", page.text)


def test_a_form_without_the_sessions_token_or_from_another_site_does_nothing(console, sqlite_store):
    sqlite_store.user()
    sqlite_store.open_case()
    with signed_in(console) as client:
        token = csrf_of(client.get("/queue"))
        refused = (
            client.post("/next"),
            client.post("/next", data={"csrf": "guessed"}),
            client.post("/next", data={"csrf": token}, headers={"Origin": "https://evil.example"}),
            client.post("/next", data={"csrf": token}, headers={"Origin": "null"}),
            client.post("/next", data={"csrf": token}, headers={"Sec-Fetch-Site": "cross-site"}),
            client.post(
                "/login", data={"name": "mira", "password": PASSWORD}, headers={"Origin": "https://evil.example"}
            ),
        )
        assert [answer.status_code for answer in refused] == [403] * 6
        own = console.removesuffix("/console")
        assert client.post("/next", headers={"X-CSRF-Token": token, "Origin": own}).status_code == 200


def routes() -> list[tuple[str, str, Permission]]:
    see, review, decisions = Permission.SEE_QUEUE, Permission.REVIEW, Permission.SEE_DECISIONS
    trends = Permission.SEE_TRENDS
    return [
        ("GET", "/queue", see),
        ("GET", "/decisions", decisions),
        ("GET", "/cases", decisions),
        ("GET", "/trends", trends),
        ("GET", "/trends/depth.csv", trends),
        ("GET", "/charts/depth.svg", trends),
        ("POST", "/next", review),
        ("GET", "/cases/none", review),
        ("POST", "/cases/none/decide", review),
        ("POST", "/cases/none/skip", review),
        ("POST", "/cases/none/heartbeat", review),
        ("POST", "/undo", review),
        ("POST", "/logout", see),
    ]


@pytest.mark.parametrize("role", Role)
def test_each_role_reaches_what_the_table_gives_it_and_nothing_else(console, sqlite_store, role):
    sqlite_store.user("kim", role)
    with signed_in(console, "kim") as client:
        token = csrf_of(client.get("/queue"))
        for method, path, permission in routes():
            answer = client.request(method, path, headers={"X-CSRF-Token": token}, follow_redirects=False)
            assert (answer.status_code != 403) == (permission in PERMISSIONS[role]), (path, answer.status_code)


def test_the_table_of_routes_above_is_complete(sqlite_store, policies):
    from starlette.routing import Route

    app = create_console(engine=sqlite_store.engine, policies=policies)
    served = {(*(route.methods - {"HEAD"}), route.path) for route in app.routes if isinstance(route, Route)}
    named = (("none", "{case_id}"), ("depth", "{name}"))
    tested = {(method, reduce(lambda path, pair: path.replace(*pair), named, path)) for method, path, _ in routes()}
    assert served - tested == {("GET", "/"), ("GET", "/login"), ("POST", "/login")}


def test_without_scripts_a_case_is_decided_by_a_form_and_the_next_one_follows(console, sqlite_store):
    sqlite_store.user()
    first, second = sqlite_store.open_case("First knife"), sqlite_store.open_case("Second knife")
    with signed_in(console) as client:
        page = take_case(client)
        assert page.url.path.endswith(first)
        token = csrf_of(page)
        answer = {"csrf": token, "verdict": "violation", "policy": ["prohibited/weapons", "prohibited/drugs"]}
        page = client.post(f"/cases/{first}/decide", data=answer)
        assert page.url.path.endswith(second)
        page = client.post(f"/cases/{first}/decide", data=answer)
        assert page.url.path.endswith(second), "the same form again decides nothing else"
        page = client.post(f"/cases/{second}/decide", data={"csrf": token, "verdict": "compliant"})
        assert "All clear" in page.text
        page = client.post("/undo", data={"csrf": token})
    assert page.url.path.endswith(second)
    assert "Your decision is undone" in page.text


def test_a_verdict_that_cannot_be_stored_is_refused_with_a_reason(console, sqlite_store):
    sqlite_store.user()
    case_id = sqlite_store.open_case()
    with signed_in(console) as client:
        token = csrf_of(take_case(client))
        for fields, reason in (
            ({"verdict": "violation"}, "Choose the policy"),
            ({"verdict": "violation", "policy": "prohibited/joy"}, "no policy &#39;prohibited/joy&#39; in force"),
            ({"verdict": "perhaps"}, "Choose violation or compliant"),
            ({"verdict": "compliant", "note": "x" * 2_001}, "more than 2000 characters"),
            ({"verdict": "compliant", "note": "x" * 40_000}, "larger than 32768 bytes"),
        ):
            answer = client.post(f"/cases/{case_id}/decide", data={"csrf": token} | fields)
            assert (answer.status_code, reason in answer.text) == (422, True), answer.text
        assert client.get(f"/cases/{case_id}").status_code == 200


def test_a_case_that_went_to_a_colleague_says_so_politely(console, sqlite_store):
    mira, noor = sqlite_store.user("mira"), sqlite_store.user("noor")
    case_id = sqlite_store.open_case()
    with signed_in(console) as client:
        token = csrf_of(take_case(client))
        sqlite_store.clock.advance(minutes=10)
        sqlite_store.queue.claim(noor)
        refused = client.post(f"/cases/{case_id}/decide", data={"csrf": token, "verdict": "compliant"})
        assert refused.status_code == 409
        assert "no longer yours" in refused.text
        assert client.post(f"/cases/{case_id}/heartbeat", data={"csrf": token}).status_code == 409
        assert "with a colleague" in client.get(f"/cases/{case_id}").text
    assert sqlite_store.queue.review_of(case_id, mira) is None


def test_a_blind_case_tells_nothing_of_what_the_model_thought(console, sqlite_store):
    sqlite_store.user()
    sqlite_store.open_case("Kitchen knife", words=["knife"], reason=CaseReason.CONTROL)
    with signed_in(console) as client:
        page = take_case(client).text
    assert "Blind review" in page
    for sign in ("<mark", "medium", "model + rule", " checked", "in review</span>"):
        assert sign not in re.sub(r"<p class=\"tally\">.*?</p>", "", page, flags=re.DOTALL)


def test_golden_cases_look_like_ordinary_ones(console, sqlite_store):
    sqlite_store.user()
    sqlite_store.open_case("Knife")
    sqlite_store.open_case("Knife", reason=CaseReason.GOLDEN)
    seen = set()
    with signed_in(console) as client:
        assert "Unsure 2" in words_of(client.get("/queue"))
        for _ in range(2):
            page = take_case(client)
            seen.add(words_of(page).partition(" Price ")[0].partition(" Seller ")[0])
            client.post(f"{page.url}/decide", data={"csrf": csrf_of(page), "verdict": "compliant"})
    assert len(seen) == 1
    assert "Unsure" in seen.pop()


def test_the_overview_counts_what_waits_and_gives_no_blind_case_away(console, sqlite_store):
    sqlite_store.user()
    sqlite_store.open_case()
    sqlite_store.open_case(policy="prohibited/drugs")
    sqlite_store.open_case(policy="prohibited/drugs", reason=CaseReason.CONTROL, outcome="block")
    with signed_in(console) as client:
        text = words_of(client.get("/queue"))
    assert "3 cases wait" in text
    assert "Unsure 2 Blind review 1" in text
    assert "Drugs 1 Weapons 1 Without a finding 1" in text


def test_cases_with_colleagues_do_not_wait(console, sqlite_store):
    sqlite_store.user()
    sqlite_store.open_case()
    sqlite_store.queue.claim(sqlite_store.user("noor"))
    with signed_in(console) as client:
        assert "All clear Nothing waits for review, and colleagues are at work on 1." in words_of(client.get("/queue"))
        sqlite_store.open_case()
        assert "1 case waits The oldest was opened just now . 1 more is with colleagues." in words_of(
            client.get("/queue")
        )


def test_the_sellers_other_listings_are_shown_and_this_one_is_not(console, sqlite_store):
    sqlite_store.user()
    sqlite_store.open_case("An older blade", reason=CaseReason.UNCERTAIN, priority=0.1)
    sqlite_store.open_case("Somebody else's", seller_id="other", priority=0.1)
    sqlite_store.open_case("This very knife", priority=2.0)
    with signed_in(console) as client:
        history = take_case(client).text.partition("other listings")[2]
    assert "An older blade" in history
    assert "Somebody else" not in history
    assert "This very knife" not in history


def test_decisions_show_who_replaced_what(console, sqlite_store):
    zoe = sqlite_store.user("zoe", Role.SENIOR)
    case_id = sqlite_store.open_case("Blunt training sword")
    sqlite_store.queue.claim(zoe)
    sqlite_store.queue.decide(case_id, zoe, "compliant")
    with signed_in(console, "zoe") as client:
        words = words_of(client.get("/decisions"))
    assert "Blunt training sword approved was in review zoe just now" in words
    assert "Blunt training sword in review replaced since the model just now" in words


def resembled_page(console, store, reason=CaseReason.UNCERTAIN) -> httpx.Response:
    """The page of a case that resembles a listing which a person blocked a while ago."""
    mira = store.user()
    store.open_case("Carved <b>tusk</b>", "From a family estate.", policy="prohibited/wildlife")
    case = store.queue.claim(mira)
    blocked = store.queue.decide(case.case_id, mira, ReviewVerdict.VIOLATION, ("prohibited/wildlife",)).decision_id
    store.clock.advance(days=3)
    alike = Resemblance(blocked, 0.874)
    store.open_case("Tusk, carved", policy="prohibited/wildlife", resembles=alike, reason=reason)
    with signed_in(console) as client:
        return take_case(client)


def test_a_near_duplicate_is_shown_beside_the_blocked_listing(console, sqlite_store):
    words = words_of(resembled_page(console, sqlite_store))
    assert "87 % the same as a listing that a person blocked 3 days ago : Carved &lt;b&gt;tusk&lt;/b&gt;" in words
    assert "From a family estate." in words


def test_a_blind_case_does_not_tell_what_it_resembles(console, sqlite_store):
    page = resembled_page(console, sqlite_store, CaseReason.CONTROL)
    assert "Blind review" in page.text
    assert "the same as a listing" not in page.text


def test_a_case_whose_listing_was_erased_is_closed_and_says_so(console, sqlite_store):
    sqlite_store.user("mira", Role.MANAGER)
    case_id, done = (sqlite_store.open_case(f"Pistol {number}", words=["Pistol"], priority=number) for number in (1, 2))
    with signed_in(console) as client:
        page = take_case(client)
        client.post(f"/cases/{done}/decide", data={"csrf": csrf_of(page), "verdict": "compliant"})
        Erasure(sqlite_store.engine, "seller-1", sqlite_store.clock).run(actor="operator:kim", reason="ticket 7")
        for name in (case_id, done):
            page = client.get(f"/cases/{name}")
            assert "Erased at the seller's request" in page.text.replace("&#39;", "'")
            assert "The text of this listing was erased just now" in words_of(page)
            assert "Pistol" not in page.text
        for place in ("/queue", "/decisions"):
            assert "erased at the seller's request" in client.get(place).text.replace("&#39;", "'")


def test_what_resembles_an_erased_listing_can_still_be_reviewed(console, sqlite_store):
    sqlite_store.user()
    blocked = sqlite_store.open_case("Pistol, as new", outcome=Outcome.BLOCK, reason=CaseReason.CONTROL, priority=0.0)
    with reading(sqlite_store.engine) as connection:
        query = select(cases.c.decision_id).where(cases.c.case_id == blocked)
        alike = Resemblance(connection.execute(query).scalar_one(), 0.9)
    sqlite_store.open_case("Pistol, nearly new", seller_id="seller-2", resembles=alike)
    Erasure(sqlite_store.engine, "seller-1", sqlite_store.clock).run(actor="operator:kim", reason="ticket 7")
    with signed_in(console) as client:
        said = words_of(take_case(client)).replace("&#39;", "'")
    assert "Pistol, nearly new" in said
    assert "90 % the same as a listing that the model or a rule blocked" in said
    assert "erased at the seller's request" in said
    assert "as new" not in said
