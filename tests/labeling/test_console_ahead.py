"""The case after the one on the screen is there before it is asked for, and shown only when the server says so."""

import re

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from fairstall.labeling.passing import Passing
from fairstall.labeling.permissions import Role
from fairstall.records.engine import reading
from fairstall.records.tables import case_steps, cases, reviews

pytestmark = pytest.mark.browser


@pytest.fixture
def requests(page, console):
    """What the page asks of the console, as `METHOD path` with ids left out, static files apart."""
    sent: list[str] = []

    def note(request) -> None:
        path = re.sub(r"[0-9a-f-]{36}", "ID", request.url.removeprefix(console))
        if "/static/" not in path:
            sent.append(f"{request.method} {path}")

    page.on("request", note)
    return sent


@pytest.fixture
def ahead(page, start):
    """Take the first case and wait until the one after it is kept ready."""

    def _ahead() -> None:
        with page.expect_response("**/ahead") as response:
            start()
        response.value.finished()
        settle(page)

    return _ahead


def settle(page) -> None:
    """Let the page handle what it has received."""
    page.evaluate("() => new Promise((done) => setTimeout(() => requestAnimationFrame(done), 50))")


def shows(page, title: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def holders(store) -> dict[str, str | None]:
    with reading(store.engine) as connection:
        return dict(connection.execute(select(cases.c.case_id, cases.c.lease_holder)).all())


def test_a_decision_is_one_request_and_the_page_of_the_next_case_is_there(page, ahead, requests, sqlite_store):
    for title in ("First knife", "Second knife", "Third knife"):
        sqlite_store.open_case(title)
    ahead()
    requests.clear()
    with page.expect_response("**/ahead"):
        page.keyboard.press("c")
    shows(page, "Second knife")
    assert page.url.endswith(page.locator("main").get_attribute("data-case"))
    assert [one for one in requests if "touch" not in one] == ["POST /cases/ID/decide", "POST /cases/ID/ahead"]


def test_the_swapped_page_takes_back_the_decision_before_it(page, ahead, sqlite_store):
    first = sqlite_store.open_case("First knife")
    sqlite_store.open_case("Second knife")
    ahead()
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    page.keyboard.press("c")
    shows(page, "Second knife")
    expect(page.get_by_role("button", name="Undo")).to_have_attribute("title", "Take back: compliant, First knife")
    page.keyboard.press("u")
    shows(page, "First knife")
    assert page.url.endswith(f"/cases/{first}?note=undone")
    with reading(sqlite_store.engine) as connection:
        verdicts = connection.execute(select(reviews.c.verdict).order_by(reviews.c.decided_at)).scalars().all()
    assert verdicts == ["compliant", "undone"]


def test_the_case_stays_until_the_server_has_stored_the_decision(page, ahead, sqlite_store):
    sqlite_store.open_case("First knife")
    sqlite_store.open_case("Second knife")
    ahead()
    page.route("**/decide", lambda route: route.abort())
    page.keyboard.press("c")
    expect(page.get_by_role("alert")).to_contain_text("No answer from the server")
    shows(page, "First knife")
    page.unroute("**/decide")
    page.wait_for_timeout(200)  # the same key twice within a fifth of a second is one press
    page.keyboard.press("c")
    shows(page, "Second knife")


def test_both_leases_are_renewed_and_both_cases_stay_with_their_reader(page, ahead, sqlite_store):
    sqlite_store.open_case(priority=0.9)
    second = sqlite_store.open_case(priority=0.1)
    ahead()
    sqlite_store.clock.advance(minutes=4)
    with page.expect_response(f"**/cases/{second}/heartbeat") as beat:
        page.evaluate("dispatchEvent(new Event('online'))")
    assert beat.value.status == 204
    sqlite_store.clock.advance(minutes=4)
    assert sqlite_store.queue.claim(sqlite_store.user("noor")) is None


def test_what_was_called_back_meanwhile_is_dropped_and_another_case_is_shown(page, ahead, sqlite_store):
    zoe = sqlite_store.user("zoe", Role.SENIOR)
    sqlite_store.open_case("First knife", priority=0.9)
    second = sqlite_store.open_case("Second knife", priority=0.8)
    sqlite_store.open_case("Third knife", priority=0.1)
    ahead()
    Passing(sqlite_store.engine, sqlite_store.clock).recall(second, zoe)
    assert sqlite_store.queue.claim(zoe).case_id == second
    page.keyboard.press("c")
    shows(page, "Third knife")


def test_work_on_a_case_begins_when_it_is_on_the_screen(page, ahead, sqlite_store):
    first, second = sqlite_store.open_case("First knife"), sqlite_store.open_case("Second knife")

    def touched() -> list[str]:
        with reading(sqlite_store.engine) as connection:
            query = select(case_steps.c.case_id).where(case_steps.c.kind == "touched").order_by(case_steps.c.step_id)
            return list(connection.execute(query).scalars())

    ahead()
    with page.expect_response("**/touch"):
        page.mouse.move(200, 200)
    assert touched() == [first]
    page.keyboard.press("c")
    shows(page, "Second knife")
    with page.expect_response("**/touch"):
        page.mouse.move(300, 300)
    assert touched() == [first, second]


def test_releasing_gives_back_the_case_that_was_kept_ready_too(page, ahead, sqlite_store):
    sqlite_store.open_case()
    sqlite_store.open_case()
    ahead()
    assert None not in holders(sqlite_store).values()
    page.keyboard.press("r")
    shows(page, re.compile("2 cases wait"))
    assert set(holders(sqlite_store).values()) == {None}
