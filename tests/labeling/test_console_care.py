"""Care for those who read all day: blur, breaks, dark colours, screen readers, small screens, hostile sellers."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from starlette.routing import Route

from fairstall.labeling.accounts import User
from fairstall.labeling.calibration import Calibration
from fairstall.labeling.console import create_console
from fairstall.labeling.golden import GoldenItems
from fairstall.labeling.passing import Passing
from fairstall.labeling.permissions import Role
from fairstall.labeling.queue import ReviewQueue, SkipReason
from fairstall.labeling.second_reviews import WIDE_REACH, SecondReviews
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.records.ledger import CaseReason

pytestmark = pytest.mark.browser

WEAPONS = ("prohibited/weapons",)
SHEETS = Path(__file__).parents[2] / "labeling" / "static"
HOSTILE = {
    "title": '<script>document.title="stolen"</script> \u202egnp.exe "><img src=x onerror=alert(1)>' + "T" * 400,
    "description": (
        "</bdi></div><style>*{display:none}</style><iframe src=https://evil.example></iframe>\n"
        + "W" * 100_000
        + "\nz"
        + "\u0336\u0315\u031b\u0340" * 16
        + " مرحبا \u2067\u2066 ivory \u200b\u200b\u200b"
    ),
    "words": ["<script>", "ivory"],
    "category": "c" * 400,
    "seller_id": "s" * 200,
    "attributes": {"k" * 100: "v" * 2_000, "\u202ecolour": "<b>red</b>"},
}


@dataclass(frozen=True)
class Everything:
    """A store with something on every page: who may see them all, and what the pages are about."""

    root: User
    decided: str
    disagreed: str
    waiting: str


@pytest.fixture
def everything(sqlite_store, policies):
    """Hostile listings in every list: decided, disagreed on, golden, held, handed over, skipped, alike, in hand."""
    root, mira, noor = (
        sqlite_store.user(name, role)
        for name, role in (("root", Role.ADMIN), ("mira", Role.MODERATOR), ("noor", Role.MODERATOR))
    )
    engine, clock = sqlite_store.engine, sqlite_store.clock
    passing, calibration, golden = Passing(engine, clock), Calibration(engine, clock), GoldenItems(engine, clock)
    queue = ReviewQueue(engine, clock, second_reviews=SecondReviews(policies, b"key"))

    def take(user, **facts):
        sqlite_store.open_case(**HOSTILE, **facts)
        return queue.claim(user)

    def blocks(case, user):
        queue.decide(case.case_id, user, ReviewVerdict.VIOLATION, WEAPONS, "<b>note</b>" + "n" * 500)
        return case.decision_id

    disagreed = blocks(take(mira, reach=WIDE_REACH), mira)
    queue.decide(queue.claim(noor).case_id, noor, ReviewVerdict.COMPLIANT, (), "<i>blunt</i>" + "b" * 500)
    calibration.comment(disagreed, root, "<b>we</b> \u202etalked" + "t" * 500)
    calibration.conclude(disagreed, root, ReviewVerdict.VIOLATION, WEAPONS, "<u>so</u>" + "s" * 500)
    example = {"title": "<i>steel</i>" + "T" * 150, "why": "<b>sharp</b>" + "y" * 150}
    calibration.add_example(disagreed, root, ReviewVerdict.VIOLATION, *WEAPONS, **example)
    blocks(queue.claim(root), root)  # which settles it
    decided = blocks(take(root), root)
    golden.add(blocks(take(root), root), root, ReviewVerdict.VIOLATION, WEAPONS, "<b>it is</b>" + "g" * 500)
    queue.hold(take(root).case_id, root, "<i>wait</i>" + "w" * 500)
    passing.escalate(take(mira).case_id, mira, "\u202e<u>why</u>" + "y" * 500)
    queue.skip(take(mira).case_id, mira, SkipReason.LANGUAGE)
    waiting = [sqlite_store.open_case(**HOSTILE, reason=CaseReason.UNCERTAIN) for _ in range(3)]
    return Everything(root, decided, disagreed, waiting[-1])


def open_every_page(page, console, everything):
    """Go through all pages, one after the other; the name of each."""
    page.goto(f"{console}/queue")
    yield "queue"
    page.locator("nav details summary").click()
    yield "more"
    page.keyboard.press("n")
    expect(page.locator("main.case")).to_be_visible()
    yield "case"
    for name, key in (("skip", "s"), ("hold", "h"), ("hand over", "a"), ("keys", "?")):
        page.keyboard.press(key)
        yield name
        page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect(page.locator(".raw")).to_be_visible()
    for more in page.locator(".characters summary").all():
        more.click()
    yield "raw text"
    page.get_by_role("button", name="Settings").click()
    yield "settings"
    page.keyboard.press("Escape")
    for path in paths(everything):
        page.goto(f"{console}/{path}")
        page.evaluate("document.querySelectorAll('main details').forEach((more) => { more.open = true; })")
        yield path
    page.goto(f"{console}/together")
    page.keyboard.press("n")
    expect(page.get_by_role("heading", level=1)).to_contain_text("nearly the same")
    page.locator("input[name=policy]").first.check()
    page.keyboard.press("v")
    expect(page.get_by_role("heading", level=1)).to_contain_text("decided")
    yield "batch"


def paths(everything) -> tuple[str, ...]:
    return (
        *("decisions", "passed-on", "search?q=evil", "search?q=seller-1", f"search?q={'s' * 200}", "cases/none"),
        *("together", f"together/like/{everything.waiting}", f"together/range?policy={WEAPONS[0]}&low=40&high=50"),
        *("quality", "quality?days=7&consensus=1", "quality/reviews", "quality/reviews?of=disagreed", "quality/mine"),
        *("disagreements", f"disagreements/{everything.disagreed}", "golden", f"golden/new/{everything.decided}"),
        *("trends", "trends?period=24h", "cases", "cases?state=decided", "decisions?outcome=block"),
        *("views", f"views?about={everything.decided}", "users", "users/mira", "users/root", "account"),
    )


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_axe_finds_no_violation_on_any_page(signed_in_page, console, everything, scheme, width):
    page = signed_in_page(everything.root, viewport={"width": width, "height": 800}, color_scheme=scheme)
    axe, found = Axe(), {}
    for name in open_every_page(page, console, everything):
        for violation in axe.run(page).response["violations"]:
            found.setdefault(name, []).append((violation["id"], [node["html"] for node in violation["nodes"]][:3]))
    page.context.clear_cookies()
    page.goto(f"{console}/login")
    found |= {"login": axe.run(page).response["violations"]} if axe.run(page).violations_count else {}
    assert found == {}


@pytest.mark.parametrize("width", [1280, 400])
def test_hostile_texts_break_no_page(signed_in_page, console, everything, width):
    page = signed_in_page(everything.root, viewport={"width": width, "height": 800})
    for name in open_every_page(page, console, everything):
        assert page.title().endswith("· Fairstall"), name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        inside = page.locator("main").evaluate(
            "main => main.querySelectorAll('script, style, iframe, img:not(.chart), b i, u').length"
        )
        assert inside == 0, name
        assert not set("\u202e\u2066\u2067") & set(page.locator("main").inner_text()), name


def test_no_page_is_left_out(everything, policies, sqlite_store):
    """A new page of the console is to be added to `paths`."""
    console = create_console(engine=sqlite_store.engine, policies=policies)
    pages = [route.path_regex for route in console.routes if isinstance(route, Route) and "GET" in route.methods]
    more = ("", "queue", "login", "cases/1", "together/batches/1", "views.csv", "charts/due.svg")
    visited = [f"/{path.partition('?')[0]}" for path in (*more, *paths(everything))]
    missed = [page.pattern for page in pages if not any(page.match(path) for path in visited)]
    assert [pattern for pattern in missed if r"\.csv" not in pattern] == []


def test_the_raw_view_is_swapped_in_place_and_keeps_what_was_ticked(page, start, sqlite_store):
    sqlite_store.open_case("Iv\u200bory comb")
    start()
    page.keyboard.press("2")
    page.keyboard.press("t")
    expect(page.locator(".raw-lines").first).to_have_text("IvZWSPory comb")
    page.wait_for_timeout(200)
    page.keyboard.press("t")
    expect(page.locator(".raw")).to_have_count(0)
    expect(page.locator(".which")).to_have_text("Weapons, Drugs")


def blurred(page) -> set[str]:
    return set(page.locator(".reading .seller").evaluate_all("all => all.map((one) => getComputedStyle(one).filter)"))


def test_a_veiled_text_is_seen_as_long_as_the_key_is_held_or_the_box_is_ticked(page, start, sqlite_store):
    sqlite_store.open_case("First knife", policy="misleading/rule_2", words=["knife"])
    start()
    assert blurred(page) == {"blur(7px)"}
    page.keyboard.down("l")
    assert blurred(page) == {"none"}
    page.keyboard.up("l")
    assert blurred(page) == {"blur(7px)"}
    page.get_by_label("Show the blurred text").check()
    assert blurred(page) == {"none"}
    page.keyboard.press("t")
    expect(page.locator(".raw")).to_be_visible()
    assert blurred(page) == {"none"}


def test_blind_cases_are_veiled_whatever_is_in_them(page, start, sqlite_store):
    sqlite_store.open_case("First knife", policy="prohibited/weapons", reason=CaseReason.CONTROL)
    start()
    assert blurred(page) == {"blur(7px)"}


def test_a_break_is_suggested_after_work_without_one(page, console, sqlite_store):
    page.clock.install()
    page.goto(f"{console}/queue")
    reminder = page.locator("#break")
    for _ in range(13):
        page.keyboard.press("x")
        page.clock.run_for("04:00")
    expect(reminder).to_contain_text("You have worked for 50 minutes")
    expect(reminder.locator(":focus")).to_have_count(0)
    page.get_by_role("button", name="Remind me again in 10 minutes").click()
    expect(reminder).to_be_hidden()
    for _ in range(3):
        page.keyboard.press("x")
        page.clock.run_for("04:00")
    expect(reminder).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    for _ in range(5):
        page.keyboard.press("x")
        page.clock.run_for("04:00")
    expect(reminder).to_be_hidden()


def test_a_pause_of_five_minutes_is_a_break(page, console, sqlite_store):
    page.clock.install()
    page.goto(f"{console}/queue")
    for pause in ("04:00", "06:00") * 7:
        page.keyboard.press("x")
        page.clock.run_for(pause)
    expect(page.locator("#break")).to_be_hidden()


def test_settings_are_kept_and_dark_colours_come_with_the_page(page, console, sqlite_store):
    page.goto(f"{console}/queue")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Colours").select_option("Dark")
    page.get_by_label("Remind me of a break").select_option("Never")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    expect(page.get_by_label("Remind me of a break")).to_have_value("0")


def test_keys_of_one_letter_can_be_switched_off(page, start, sqlite_store):
    sqlite_store.open_case("First knife")
    start()
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Keys of one letter").select_option("off")
    page.keyboard.press("Escape")
    expect(page.locator("kbd").first).to_be_hidden()
    page.keyboard.press("c")
    page.get_by_role("button", name="Compliant").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("All clear")


def test_nothing_moves_or_sounds_by_itself():
    text = "".join(file.read_text() for file in SHEETS.glob("*.*s"))
    assert not re.search(r"animation|transition|smooth|autoplay|Audio|Notification|vibrate", text)
