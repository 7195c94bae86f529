"""Takes the pictures of quality and disagreements in the docs: `python docs/figures/make_quality_screenshots.py`.

Every listing and every review in them was made up for this purpose. It needs Chromium, as the console's pictures do;
`--all` takes every page, in both colour schemes and in two widths, into the folder that `PICTURES` names.
"""

import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from make_console_screenshots import PASSWORD, Shown, entry_of, served
from pictures import chromium, save
from playwright.sync_api import Page
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.routing import Mount

from fairstall.labeling.accounts import Accounts, User
from fairstall.labeling.calibration import Calibration
from fairstall.labeling.case_file import read_case
from fairstall.labeling.console import create_console
from fairstall.labeling.golden import GoldenItems
from fairstall.labeling.golden_cases import GoldenMix
from fairstall.labeling.permissions import Role
from fairstall.labeling.queue import ReviewQueue
from fairstall.labeling.second_reviews import SecondReviews
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.decide import Band, Source
from fairstall.model.policies import PolicySet, ReviewTerms
from fairstall.model.policy_file import starter_policies
from fairstall.records.engine import open_engine
from fairstall.records.ledger import Ledger
from fairstall.records.schema import migrate

VIOLATION, COMPLIANT = ReviewVerdict.VIOLATION, ReviewVerdict.COMPLIANT
MISTAKES = {"ada": 0.05, "kim": 0.08, "mira": 0.1, "noor": 0.25}
SECONDS = {"ada": 41, "kim": 24, "mira": 33, "noor": 12}
Goods = tuple[str, str, ReviewVerdict]
GOODS: tuple[Goods, ...] = (
    ("Carved letter opener, handle of real ivory", "prohibited/wildlife", VIOLATION),
    ("Letter opener with a carved bone handle", "prohibited/wildlife", COMPLIANT),
    ("Sword cane, oak, blade 60 cm", "prohibited/weapons", VIOLATION),
    ("Replica stage sword, blunt", "prohibited/weapons", COMPLIANT),
    ("Sleeping tablets, prescription, unopened", "prohibited/medicines", VIOLATION),
    ("Empty pill box, tin, 1930s", "prohibited/medicines", COMPLIANT),
    ("Tea that cures diabetes in a week", "misleading/health_claim", VIOLATION),
    ("Ginger tea, 20 bags", "misleading/health_claim", COMPLIANT),
)
OPENER = GOODS[1]


