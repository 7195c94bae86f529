"""Takes the pictures of the trends in the docs: `python docs/figures/make_trend_screenshots.py`.

It makes up a month: what the model decides, what it is unsure of, and people who are right most of the time. It needs
Chromium (`CHROMIUM`, by default /usr/bin/chromium).
"""

import math
import random
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from make_console_screenshots import served
from pictures import chromium, save
from sqlalchemy import Engine, select
from starlette.applications import Starlette
from starlette.routing import Mount

from fairstall.labeling.accounts import Accounts, User
from fairstall.labeling.console import create_console
from fairstall.labeling.permissions import Role
from fairstall.labeling.queue import ReviewQueue
from fairstall.labeling.second_reviews import SecondReviews
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.decide import Band, Finding, Outcome, Source
from fairstall.model.decision import Assessment, Decision, Sampling, Versions
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.model.policy_file import starter_policies
from fairstall.model.urgency import urgency_of
from fairstall.records.engine import open_engine, reading
from fairstall.records.ledger import CaseReason, Ledger, LedgerEntry, NewCase
from fairstall.records.schema import migrate
from fairstall.records.tables import decisions
from fairstall.records.tallies import Tallying

PASSWORD = "only for a picture"
NOW = datetime(2026, 6, 30, 15, 20, tzinfo=UTC)
DAYS = 30
CONTROL_RATE = 0.08
FOUND = {
    "prohibited/weapons": 5.0,
    "prohibited/drugs": 4.0,
    "prohibited/wildlife": 2.0,
    "misleading/health_claim": 3.0,
    "prohibited/medicines": 2.0,
    "misleading/misdescribed": 1.5,
}
POLICIES = starter_policies()


class Clock:
    """Stands where it is put, and a millisecond further each time somebody looks."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


def main() -> None:
    random.seed(11)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/pictures.sqlite")
        migrate(engine)
        live_through(engine, clock)
        clock.at = NOW
        tallying = Tallying(engine, clock)
        while tallying.next():
            pass
        console = create_console(engine=engine, policies=POLICIES, clock=clock)
        with served(Starlette(routes=[Mount("/console", console)])) as address:
            take_pictures(f"{address}/console")
        engine.dispose()


def live_through(engine: Engine, clock: Clock) -> None:
    """Each hour listings come in, and people review some of what waits."""
    accounts, ledger = Accounts(engine, clock), Ledger(engine)
    queue = ReviewQueue(engine, clock, second_reviews=SecondReviews(POLICIES, b"pictures"))
    people = [accounts.create(name, Role.SENIOR, PASSWORD) for name in ("noor", "mira")]
    for hour in range(DAYS * 24):
        clock.at = NOW.replace(minute=0) - timedelta(hours=DAYS * 24 - hour)
        busy = 1.2 + math.sin((clock.at.hour - 8) / 24 * math.tau) + 0.4 * math.sin(hour / 90)
        entries = [entry_of(clock(), hour) for _ in range(round(max(0.2, busy) * 9))]
        ledger.append(entries)
        if 8 <= clock.at.hour < 18 and clock.at.weekday() < 6:
            clock.at += timedelta(minutes=30)
            review(engine, queue, people, 10)


def entry_of(now: datetime, hour: int) -> LedgerEntry:
    code = random.choices(list(FOUND), weights_at(hour))[0]
    outcome = random.choices([Outcome.APPROVE, Outcome.REVIEW, Outcome.BLOCK], [0.68, 0.24, 0.08])[0]
    number = random.getrandbits(32)
    listing = Listing(f"L-{number}", f"seller-{number % 97}", f"Listing {number:08x}", "Made up.", market=market())
    band = Band.HIGH if outcome is Outcome.BLOCK else Band.MEDIUM
    finding = Finding(code, random.random(), band, Source.MODEL, (), POLICIES[code].seller_text)
    drawn = random.random() < CONTROL_RATE
    unsure = outcome is Outcome.REVIEW
    assessment = Assessment(
        outcome=outcome,
        findings=() if outcome is Outcome.APPROVE else (finding,),
        doubts=(),
        probabilities={code: finding.probability or 0.0},
        evasion={},
        sampling=Sampling(drawn, 1.0 if unsure else CONTROL_RATE),
        versions=Versions("starter-0c1a7be2f9d3", POLICIES.version),
    )
    decision = Decision(time_ordered_id(now), listing.listing_id, listing.seller_id, now, assessment)
    if not (unsure or drawn):
        return LedgerEntry(listing, decision)
    reason = CaseReason.UNCERTAIN if unsure else CaseReason.CONTROL
    risk = random.random()
    policy = None if outcome is Outcome.APPROVE else code
    return LedgerEntry(listing, decision, NewCase(time_ordered_id(now), reason, policy, risk, urgency_of(now, risk)))


def weights_at(hour: int) -> list[float]:
    """Medicines become more towards the end."""
    more = 1 + max(0, hour - 400) / 120
    return [weight * (more if code == "prohibited/medicines" else 1) for code, weight in FOUND.items()]


def market() -> str:
    return random.choices(["uk", "de", "fr"], [5, 3, 2])[0]


def review(engine: Engine, queue: ReviewQueue, people: Sequence[User], most: int) -> None:
    """Blocks are right in 96 of 100 cases, approvals in 98, and what was doubtful violates in every third case.

    People are wrong in one of twenty.
    """
    chances = {Outcome.BLOCK: 0.96, Outcome.APPROVE: 0.02, Outcome.REVIEW: 0.35}
    for _ in range(most):
        person = random.choice(people)
        case = queue.claim(person)
        if case is None:
            return
        found = select(decisions.c.outcome, decisions.c.assessment).where(decisions.c.decision_id == case.decision_id)
        with reading(engine) as connection:
            outcome, assessment = connection.execute(found).one()
        codes = [finding["policy"] for finding in assessment["findings"]] or [random.choice(list(FOUND))]
        truth = random.Random(case.decision_id).random() < chances[Outcome(outcome)]
        violates = truth != (random.random() < 0.05)
        verdict = ReviewVerdict.VIOLATION if violates else ReviewVerdict.COMPLIANT
        queue.decide(case.case_id, person, verdict, codes if violates else ())


def take_pictures(console: str) -> None:
    with chromium() as browser:
        scheme = "dark" if "--dark" in sys.argv else "light"
        page = browser.new_page(viewport={"width": 1280, "height": 960}, color_scheme=scheme)
        page.goto(f"{console}/login")
        page.fill("#name", "noor")
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/queue")
        page.goto(f"{console}/trends?period=30d")
        save(page, "trends-queue.png")
        for name in ("decisions", "precision"):
            page.evaluate("name => document.getElementById(name).closest('section').scrollIntoView()", name)
            page.wait_for_load_state("networkidle")
            save(page, f"trends-{name}.png")


if __name__ == "__main__":
    main()
