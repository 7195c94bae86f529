"""Many at once in a real browser, by keyboard alone."""

import re

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from fairstall.labeling.permissions import Role
from fairstall.labeling.sessions import Sessions
from fairstall.records.engine import reading
from fairstall.records.tables import cases, reviews

pytestmark = pytest.mark.browser
WATCH = "Automatic watch with sapphire glass, box and papers, new and unworn, bought for a birthday, size {}."


def test_a_cluster_is_decided_and_undone_by_keyboard(chromium, console, sqlite_store):
    opened = [sqlite_store.open_case(f"Watch {size}", WATCH.format(size)) for size in (38, 40, 42)]
    token = Sessions(sqlite_store.engine, sqlite_store.clock).open(sqlite_store.user("zoe", Role.SENIOR))
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.add_cookies([{"name": "fairstall_session", "value": token, "url": console}])
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda told: problems.append(told.text) if "Security Policy" in told.text else None)

    page.goto(f"{console}/together")
    page.keyboard.press("n")
    shows(page, "3 cases nearly the same")
    boxes, count = page.locator(".many-cases input"), page.locator(".ticked")
    page.keyboard.press("x")
    expect(count).to_have_text("0 of 3 ticked")
    page.keyboard.press("a")
    expect(count).to_have_text("3 of 3 ticked")
    boxes.nth(1).focus()
    page.keyboard.press("Space")
    expect(count).to_have_text("2 of 3 ticked")
    page.keyboard.press("1")
    page.keyboard.press("v")
    expect(page.get_by_role("alert")).to_contain_text("Tick a policy first")
    page.keyboard.press("2")
    expect(page.locator(".which")).to_have_text("Drugs")
    page.keyboard.press("n")
    page.keyboard.type("vcux")
    page.keyboard.press("Escape")
    page.keyboard.press("v")
    shows(page, "2 decided")
    assert decided(sqlite_store) == {opened[0]: "vcux", opened[2]: "vcux"}
    page.keyboard.press("u")
    shows(page, "All 2 undone")
    with reading(sqlite_store.engine) as connection:
        assert set(connection.execute(select(cases.c.state)).scalars()) == {"open"}
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 800})
        for path in ("/together", f"/together/like/{opened[2]}"):
            page.goto(f"{console}{path}")
            assert page.evaluate("document.documentElement.scrollWidth") == width
    context.close()
    assert problems == []


def shows(page, title: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(re.escape(title)))
    page.wait_for_load_state()  # its scripts too


def decided(store) -> dict[str, str]:
    with reading(store.engine) as connection:
        rows = connection.execute(select(reviews).where(reviews.c.verdict == "violation")).all()
    return {row.case_id: row.note for row in rows}
