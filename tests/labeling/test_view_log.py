"""The log of who looked at which listing: no page shows one without leaving a row, and auditors can look it through."""

import csv
import re
from datetime import datetime

import httpx
import pytest
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from fairstall.labeling.console import create_console
from fairstall.labeling.permissions import Role
from fairstall.labeling.sessions import Sessions
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.labeling.view_log import LINES_SHOWN, ViewedPage, ViewFilter, ViewLog
from fairstall.model.decide import Resemblance
from fairstall.records.engine import reading
from fairstall.records.erasure import Erasure
from fairstall.records.ledger import CaseReason
from fairstall.records.tables import cases, decisions, listings, views

EVERYTHING = ViewFilter()


@pytest.fixture
def log(store) -> ViewLog:
    return ViewLog(store.engine, store.clock)


@pytest.fixture
def app(sqlite_store, policies) -> Starlette:
    return create_console(
        engine=sqlite_store.engine, policies=policies, clock=sqlite_store.clock, accounts=sqlite_store.accounts
    )


@pytest.fixture
def client_of(app, sqlite_store):
    """A client with a session of the user."""
    mounted = Starlette(routes=[Mount("/console", app)])
    with TestClient(mounted, base_url="http://console.example/console", follow_redirects=False) as client:

        def _client(user):
            token = Sessions(sqlite_store.engine, sqlite_store.clock).open(user)
            client.cookies.set("fairstall_session", token)
            return client

        yield _client


def rows_of(store, **where) -> list:
    query = select(views).filter_by(**where).order_by(views.c.view_id, views.c.decision_id)
    with reading(store.engine) as connection:
        return connection.execute(query).all()


def decision_of(store, case_id: str) -> str:
    with reading(store.engine) as connection:
        return connection.execute(select(cases.c.decision_id).where(cases.c.case_id == case_id)).scalar_one()


def titles_in(store, page: httpx.Response) -> set[str]:
    """The decisions whose listing's title stands on a page: each listing here has a title of its own."""
    query = select(decisions.c.decision_id, listings.c.body).join(
        listings, decisions.c.listing_digest == listings.c.digest
    )
    with reading(store.engine) as connection:
        return {decision for decision, body in connection.execute(query) if body["title"] in page.text}


@pytest.fixture
def case_ids(sqlite_store) -> dict[str, str]:
    """A case decided by the administrator `kim`, one in his hands that resembles a blocked one, and one that waits."""
    kim = sqlite_store.user("kim", Role.ADMIN)
    decided = sqlite_store.open_case("Decided dagger", seller_id="seller-2", priority=9.0)
    sqlite_store.queue.claim(kim)
    sqlite_store.queue.decide(decided, kim, ReviewVerdict.COMPLIANT)
    blocked = sqlite_store.open_case("Blocked blade", seller_id="seller-3", reason=CaseReason.CONTROL, priority=0.1)
    alike = Resemblance(decision_of(sqlite_store, blocked), 0.9)
    sqlite_store.open_case("Earlier epee", priority=0.2)
    held = sqlite_store.open_case("Held halberd", priority=5.0, resembles=alike)
    sqlite_store.queue.claim(kim)
    return {"decided": decided, "held": held, "waiting": blocked}


def test_every_page_that_shows_a_listing_leaves_a_row_for_it(app, client_of, sqlite_store, case_ids):
    kim = sqlite_store.accounts.get("kim").user
    client, showing = client_of(kim), set()
    named = {"name": "kim", "decision_id": decision_of(sqlite_store, case_ids["decided"])}
    named |= {"like": "none", "batch_id": "none", "golden_id": "none"}
    paths = [route.path for route in app.routes if isinstance(route, Route) and "GET" in route.methods]
    for path in paths:
        for case_id in case_ids.values() if "{case_id}" in path else ("",):
            seen = {row.view_id for row in rows_of(sqlite_store)}
            page = client.get(path.format_map(named | {"case_id": case_id}), params={"q": "Decided"})
            new = [row for row in rows_of(sqlite_store) if row.view_id not in seen]
            left = {row.decision_id for row in new}
            shown = titles_in(sqlite_store, page)
            # An override shows the same listing under an id of its own; one row of them is enough.
            assert {*map(title_of(sqlite_store), shown)} <= {*map(title_of(sqlite_store), left)}, path
            assert {row.user_id for row in new} <= {kim.user_id}
            assert len({row.view_id for row in new}) <= 1
            showing |= {path} if left else set()
    assert showing == {
        "/queue",
        "/decisions",
        "/cases",
        "/cases/{case_id}",
        "/golden/new/{decision_id}",
        "/quality/reviews",
        "/search",
    }


def title_of(store):
    query = select(decisions.c.decision_id, listings.c.body).join(
        listings, decisions.c.listing_digest == listings.c.digest
    )
    with reading(store.engine) as connection:
        titles = {decision: body["title"] for decision, body in connection.execute(query)}
    return titles.__getitem__


def test_a_case_page_leaves_the_case_its_history_what_it_resembles_and_the_last_review(
    client_of, sqlite_store, case_ids
):
    kim = sqlite_store.accounts.get("kim").user
    client_of(kim).get(f"/cases/{case_ids['held']}")
    rows = rows_of(sqlite_store, page="case")
    title = title_of(sqlite_store)
    shown = {"Held halberd", "Earlier epee", "Blocked blade", "Decided dagger"}
    assert {title(row.decision_id) for row in rows} == shown
    assert {row.case_id for row in rows} == {case_ids["held"]}


def test_a_case_that_is_not_shown_leaves_no_row(client_of, sqlite_store, case_ids):
    client = client_of(sqlite_store.user("noor"))
    assert "Not with you at the moment" in client.get(f"/cases/{case_ids['held']}").text
    assert client.get("/cases/none").status_code == 404
    assert rows_of(sqlite_store, page="case") == []


