"""The page of trends in a real browser: its charts are drawn, in light and in dark, under the strict policy."""

import io

import pytest
from PIL import Image
from playwright.sync_api import expect

from fairstall.labeling.permissions import Role
from fairstall.labeling.sessions import Sessions

pytestmark = pytest.mark.browser

LINE = {"light": (42, 84, 196), "dark": (143, 176, 255)}  # --accent in labeling/trends/chart.css


@pytest.fixture(params=LINE)
def scheme(request) -> str:
    return request.param


@pytest.fixture
def page(chromium, console, sqlite_store, scheme):
    """A page of a senior; at the end nothing may have broken the content security policy."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
    token = Sessions(sqlite_store.engine, sqlite_store.clock).open(sqlite_store.user("zoe", Role.SENIOR))
    context.add_cookies([{"name": "fairstall_session", "value": token, "url": console}])
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda told: problems.append(told.text) if told.type == "error" else None)
    yield page
    context.close()
    assert problems == []


def has_colour(picture: bytes, colour: tuple[int, int, int]) -> bool:
    with Image.open(io.BytesIO(picture)) as opened:
        return colour in {found for _, found in opened.convert("RGB").getcolors(1 << 20)}


def test_charts_are_drawn_with_their_colours(page, console, sqlite_store, scheme):
    for _ in range(3):
        sqlite_store.open_case()
    page.goto(f"{console}/trends?period=24h")
    for name in ("due", "age"):
        chart = page.locator(f"#{name} img")
        expect(chart).to_be_visible()
        assert chart.evaluate("image => image.naturalWidth") == 600
        assert has_colour(chart.screenshot(), LINE[scheme])


def test_a_chart_by_itself_is_drawn_too(page, console, sqlite_store, scheme):
    sqlite_store.open_case()
    page.goto(f"{console}/charts/due.svg?period=24h")
    assert page.evaluate("document.documentElement.querySelector('desc').textContent").startswith("0 cases are overdue")
    assert has_colour(page.screenshot(), LINE[scheme])


def test_numbers_open_below_their_chart_and_lead_to_their_cases(page, console, sqlite_store):
    sqlite_store.open_case("Blunt sword")
    page.goto(f"{console}/trends")
    figure = page.locator("#reasons")
    figure.get_by_text("Numbers", exact=True).click()
    figure.get_by_role("link", name="1", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cases")
    expect(page.get_by_role("row").nth(1)).to_contain_text("Blunt sword")
