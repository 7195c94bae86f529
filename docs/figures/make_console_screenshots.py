"""Takes the console's pictures in the docs: `python docs/figures/make_console_screenshots.py`.

Every listing in them was written for this purpose. It needs Chromium (`CHROMIUM`, by default /usr/bin/chromium).
"""

import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal
from zlib import crc32

import uvicorn
from pictures import chromium, save
from playwright.sync_api import Page
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.routing import Mount

from fairstall.labeling.accounts import Accounts, User
from fairstall.labeling.console import create_console, utc_now
from fairstall.labeling.passing import Passing
from fairstall.labeling.permissions import Role
from fairstall.labeling.queue import ReviewQueue, SkipReason
from fairstall.model.decide import Band, Evidence, Finding, Outcome, Source
from fairstall.model.decision import Assessment, Decision, Sampling, Versions
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import TEXT_FIELDS, Listing, Price
from fairstall.model.policy_file import starter_policies
from fairstall.model.starter_bundle import starter_bundle
from fairstall.model.urgency import urgency_of
from fairstall.records.engine import open_engine
from fairstall.records.ledger import CaseReason, Ledger, LedgerEntry, NewCase
from fairstall.records.schema import migrate

PASSWORD = "only for a picture"


@dataclass(frozen=True)
class Shown:
    """A listing in a picture: what was found in it, and which of its words are evidence for which policy."""

    title: str
    description: str
    found: Sequence[tuple[str, float, Band, Source]] = ()
    words: Sequence[tuple[str, str]] = ()
    reason: CaseReason | None = CaseReason.UNCERTAIN
    outcome: Outcome = Outcome.REVIEW
    seller_id: str = "attic-and-oak"
    price: str = "140.00"
    category: str = "Antiques > Carvings"
    priority: float = 1.0
    minutes_ago: int = 30


