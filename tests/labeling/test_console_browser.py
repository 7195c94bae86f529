"""The console in a real browser: deciding by keyboard, undo, evidence in its place, and sellers who try to break it."""

import re

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from fairstall.model.decide import Outcome
from fairstall.records.engine import reading
from fairstall.records.tables import cases, decisions, reviews, sessions

PASSWORD = "three blind moderators"
pytestmark = pytest.mark.browser

HOSTILE_TITLE = '<script>document.title="stolen"</script> \u202egnp.exe "><img src=x onerror=alert(1)>'
HOSTILE_TEXT = (
    "</bdi></div><style>*{display:none}</style><iframe src=https://evil.example></iframe>\n"
    + "W" * 100_000
    + "\nz"
    + "\u0336\u0315\u031b\u0340" * 16
    + " مرحبا \u2067\u2066 ivory \u200b\u200b\u200b"
)


def shows(page, title: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(re.escape(title)))


def reviews_of(store) -> dict[str, tuple[str, tuple[str, ...]]]:
    with reading(store.engine) as connection:
        rows = connection.execute(select(reviews).order_by(reviews.c.decided_at)).all()
    return {row.case_id: (row.verdict, tuple(row.policies)) for row in rows}


def test_logging_in_by_keyboard_leads_to_the_queue(page, console, sqlite_store):
    page.context.clear_cookies()
    page.goto(console)
    page.keyboard.type("mira")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    shows(page, "All clear")


def test_three_cases_decided_by_keyboard_and_the_last_undone(page, start, sqlite_store):
    first, second, third = (sqlite_store.open_case(f"{name} knife") for name in ("First", "Second", "Third"))
    start()
    shows(page, "First knife")
    page.keyboard.press("v")
    shows(page, "Second knife")
    page.keyboard.press("c")
    shows(page, "Third knife")
    page.keyboard.press("2")
    page.keyboard.press("v")
    shows(page, "All clear")
    both = ("prohibited/weapons", "prohibited/drugs")
    decided = {first: ("violation", both[:1]), second: ("compliant", ()), third: ("violation", both)}
    assert reviews_of(sqlite_store) == decided
    page.keyboard.press("u")
    shows(page, "Third knife")
    assert reviews_of(sqlite_store)[third] == ("undone", ())
    page.keyboard.press("c")
    shows(page, "All clear")
    assert reviews_of(sqlite_store)[third] == ("compliant", ())
    with reading(sqlite_store.engine) as connection:
        outcomes = connection.execute(select(decisions.c.outcome).order_by(decisions.c.decided_at)).scalars().all()
    assert outcomes[3:] == [Outcome.BLOCK, Outcome.APPROVE, Outcome.BLOCK, Outcome.REVIEW, Outcome.APPROVE]


def test_a_key_pressed_twice_decides_one_case(page, start, sqlite_store):
    sqlite_store.open_case("First knife")
    sqlite_store.open_case("Second knife")
    start()
    page.evaluate(
        """() => { for (const _ of [1, 2])
             document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "c", bubbles: true})); }"""
    )
    shows(page, "Second knife")
    assert len(reviews_of(sqlite_store)) == 1


def test_no_key_works_while_typing_held_down_with_modifiers_or_in_the_dialog(page, start, sqlite_store):
    sqlite_store.open_case("First knife")
    sqlite_store.open_case("Second knife")
    start()
    page.keyboard.press("n")
    expect(page.get_by_role("textbox", name="Note")).to_be_focused()
    page.keyboard.type("vcsu 123?")
    page.keyboard.press("Escape")
    for chord in ("Control+c", "Alt+c", "Shift+C", "Meta+v"):
        page.keyboard.press(chord)
    page.evaluate(
        """() => document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "c", repeat: true, bubbles: true}))"""
    )
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("c")
    page.keyboard.press("Escape")
    shows(page, "First knife")
    page.keyboard.press("c")
    shows(page, "Second knife")
    with reading(sqlite_store.engine) as connection:
        assert connection.execute(select(reviews.c.note)).scalars().all() == ["vcsu 123?"]


def test_every_key_is_printed_on_what_it_presses(page, start, sqlite_store):
    sqlite_store.open_case()
    start()
    printed = page.eval_on_selector_all(
        "[data-key]",
        "all => all.map(one => [one.dataset.key, (one.closest('label') ?? one).querySelector('kbd').textContent])",
    )
    assert {key for key, _ in printed} == set("vcsuehart?/ng0123456789")
    assert [key for key, text in printed if key != text] == []