class Clock:
    """A clock that is set by hand, and moves a little each time somebody looks."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC) - timedelta(days=12)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/pictures.sqlite")
        migrate(engine)
        decision_id = fill(engine)
        console = create_console(engine=engine, policies=starter_policies())
        with served(Starlette(routes=[Mount("/console", console)])) as address:
            take_pictures(f"{address}/console", decision_id)
        engine.dispose()


def fill(engine: Engine) -> str:
    """Twelve days of reviews by four people, and a disagreement that was talked over; the id of its decision."""
    clock, draw = Clock(), random.Random(7)
    accounts = Accounts(engine, clock)
    people = [accounts.create(name, Role.MODERATOR, PASSWORD) for name in MISTAKES]
    zoe = accounts.create("zoe", Role.SENIOR, PASSWORD)
    golden = GoldenItems(engine, clock)
    for number in range(16):
        decide_golden(engine, clock, golden, zoe, GOODS[number % 8], f", lot {number}")
    queue = ReviewQueue(
        engine, clock, second_reviews=SecondReviews(all_twice(), b"pictures"), golden=GoldenMix(b"pictures", 0.25)
    )
    for number, (person, other) in enumerate(pairs_of(people, draw, 130)):
        goods = GOODS[number % 8]
        open_case(engine, goods, f", no. {number}")
        for one in (person, other):
            while case := queue.claim(one):
                review(queue, clock, one, case.case_id, goods_of(engine, case.case_id), draw)
        clock.now += timedelta(hours=2)
    open_case(engine, OPENER, "")
    queue = ReviewQueue(engine, clock, second_reviews=SecondReviews(all_twice(), b"pictures"))
    case = queue.claim(people[0])
    assert case is not None
    queue.decide(case.case_id, people[0], VIOLATION, (OPENER[1],), "Could be ivory, and there are no papers for it.")
    second = queue.claim(people[1])
    assert second is not None
    queue.decide(second.case_id, people[1], COMPLIANT, (), "Says bone three times, and the picture shows its pores.")
    settle_all(queue, zoe)
    clock.now = datetime.now(UTC) - timedelta(hours=2)
    talk_over(Calibration(engine, clock), case.decision_id, zoe)
    return case.decision_id


def goods_of(engine: Engine, case_id: str) -> Goods:
    title = read_case(engine, case_id).listing.title
    return next(goods for goods in GOODS if title.startswith(goods[0]))


def all_twice() -> PolicySet:
    terms = ReviewTerms(second_share=1.0)
    policies = starter_policies()
    return replace(policies, policies=tuple(replace(policy, review=terms) for policy in policies))


def pairs_of(people: list[User], draw: random.Random, count: int) -> Iterator[list[User]]:
    for _ in range(count):
        yield draw.sample(people, 2)


def open_case(engine: Engine, goods: Goods, lot: str) -> None:
    title, policy, _ = goods
    found = ((policy, 0.5, Band.MEDIUM, Source.BOTH),)
    Ledger(engine).append([entry_of(Shown(f"{title}{lot}", "As described, see the pictures.", found))])


def decide_golden(engine: Engine, clock: Clock, golden: GoldenItems, zoe: User, goods: Goods, lot: str) -> None:
    _, policy, verdict = goods
    open_case(engine, goods, lot)
    queue = ReviewQueue(engine, clock)
    case = queue.claim(zoe)
    assert case is not None
    named = (policy,) if verdict is VIOLATION else ()
    queue.decide(case.case_id, zoe, verdict, named)
    golden.add(case.decision_id, zoe, verdict, named, "The guideline names this very thing.")


def review(
    queue: ReviewQueue,
    clock: Clock,
    person: User,
    case_id: str,
    goods: Goods,
    draw: random.Random,
) -> None:
    """Right but for the person's share of mistakes, after a time that is his."""
    _, policy, truth = goods
    right = draw.random() > MISTAKES[person.name]
    violates = (truth is VIOLATION) == right
    clock.now += timedelta(seconds=draw.lognormvariate(0.5, 0.4))
    queue.touch(case_id, person)
    clock.now += timedelta(seconds=SECONDS[person.name] * draw.lognormvariate(0.0, 0.6))
    queue.decide(case_id, person, VIOLATION if violates else COMPLIANT, (policy,) if violates else ())


def settle_all(queue: ReviewQueue, zoe: User) -> None:
    while case := queue.claim(zoe):
        queue.decide(case.case_id, zoe, COMPLIANT, (), "Bone of farm animals is fine, and it is named plainly.")


def talk_over(calibration: Calibration, decision_id: str, zoe: User) -> None:
    calibration.comment(decision_id, zoe, "We looked at the pores together. Ivory has crossing lines, bone has dots.")
    calibration.conclude(decision_id, zoe, COMPLIANT, (), "Bone, said plainly.")
    calibration.add_example(
        decision_id,
        zoe,
        COMPLIANT,
        OPENER[1],
        title=OPENER[0],
        why="Cow bone, said plainly; only wild animals are restricted.",
    )


def take_pictures(console: str, decision_id: str) -> None:
    pages = {
        "quality": "/quality?consensus=1",
        "disagreement": f"/disagreements/{decision_id}",
        "disagreements": "/disagreements",
        "golden": "/golden",
        "golden-new": f"/golden/new/{decision_id}",
        "quality-reviews": "/quality/reviews?of=disagreed&days=28",
        "decisions": "/decisions",
    }
    shown = pages if "--all" in sys.argv else {name: pages[name] for name in ("quality", "disagreement")}
    with chromium() as browser:
        for scheme in ("light", "dark") if "--all" in sys.argv else ("light",):
            page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
            page.set_default_timeout(120_000)
            log_in(page, console, "zoe")
            take(page, console, shown, scheme)
            if "--all" in sys.argv:
                log_in(page, console, "noor")
                take(page, console, {"quality-mine": "/quality/mine"}, scheme)


def log_in(page: Page, console: str, name: str) -> None:
    page.context.clear_cookies()
    page.goto(f"{console}/login")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{console}/queue")


def take(page: Page, console: str, shown: dict[str, str], scheme: str) -> None:
    suffix = "-dark" if scheme == "dark" else ""
    for name, path in shown.items():
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(f"{console}{path}")
        save(page, f"console-{name}{suffix}.png")
        if "--all" in sys.argv:
            page.set_viewport_size({"width": 400, "height": 900})
            save(page, f"console-{name}-400{suffix}.png")


if __name__ == "__main__":
    main()