IVORY = Shown(
    title="Antique letter opener, carved handle, c. 1910, collector's piece",
    description=(
        "From my grandfather's desk. The blade is steel with a little patina, 21 cm long. The handle is hand-carved "
        "real ele\u200bphant i\u200bvory with fine cross-hatching, as you can see in picture four; no cracks, one "
        "small chip near the collar.\n\n"
        "I have no papers for it, so please no questions about certi\u00adficates. I can post it abroad as a "
        "\u201cbone handled tool\u201d if that makes things easier for you.\n\n"
        "Comes in its original leather sleeve. Collection in person or tracked post. For a quicker answer and a "
        "better price write to me on WhatsApp, number is in the last picture."
    ),
    found=(
        ("prohibited/wildlife", 0.71, Band.MEDIUM, Source.BOTH),
        ("misleading/off_platform", 0.38, Band.MEDIUM, Source.BOTH),
    ),
    words=(
        ("prohibited/wildlife", "real ele\u200bphant i\u200bvory"),
        ("prohibited/wildlife", "no papers for it"),
        ("misleading/off_platform", "better price write to me on WhatsApp"),
    ),
    priority=9.0,
    minutes_ago=47,
)
WAITING = (
    IVORY,
    Shown(
        "Vintage fox fur collar, clips on to any coat",
        "Bought in 1964, kept in a cedar chest.",
        (("prohibited/wildlife", 0.3, Band.MEDIUM, Source.MODEL),),
        seller_id="wardrobe-of-ada",
        minutes_ago=190,
    ),
    Shown(
        "Replica training sword, blunt, oak scabbard",
        "For stage and practice, 98 cm.",
        (("prohibited/weapons", 0.44, Band.MEDIUM, Source.BOTH),),
        seller_id="stagecraft",
        minutes_ago=26,
    ),
    Shown(
        "Melatonin gummies 10 mg, 60 pieces, sealed",
        "Brought back from a holiday, best before next May.",
        (("prohibited/medicines", 0.52, Band.MEDIUM, Source.BOTH),),
        seller_id="sunny-suitcase",
        minutes_ago=71,
    ),
    Shown(
        "Ginger tea that melts belly fat in a week",
        "Doctors hate it. 20 bags.",
        (("misleading/health_claim", 0.66, Band.MEDIUM, Source.BOTH),),
        seller_id="morning-leaf",
        minutes_ago=64,
    ),
    Shown(
        "Magnetic bracelet against arthritis pain",
        "Stops the pain in two days.",
        (("misleading/health_claim", 0.61, Band.MEDIUM, Source.MODEL),),
        seller_id="well-and-wise",
        minutes_ago=12,
    ),
    Shown(
        "Box of a games console, box only",
        "Console itself is not included, read before you buy.",
        (("misleading/misdescribed", 0.58, Band.MEDIUM, Source.BOTH),),
        seller_id="parcel-corner",
        minutes_ago=9,
    ),
    Shown(
        "Wooden rocking horse, restored",
        "New mane, new paint.",
        reason=CaseReason.CONTROL,
        outcome=Outcome.APPROVE,
        minutes_ago=55,
    ),
    Shown(
        "Set of four pub glasses",
        "Half-pint, 1970s.",
        reason=CaseReason.CONTROL,
        outcome=Outcome.APPROVE,
        seller_id="tap-room",
        minutes_ago=15,
    ),
)
EARLIER = (
    Shown("Carved bone comb, 19th century", "Cow bone.", reason=None, outcome=Outcome.APPROVE, minutes_ago=60 * 26),
    Shown("Oak writing slope, brass corners", "Key lost.", reason=None, outcome=Outcome.APPROVE, minutes_ago=60 * 50),
    Shown("Hippo tusk, mounted", "Wall piece.", reason=None, outcome=Outcome.BLOCK, minutes_ago=60 * 24 * 9),
    Shown("Brass ship's clock", "Runs well.", reason=None, outcome=Outcome.APPROVE, minutes_ago=60 * 24 * 12),
)
COPY = (
    "Gold-plated men's watch, Swiss movement, AAA copy of the famous crown brand, weight and finish as the original, "
    "box and card included. {} Sent from our workshop within three days in neutral packing, write for more models and "
    "for the prices of five pieces and more."
)
COPIES = (
    ("Luxury watch AAA, blue dial", "Blue dial, steel bracelet.", "wrist-palace", "89.00", 0.74),
    ("Luxury watch AAA, black dial", "Black dial, steel bracelet.", "wrist-palace", "89.00", 0.72),
    ("Luxury watch AAA, green dial", "Green dial, leather strap.", "wrist-palace", "95.00", 0.71),
    ("Watch like the crown, 41 mm", "White dial, steel bracelet, 41 mm.", "timeless-deals", "79.00", 0.66),
    ("Men's watch gold plated", "Champagne dial.", "wrist-palace", "99.00", 0.78),
    ("Swiss style watch, new", "Blue dial, 36 mm, for ladies too.", "timeless-deals", "75.00", 0.63),
)
SCORES = (0.44, 0.49, 0.53, 0.58, 0.62, 0.67, 0.71, 0.77, 0.84)
WITH_SCORE = (17, 15, 13, 12, 9, 9, 4, 4, 2)
DECIDED = (
    Shown("Toy pirate pistol, orange tip", "Clicks.", (("prohibited/weapons", 0.3, Band.MEDIUM, Source.BOTH),)),
    Shown("Airsoft rifle with two magazines", "Hardly used.", (("prohibited/weapons", 0.8, Band.MEDIUM, Source.BOTH),)),
    Shown("Poppy seeds for baking, 500 g", "Blue, ground.", (("prohibited/drugs", 0.2, Band.MEDIUM, Source.BOTH),)),
)


