"""Skipping, escalating, holding, handing over and releasing by keyboard, and drafts that survive a reload."""

import re

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from fairstall.labeling.permissions import Role
from fairstall.records.engine import reading
from fairstall.records.tables import case_steps, reviews

pytestmark = pytest.mark.browser


def shows(page, title: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(re.escape(title)))


def steps(store) -> list[tuple[str, str]]:
    with reading(store.engine) as connection:
        query = select(case_steps.c.kind, case_steps.c.note).order_by(case_steps.c.step_id)
        return [tuple(row) for row in connection.execute(query) if row.kind != "touched"]


def test_a_case_leaves_by_each_verb_and_the_next_one_follows(page, start, sqlite_store):
    sqlite_store.user("noor")
    for number, title in enumerate(("First", "Second", "Third", "Fourth", "Fifth")):
        sqlite_store.open_case(f"{title} knife", priority=1 - number / 10)
    start()
    page.keyboard.press("s")
    page.keyboard.press("1")
    shows(page, "Second knife")
    page.keyboard.press("e")
    expect(page.get_by_label("What makes it a case")).to_be_focused()
    page.keyboard.type("vcs 1: a replica?")
    page.keyboard.press("Enter")
    shows(page, "Third knife")
    page.keyboard.press("h")
    page.keyboard.type("Asked the brand")
    page.keyboard.press("Enter")
    shows(page, "Fourth knife")
    page.keyboard.press("a")
    page.keyboard.type("@noor")
    page.keyboard.press("Tab")
    page.keyboard.type("Your field")
    page.keyboard.press("Enter")
    shows(page, "Fifth knife")
    page.keyboard.press("r")
    shows(page, "2 cases wait")
    assert steps(sqlite_store) == [
        ("skipped", "language"),
        ("escalated", "vcs 1: a replica?"),
        ("held", "Asked the brand"),
        ("handed_over", "Your field"),
        ("released", ""),
    ]


def test_esc_closes_what_is_open_and_while_it_is_open_no_other_key_works(page, start, sqlite_store):
    sqlite_store.open_case("First knife")
    start()
    page.keyboard.press("s")
    expect(page.locator("#panel-skip")).to_have_attribute("open", "")
    for key in ("v", "c", "u", "g"):
        page.keyboard.press(key)
    page.keyboard.press("Escape")
    expect(page.locator("#panel-skip")).not_to_have_attribute("open", "")
    shows(page, "First knife")
    page.keyboard.press("1")
    expect(page.locator(".which")).to_be_empty()
    assert steps(sqlite_store) == []


def test_who_types_fast_stays_in_the_field_when_the_browser_tells_late_of_the_panel(page, start, sqlite_store):
    sqlite_store.open_case("First knife")
    start()
    page.keyboard.press("a")
    page.keyboard.press("Tab")
    expect(page.locator("#hand-over-note")).to_be_focused()
    page.locator("#panel-hand-over").dispatch_event("toggle")
    expect(page.locator("#hand-over-note")).to_be_focused()


def test_what_cannot_be_done_is_said_and_what_was_written_stays(page, start, sqlite_store):
    sqlite_store.open_case("First knife")
    start()
    page.keyboard.press("a")
    page.keyboard.type("@nobody")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Nobody else who reviews")
    expect(page.get_by_label("To whom?")).to_have_value("@nobody")


def test_a_held_case_is_on_the_queue_page_and_goes_on_from_there(page, start, console, sqlite_store):
    sqlite_store.open_case("First knife")
    start()
    page.keyboard.press("h")
    page.keyboard.press("Enter")
    shows(page, "All clear")
    page.get_by_role("link", name="First knife").click()
    shows(page, "First knife")
    page.locator("html.with-keys").wait_for()
    page.keyboard.press("h")
    page.keyboard.press("Enter")
    shows(page, "All clear")
    page.get_by_role("button", name="Release").click()
    shows(page, "1 case waits")
    expect(page.get_by_text("Held by you")).to_have_count(0)


def test_a_senior_calls_a_case_back(signed_in_page, console, sqlite_store):
    mira = sqlite_store.user()
    sqlite_store.open_case("First knife")
    sqlite_store.queue.hold(sqlite_store.queue.claim(mira).case_id, mira, "Asked the brand")
    page = signed_in_page(sqlite_store.user("zoe", Role.SENIOR))
    page.goto(f"{console}/passed-on")
    expect(page.get_by_role("listitem").filter(has_text="First knife")).to_contain_text("@mira")
    page.get_by_role("button", name="Call back").click()
    expect(page.get_by_text("No case is held or passed on.")).to_be_visible()


def test_a_violation_that_needs_a_reason_asks_for_it_before_it_is_sent(page, start, sqlite_store):
    sqlite_store.open_case("First knife", policy="misleading/rule_1")
    start()
    page.keyboard.press("v")
    expect(page.get_by_role("alert")).to_contain_text("needs a reason")
    note = page.get_by_role("textbox", name="Note")
    expect(note).to_be_focused()
    page.keyboard.type("The picture shows it.")
    page.keyboard.press("Escape")
    page.wait_for_timeout(200)
    page.keyboard.press("v")
    shows(page, "All clear")
    with reading(sqlite_store.engine) as connection:
        assert connection.execute(select(reviews.c.note)).scalars().all() == ["The picture shows it."]


def test_a_draft_survives_a_reload_and_a_new_tab_and_goes_with_its_case(page, start, sqlite_store):
    sqlite_store.open_case("First knife")
    sqlite_store.open_case("Second knife")
    start()
    page.keyboard.press("2")
    page.keyboard.press("n")
    page.keyboard.type("Half a thou")
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    page.keyboard.type("Is it")
    page.reload()
    expect(page.get_by_label("What makes it a case")).to_have_value("Is it")
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("textbox", name="Note")).to_have_value("Half a thou")
    expect(other.locator(".which")).to_have_text("Weapons, Drugs")
    other.close()
    page.keyboard.press("Escape")
    page.keyboard.press("v")
    shows(page, "Second knife")
    expect(page.locator(".which")).to_have_text("Weapons")
    assert page.evaluate("Object.keys(localStorage)") == []


def test_a_draft_is_its_writers_alone_and_goes_when_he_logs_out(signed_in_page, page, start, console, sqlite_store):
    sqlite_store.open_case("First knife")
    start()
    with page.expect_response(re.compile("/touch$")):
        page.locator(".note summary").click()
    page.get_by_role("textbox", name="Note").fill("Mira's thought")
    storage = page.context.storage_state()
    noor = sqlite_store.user("noor")
    sqlite_store.clock.advance(minutes=10)
    sqlite_store.queue.claim(noor)
    others = signed_in_page(noor, storage_state=storage)
    others.goto(page.url)
    expect(others.locator(".note textarea")).to_have_value("")
    page.get_by_role("button", name="Log out").click()
    shows(page, "Log in")
    assert page.evaluate("Object.keys(localStorage)") == []


def test_a_lost_connection_says_how_long_the_case_stays(page, start, sqlite_store):
    sqlite_store.open_case("First knife")
    start()
    page.context.set_offline(True)
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.get_by_role("alert")).to_contain_text("The case stays yours until")
    page.context.set_offline(False)
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_search_is_a_key_away_and_leads_back_to_the_case(page, start, sqlite_store):
    sqlite_store.open_case("First knife")
    start()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("first")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="First knife").click()
    shows(page, "First knife")