def test_a_page_that_refreshes_itself_shows_nothing_new_and_leaves_no_row(client_of, sqlite_store, case_ids):
    client = client_of(sqlite_store.accounts.get("kim").user)
    client.get("/queue")
    before = rows_of(sqlite_store, page="queue")
    client.get("/queue?refresh=")
    assert rows_of(sqlite_store, page="queue") == before
    assert len(before) == 1


def test_when_the_view_cannot_be_stored_the_page_is_not_shown(client_of, sqlite_store, case_ids):
    client = client_of(sqlite_store.accounts.get("kim").user)
    with sqlite_store.engine.begin() as connection:
        views.drop(connection)
    page = client.get("/decisions")
    assert (page.status_code, "dagger" in page.text) == (503, False)


def test_erasing_a_seller_leaves_the_views_of_his_listings(client_of, sqlite_store, case_ids):
    client_of(sqlite_store.accounts.get("kim").user).get("/decisions")
    before = rows_of(sqlite_store)
    Erasure(sqlite_store.engine, "seller-2", sqlite_store.clock).run(actor="operator:kim", reason="ticket 7")
    assert rows_of(sqlite_store) == before
    assert not any("seller" in str(value) or "dagger" in str(value) for row in before for value in row)


def test_views_are_found_by_person_case_decision_and_time(store, log):
    mira, noor = store.user("mira"), store.user("noor")
    case_id = store.open_case("A knife")
    decision = decision_of(store, case_id)
    log.record(mira, ViewedPage.CASE, [decision, "d-2"], case_id=case_id)
    between = store.clock()
    log.record(noor, ViewedPage.DECISIONS, [decision, "d-3", "d-4"])
    log.record(noor, ViewedPage.QUEUE, ["d-4"])

    def found(**which):
        return [(line.user, line.page, line.listings) for line in log.look(ViewFilter(**which))]

    at_queue, at_decisions, at_case = ("noor", "queue", 1), ("noor", "decisions", 3), ("mira", "case", 2)
    assert found() == [at_queue, at_decisions, at_case]
    assert found(user="mira") == [at_case]
    assert found(user="nobody") == []
    assert found(about=case_id) == found(about=decision) == [at_decisions, at_case]
    assert found(about="d-4") == [at_queue, at_decisions]
    assert found(since=between) == [at_queue, at_decisions]
    assert found(until=between) == [at_case]
    assert found(user="noor", about=decision) == [at_decisions]


def test_views_come_a_page_at_a_time_and_all_of_them_in_order(store, log, monkeypatch):
    monkeypatch.setattr("fairstall.labeling.view_log.ROWS_AT_ONCE", 7)
    mira = store.user("mira")
    for number in range(LINES_SHOWN + 3):
        log.record(mira, ViewedPage.DECISIONS, [f"d-{number}", f"e-{number}"])
    first = log.look(EVERYTHING)
    rest = log.look(EVERYTHING, before=first[-1].view_id)
    assert (len(first), len(rest)) == (LINES_SHOWN, 3)
    rows = list(log.read(EVERYTHING))
    assert [row.decision_id for row in rows] == [f"{a}-{n}" for n in range(LINES_SHOWN + 3) for a in ("d", "e")]


def test_views_are_kept_for_ever_or_for_so_many_days(store):
    mira = store.user("mira")
    for_ever, for_a_week = ViewLog(store.engine, store.clock), ViewLog(store.engine, store.clock, keep_days=7)
    for_ever.record(mira, ViewedPage.CASE, ["d-1"], case_id="c-1")
    store.clock.advance(days=8)
    for_ever.record(mira, ViewedPage.CASE, ["d-2"], case_id="c-2")
    for_ever.forget_old()
    assert len(rows_of(store)) == 2
    for_a_week.forget_old()
    assert [row.decision_id for row in rows_of(store)] == ["d-2"]


def test_old_views_go_when_somebody_logs_in(serve_console, sqlite_store):
    mira = sqlite_store.user("mira")
    ViewLog(sqlite_store.engine, sqlite_store.clock).record(mira, ViewedPage.CASE, ["d-1"])
    sqlite_store.clock.advance(days=8)
    with httpx.Client(base_url=serve_console(keep_views_days=7)) as client:
        client.post("/login", data={"name": "mira", "password": "three blind moderators"})
    assert rows_of(sqlite_store) == []


def test_an_auditor_looks_the_views_through_and_takes_them_away(client_of, sqlite_store, case_ids):
    kim = sqlite_store.accounts.get("kim").user
    client_of(kim).get(f"/cases/{case_ids['held']}")
    client_of(kim).get("/decisions")
    client = client_of(sqlite_store.user("ada", Role.AUDITOR))
    page = client.get("/views").text
    assert re.findall(r"<td>(case|decisions|queue)</td>", page) == ["decisions", "case"]
    about = client.get("/views", params={"about": case_ids["held"], "user": "kim", "since": "2026-11-22"}).text
    assert case_ids["held"] in about
    link = re.search(r'href="/console(/views\.csv\?[^"]+)"', about)[1].replace("&amp;", "&")
    answer = client.get(link)
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="views.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(answer.text.splitlines()))
    assert list(rows[0]) == ["view_id", "seen_at", "user", "page", "case_id", "decision_id"]
    assert len(rows) == len(rows_of(sqlite_store, page="case"))
    assert datetime.fromisoformat(rows[0]["seen_at"]).tzinfo
    assert "Nobody looked at such a listing" in client.get("/views?until=2026-11-21").text
    refused = client.get("/views?since=yesterday")
    assert (refused.status_code, "is no day" in refused.text) == (422, True)