PASSED_ON = tuple(
    Shown(title, description, ((policy, 0.4, Band.MEDIUM, Source.BOTH),), seller_id=seller_id)
    for title, description, policy, seller_id in (
        ("Handmade soap with CBD oil", "Lavender, 100 g.", "prohibited/drugs", "morning-leaf"),
        ("Crossbow for sport, 30 lb", "With six bolts.", "prohibited/weapons", "stagecraft"),
        ("Designer belt, no label", "As new.", "misleading/misdescribed", "wardrobe-of-ada"),
        ("Kräutertee gegen Gicht", "Aus eigener Ernte.", "misleading/health_claim", "kraut-und-rueben"),
    )
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/pictures.sqlite")
        migrate(engine)
        accounts = Accounts(engine, utc_now)
        mira = add_people(accounts)
        ledger = Ledger(engine)
        ledger.append([entry_of(one) for one in (*EARLIER, *(replaced(one) for one in DECIDED))])
        thresholds = starter_bundle().facts.thresholds
        console = create_console(engine=engine, policies=starter_policies(), thresholds=lambda: thresholds)
        with served(Starlette(routes=[Mount("/console", console)])) as address, chromium() as browser:

            def more_cases() -> None:
                pass_some_on(engine, ledger, mira)
                ledger.append([entry_of(one) for one in WAITING])

            page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme())
            take_pictures(page, f"{address}/console", more_cases)
            ledger.append([entry_of(one) for one in (*copies(), *scored())])
            take_pictures_of_many(page, f"{address}/console")
            page = browser.new_page(viewport={"width": 1120, "height": 480}, color_scheme=scheme())
            take_pictures_of_people(page, f"{address}/console")
        engine.dispose()


def add_people(accounts: Accounts) -> User:
    """Makes everybody, and returns the moderator who passes cases on."""
    accounts.create("noor", Role.SENIOR, PASSWORD)
    accounts.create("root", Role.ADMIN, PASSWORD)
    accounts.create("ada", Role.MODERATOR, PASSWORD)
    accounts.create("otto", Role.AUDITOR, PASSWORD)
    accounts.disable("otto")
    accounts.invite("june", Role.MODERATOR)
    accounts.admit("kim@market.example", Role.MANAGER)
    return accounts.create("mira", Role.MODERATOR, PASSWORD)


def pass_some_on(engine: Engine, ledger: Ledger, mira: User) -> None:
    """Give a moderator four cases, of which she escalates one, hands one over, holds one and skips one."""
    queue, passing = ReviewQueue(engine, utc_now), Passing(engine, utc_now)

    def take(one: Shown, user: User) -> str:
        ledger.append([entry_of(one)])
        case = queue.claim(user)
        assert case
        return case.case_id

    escalated, handed_over, held, skipped = PASSED_ON
    passing.escalate(take(escalated, mira), mira, "Soap with CBD: is it a drug under this policy?")
    passing.hand_over(take(handed_over, mira), mira, "@ada", "You know the rules for bows")
    queue.hold(take(held, mira), mira, "Asked the brand")
    queue.skip(take(skipped, mira), mira, SkipReason.LANGUAGE)


def replaced(one: Shown) -> Shown:
    return Shown(one.title, one.description, one.found, seller_id="toys-and-more", minutes_ago=120)


def copies() -> Iterator[Shown]:
    """One thing that two sellers post again and again."""
    for minutes, (title, words, seller_id, price, score) in enumerate(COPIES, start=20):
        found = (("prohibited/counterfeit", score, Band.MEDIUM, Source.BOTH),)
        marks = (("prohibited/counterfeit", "AAA copy of the famous crown brand"),)
        text = COPY.format(words)
        yield Shown(
            title, text, found, marks, seller_id=seller_id, price=price, minutes_ago=minutes, category="Watches"
        )


def scored() -> Iterator[Shown]:
    """Many cases of two policies, each with a score."""
    for score, count in zip(SCORES, WITH_SCORE, strict=True):
        for number in range(count):
            for policy, probability in (("misleading/off_platform", score), ("misleading/health_claim", score + 0.15)):
                name = f"{policy} {probability:.2f} {number}"
                yield Shown(name, "Ask.", ((policy, probability, Band.MEDIUM, Source.MODEL),), priority=0.2)


def scheme() -> Literal["dark", "light"]:
    return "dark" if "--dark" in sys.argv else "light"