def test_the_digits_move_to_the_next_nine_policies_and_back(page, start, sqlite_store):
    sqlite_store.open_case()
    start()
    page.keyboard.press("1")
    page.keyboard.press("0")
    page.keyboard.press("3")
    expect(page.locator(".which")).to_have_text("Rule 8")
    expect(page.locator('[data-policy="misleading/rule_8"]')).to_have_attribute("open", "")
    page.keyboard.press("0")
    page.keyboard.press("1")
    expect(page.locator(".which")).to_have_text("Weapons, Rule 8")


def test_a_violation_needs_a_policy(page, start, sqlite_store):
    sqlite_store.open_case("First knife")
    start()
    page.keyboard.press("1")
    page.keyboard.press("v")
    expect(page.get_by_role("alert")).to_contain_text("Tick a policy first")
    page.keyboard.press("1")
    expect(page.get_by_role("alert")).to_be_hidden()
    assert reviews_of(sqlite_store) == {}


def test_skip_brings_another_case(page, start, sqlite_store):
    sqlite_store.open_case("First knife")
    sqlite_store.open_case("Second knife")
    start()
    page.keyboard.press("s")
    page.keyboard.press("1")
    shows(page, "Second knife")
    page.keyboard.press("c")
    shows(page, "First knife")


def test_evidence_is_marked_where_it_stands_and_overlaps_are_told_apart(page, start, sqlite_store):
    sqlite_store.open_case(
        "A flick knife and a block", "A knife.", words=["flick knife"], also=[("prohibited/drugs", ["knife and"])]
    )
    start()
    marks = page.locator("h1 mark")
    found = marks.evaluate_all("all => all.map(one => [one.dataset.findings, one.firstChild.data])")
    assert found == [["1", "flick "], ["1 2", "knife"], ["2", " and"]]
    assert marks.locator("sup").all_inner_texts() == ["1", "2"]
    expect(page.locator(".description mark")).to_have_count(0)


def test_hostile_listings_are_shown_as_text_and_break_nothing(page, start, sqlite_store):
    sqlite_store.open_case(
        HOSTILE_TITLE, HOSTILE_TEXT, words=["<script>", "ivory"], category="c" * 400, seller_id="s" * 200
    )
    start()
    shows(page, 'document.title="stolen"</script>')
    assert page.title() == "Review · Fairstall"
    assert page.locator("main").evaluate("main => main.querySelectorAll('script, style, iframe, bdi img').length") == 0
    labels = page.locator(".hides").all_inner_texts()
    assert labels == ["RLO", "marks ×60", "RLI", "LRI", "ZWSP ×3"]
    assert not set("\u202e\u2066\u2067\u200b") & set(page.locator("main").inner_text())
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        expect(page.get_by_role("button", name="Compliant")).to_be_in_viewport()


def test_a_lost_connection_is_told_and_nothing_is_sent_later(page, start, sqlite_store):
    sqlite_store.open_case("First knife")
    start()
    page.context.set_offline(True)
    page.keyboard.press("c")
    expect(page.get_by_role("alert")).to_contain_text(re.compile("No answer from the server|The connection is lost"))
    page.context.set_offline(False)
    shows(page, "First knife")
    assert reviews_of(sqlite_store) == {}


def test_a_case_that_a_colleague_took_over_can_no_longer_be_decided(page, start, sqlite_store):
    sqlite_store.open_case("First knife")
    start()
    sqlite_store.clock.advance(minutes=10)
    sqlite_store.queue.claim(sqlite_store.user("noor"))
    page.keyboard.press("c")
    expect(page.get_by_role("alert")).to_contain_text("colleague has taken over")
    expect(page.get_by_role("button", name="Compliant")).to_be_disabled()
    page.get_by_role("button", name="Next case").click()
    shows(page, "All clear")
    assert reviews_of(sqlite_store) == {}


def test_the_page_renews_the_lease_when_it_comes_back_to_the_front(page, start, sqlite_store):
    case_id = sqlite_store.open_case()
    start()
    sqlite_store.clock.advance(minutes=4)
    with page.expect_response("**/heartbeat") as beat:
        page.evaluate("dispatchEvent(new Event('online'))")
    assert beat.value.status == 204
    sqlite_store.clock.advance(minutes=4)
    with reading(sqlite_store.engine) as connection:
        lease = connection.execute(select(cases.c.lease_until).where(cases.c.case_id == case_id)).scalar_one()
    assert lease > sqlite_store.clock().isoformat()


def test_a_session_that_ended_leads_to_the_log_in(page, start, sqlite_store):
    sqlite_store.open_case()
    start()
    with sqlite_store.engine.begin() as connection:
        connection.execute(sessions.delete())
    page.keyboard.press("c")
    shows(page, "Log in")
    assert reviews_of(sqlite_store) == {}


def test_reloading_keeps_the_case(page, start, sqlite_store):
    sqlite_store.open_case("First knife")
    start()
    address = page.url
    page.reload()
    shows(page, "First knife")
    assert page.url == address
