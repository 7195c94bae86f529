"""A store with cases in it, people who review them, a clock that moves when it is asked, a console, and a browser."""

import shutil
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher

from fairstall.labeling.accounts import Accounts, User
from fairstall.labeling.permissions import Role
from fairstall.labeling.queue import ReviewQueue
from fairstall.labeling.sessions import Sessions
from fairstall.model.decide import Band, Evidence, Finding, Outcome, Source
from fairstall.model.decision import Assessment, Decision, Sampling, Versions
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.model.policies import DsaClass, Example, Policy, PolicySet, ReviewTerms, Severity
from fairstall.model.urgency import urgency_of
from fairstall.records.ledger import CaseReason, Ledger, LedgerEntry, NewCase

PASSWORD = "three blind moderators"


class Clock:
    """A clock that moves a millisecond each time somebody looks, and further by `advance`."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 22, 12, tzinfo=UTC)
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            self._now += timedelta(milliseconds=1)
            return self._now

    def advance(self, **time: float) -> None:
        self._now += timedelta(**time)


@dataclass(frozen=True)
class Store:
    """What the tests of this folder start from."""

    engine: object
    clock: Clock
    queue: ReviewQueue
    accounts: Accounts
    open_case: Callable[..., str]

    def user(self, name: str = "mira", role: Role = Role.MODERATOR) -> User:
        return self.accounts.create(name, role, PASSWORD)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(engine, clock) -> Store:
    """On SQLite and on PostgreSQL."""
    return store_on(engine, clock)


@pytest.fixture
def sqlite_store(tabled_sqlite, tmp_path, clock):
    """For what does not depend on the database."""
    from fairstall.records.engine import open_engine

    engine = open_engine(f"sqlite:///{shutil.copy(tabled_sqlite, tmp_path / 'records.sqlite')}")
    yield store_on(engine, clock)
    engine.dispose()


@pytest.fixture
def policies() -> PolicySet:
    return make_policies()


@pytest.fixture
def serve_console(sqlite_store, policies):
    """Serve a console over HTTP, on `sqlite_store` and with these settings; gives its address."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from fairstall.labeling.console import create_console

    def serve(**settings) -> str:
        known = {"clock": sqlite_store.clock, "accounts": sqlite_store.accounts}
        app = create_console(engine=sqlite_store.engine, policies=policies, **(known | settings))
        return f"{stack.enter_context(served(Starlette(routes=[Mount('/console', app)])))}/console"

    with ExitStack() as stack:
        yield serve


@pytest.fixture
def console(serve_console):
    """The address of a console that is served over HTTP, on `sqlite_store`."""
    return serve_console()


@pytest.fixture(scope="module")  # while it is open, its event loop runs in this thread, and other tests need theirs
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def signed_in_page(chromium, console, sqlite_store):
    """A factory of pages of somebody who is logged in: `signed_in_page(user, **context)`, by default a new moderator.

    At the end nothing may have broken the content security policy, thrown an error or opened a dialog of the browser's.
    """
    contexts, problems = [], []

    def open_page(user=None, **options):
        context = chromium.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
        token = Sessions(sqlite_store.engine, sqlite_store.clock).open(user or sqlite_store.user())
        context.add_cookies([{"name": "fairstall_session", "value": token, "url": console}])
        context.add_init_script("addEventListener('securitypolicyviolation', (it) => { throw Error(it.blockedURI); })")
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on("console", lambda told: problems.append(told.text) if "Security Policy" in told.text else None)
        contexts.append(context)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(signed_in_page):
    return signed_in_page()


@pytest.fixture
def start(page, console):
    """Open the queue and take the first case, by keyboard."""
    from playwright.sync_api import expect

    def _start() -> None:
        page.goto(f"{console}/queue")
        # Not n: the same key again within 200 ms counts as its bounce, and a test is that fast.
        page.locator("#start").press("Enter")
        expect(page.locator("main.case")).to_be_visible()

    return _start


@contextmanager
def served(app):
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets=None) -> None:
            await super().startup(sockets)
            started.set()

    server = Server(uvicorn.Config(app, log_level="warning", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert started.wait(10)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def store_on(engine, clock) -> Store:
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

    def open_case(title: str = "Hunting knife, 12 cm", description: str = "Sharp.", **facts) -> str:
        return store_case(engine, clock(), title, description, **facts)

    return Store(engine, clock, ReviewQueue(engine, clock), Accounts(engine, clock, hasher=quick), open_case)


def store_case(
    engine,
    now,
    title,
    description,
    *,
    words=(),
    also=(),
    policy="prohibited/weapons",
    reason=CaseReason.UNCERTAIN,
    outcome=Outcome.REVIEW,
    priority=1.0,
    probability=0.42,
    seller_id="seller-1",
    listing_id=None,
    inclusion_probability=1.0,
    resembles=None,
    band=Band.MEDIUM,
    **more,
) -> str:
    """A listing, its decision and its case; each of `words` is evidence for `policy`; `also` has more such pairs.

    Returns the case's id.
    """
    listing = Listing(listing_id or time_ordered_id(now), seller_id, title, description, language="en", **more)
    findings = tuple(
        Finding(code, probability, band, Source.BOTH, evidence_of(listing, found), "It may not be sold.", resembles)
        for code, found in ((policy, words), *also)
    )
    assessment = Assessment(
        outcome=outcome,
        findings=() if outcome is Outcome.APPROVE else findings,
        doubts=(),
        probabilities={"prohibited/weapons": probability, "prohibited/drugs": 0.01},
        evasion={},
        sampling=Sampling(reason is CaseReason.CONTROL, inclusion_probability),
        versions=Versions(model="tiny-000000000000", policies="test-000000000000"),
    )
    decision = Decision(time_ordered_id(now), listing.listing_id, seller_id, now, assessment)
    gravest = policy if outcome is not Outcome.APPROVE else None
    case = NewCase(time_ordered_id(now), reason, gravest, priority, urgency_of(now, priority))
    Ledger(engine).append([LedgerEntry(listing, decision, case)])
    return case.case_id


def evidence_of(listing: Listing, words) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(field, start, start + len(word), word)
        for word in words
        for field in ("title", "description")
        if (start := listing.text(field).find(word)) >= 0
    )


def make_policies() -> PolicySet:
    """Twelve policies. A violation of `misleading/rule_1` needs a reason; `misleading/rule_2` blurs texts."""
    names = ("prohibited/weapons", "prohibited/drugs", "prohibited/wildlife", "misleading/health_claim")
    more = tuple(f"misleading/rule_{number}" for number in range(1, 9))
    return PolicySet("test-000000000000", tuple(_policy(code) for code in (*names, *more)))


def _policy(code: str) -> Policy:
    name = code.partition("/")[2].replace("_", " ")
    return Policy(
        code=code,
        title=name.capitalize(),
        seller_text=f"No {name} may be sold.",
        guideline=f"Ask what the buyer gets.\n\nA picture of {name} is fine.",
        severity=Severity.HIGH,
        points=3,
        dsa=DsaClass("STATEMENT_CATEGORY_OTHER", "KEYWORD_OTHER"),
        violations=(Example(f"Real {name}", "It is the thing itself."),),
        look_alikes=(Example(f"Book about {name}", "It is a book."),),
        review=ReviewTerms(reason_required=code == "misleading/rule_1", blur=code == "misleading/rule_2"),
    )