def take_pictures_of_many(page: Page, console: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(f"{console}/together")
    save(page, "console-together.png")
    page.keyboard.press("n")
    page.get_by_role("heading", name="nearly the same").wait_for()
    save(page, "console-together-preview.png")
    if "--all" in sys.argv:
        page.set_viewport_size({"width": 400, "height": 800})
        save(page, "console-together-preview-400.png")
        page.keyboard.press("v")
        page.get_by_role("heading", name="6 decided").wait_for()
        save(page, "console-together-batch-400.png")
        page.goto(f"{console}/together")
        save(page, "console-together-400.png")
        page.set_viewport_size({"width": 1280, "height": 1600})
        save(page, "console-together-whole.png")


def take_pictures(page: Page, console: str, more_cases: Callable[[], None]) -> None:
    page.goto(f"{console}/login")
    save(page, "console-login.png")
    log_in(page, "noor")
    page.click("#start")
    for key, shown in zip("cvc", DECIDED, strict=True):
        page.get_by_role("heading", name=shown.title).wait_for()
        page.wait_for_timeout(300)
        if key == "v":
            give_a_reason(page)
        page.keyboard.press(key)
    page.get_by_role("heading", name="All clear").wait_for()
    more_cases()
    page.goto(f"{console}/queue")
    save(page, "console-queue.png")
    page.keyboard.press("n")
    page.get_by_role("heading", name=IVORY.title).wait_for()
    page.evaluate("document.activeElement.blur()")
    save(page, "console-review.png")
    page.keyboard.press("t")
    page.locator(".raw").wait_for()
    page.locator(".characters summary").last.click()
    page.locator(".raw").evaluate("raw => { raw.scrollTop = 0; document.activeElement.blur(); scrollTo(0, 0); }")
    save(page, "console-raw.png")
    page.wait_for_timeout(300)
    page.keyboard.press("t")
    page.locator(".description").wait_for()
    page.keyboard.press("a")
    page.keyboard.type("@ada")
    save(page, "console-hand-over.png")
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.set_viewport_size({"width": 400, "height": 800})
    save(page, "console-review-400.png")
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(f"{console}/passed-on")
    save(page, "console-passed-on.png")
    if "--all" in sys.argv:
        take_more_pictures(page, console)


def give_a_reason(page: Page) -> None:
    """Some policies ask for one."""
    page.keyboard.press("n")
    page.keyboard.type("It says so in the text.")
    page.keyboard.press("Escape")


def take_more_pictures(page: Page, console: str) -> None:
    """Pages that the docs do not show, for a look at them at both widths."""
    for path in ("decisions", "search?q=antique", "passed-on", "queue"):
        page.goto(f"{console}/{path}")
        for width in (1280, 400):
            page.set_viewport_size({"width": width, "height": 800})
            save(page, f"console-{path.partition('?')[0]}-{width}.png")
    page.keyboard.press("?")
    save(page, "console-keys-400.png")


def take_pictures_of_people(page: Page, console: str) -> None:
    page.goto(f"{console}/login")
    log_in(page, "root")
    page.goto(f"{console}/users")
    save(page, "console-people.png")
    page.goto(f"{console}/views")
    save(page, "console-views.png")


def log_in(page: Page, name: str) -> None:
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue")


def entry_of(one: Shown) -> LedgerEntry:
    now = datetime.now(UTC) - timedelta(minutes=one.minutes_ago)
    listing = Listing(
        listing_id=f"L-{crc32(one.title.encode()) % 900_000 + 100_000}",
        seller_id=one.seller_id,
        title=one.title,
        description=one.description,
        category=one.category,
        price=Price(Decimal(one.price), "GBP"),
        language="en",
        market="uk",
    )
    policies = starter_policies()
    findings = tuple(
        Finding(code, p, band, source, evidence_of(one, listing, code), policies[code].seller_text)
        for code, p, band, source in one.found
    )
    assessment = Assessment(
        outcome=one.outcome,
        findings=findings,
        doubts=(),
        probabilities={code: p for code, p, *_ in one.found},
        evasion={},
        sampling=Sampling(one.reason is CaseReason.CONTROL, 1.0),
        versions=Versions("starter-0c1a7be2f9d3", policies.version),
    )
    decision = Decision(time_ordered_id(now), listing.listing_id, listing.seller_id, now, assessment)
    policy = findings[0].policy if findings else None
    case = (
        NewCase(time_ordered_id(now), one.reason, policy, one.priority, urgency_of(now, one.priority))
        if one.reason
        else None
    )
    return LedgerEntry(listing, decision, case)


def evidence_of(one: Shown, listing: Listing, code: str) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(field, start, start + len(words), words)
        for policy, words in one.words
        for field in TEXT_FIELDS
        if policy == code and (start := listing.text(field).find(words)) >= 0
    )


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """The app on a free port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    main()
