"""A real scoring app over real HTTP on a tiny real bundle, for every test of this folder."""

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import Engine, func, select

from fairstall.cli.serve import listen, server_config
from fairstall.model.assess import Assessor
from fairstall.model.bundle import Bundle
from fairstall.model.control import NO_CONTROL, ControlSample
from fairstall.model.policies import DsaClass, Policy, PolicySet, RuleAction, Severity, Term
from fairstall.model.scorer import Logits, OnnxScorer
from fairstall.records.engine import open_engine, reading
from fairstall.records.keys import Scope, create_key
from fairstall.records.schema import migrate
from fairstall.records.tables import cases, decisions, events, idempotency_keys, listings
from fairstall.serving.app import Parts, create_app
from fairstall.serving.batcher import Batcher, open_batcher
from fairstall.serving.limits import Limits
from fairstall.serving.metrics import Telemetry
from fairstall.serving.reload import ModelInService

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def a_policy(code: str, severity: Severity, *terms: str) -> Policy:
    return Policy(
        code=code,
        title=code,
        seller_text=f"{code} is not allowed.",
        guideline="",
        severity=severity,
        points=1,
        dsa=DsaClass("STATEMENT_CATEGORY_UNSAFE_AND_PROHIBITED_PRODUCTS", "KEYWORD_OTHER"),
        violations=(),
        look_alikes=(),
        terms=tuple(Term(term, RuleAction.EVIDENCE) for term in terms),
    )


POLICIES = PolicySet(
    "test-000000000000",
    (
        a_policy("prohibited/drugs", Severity.CRITICAL, "heroin"),
        a_policy("prohibited/weapons", Severity.HIGH, "pistol"),
        a_policy("prohibited/wildlife", Severity.MEDIUM, "ivory"),
        a_policy("misleading/health_claim", Severity.LOW),
    ),
)


@pytest.fixture(scope="session")
def policies() -> PolicySet:
    """The policies that every app of this folder serves with."""
    return POLICIES


@pytest.fixture(scope="session")
def a_listing() -> Callable[..., dict[str, Any]]:
    """A factory of listings as callers send them: `a_listing(number, title, **changes)`."""

    def make(number: int | str = 1, title: str = "Garden chair", **changes: Any) -> dict[str, Any]:
        description = "A sturdy wooden chair for the garden, hardly used, collect it from us."
        return {"listing_id": f"l-{number}", "seller_id": "s-1", "title": title, "description": description} | changes

    return make


@dataclass
class Served:
    """A scoring app that answers on a real port."""

    client: httpx.Client
    parts: Parts
    secret: str

    def score(self, listing: Any, **options: Any) -> httpx.Response:
        return self.client.post("/v1/score", json=listing, **options)

    def stored(self) -> tuple[int, int, int, int, int]:
        """Rows of listings, decisions, cases, events and idempotency keys."""
        return stored(self.parts.engine)


def stored(engine: Engine) -> tuple[int, int, int, int, int]:
    tables = (listings, decisions, cases, events, idempotency_keys)
    with reading(engine) as connection:
        counts = [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]
    return tuple(counts)


class GatedScorer:
    """A real scorer behind a gate: `entered` is set when a batch arrives, which runs once `gate` is set.

    `batches` are the lengths of the windows of each batch; a batch with a `poison` token fails.
    """

    def __init__(self, bundle: Bundle, *, poison: int | None = None) -> None:
        self._scorer = OnnxScorer(bundle)
        self._poison = poison
        self.entered, self.gate = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []

    def run(self, windows: Sequence[Sequence[int]]) -> Logits:
        self.entered.set()
        self.gate.wait()
        self.batches.append([len(window) for window in windows])
        if any(self._poison in window for window in windows):
            raise FloatingPointError("poison")
        return self._scorer.run(windows)


@contextmanager
def running(app: Any) -> Iterator[str]:
    """The address of an app that a real uvicorn serves in a thread."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(server_config(app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield "http://{}:{}".format(*listener.getsockname()[:2])
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def gated(tiny_bundle: Bundle) -> Iterator[Callable[..., tuple[Batcher, GatedScorer]]]:
    """A factory of one-lane batchers whose scorer waits behind a gate: `gated(limits, poison=token)`."""
    made: list[tuple[Batcher, GatedScorer]] = []

    def make(
        limits: Limits | None = None,
        *,
        poison: int | None = None,
        policies: PolicySet = POLICIES,
        control: ControlSample = NO_CONTROL,
    ) -> tuple[Batcher, GatedScorer]:
        scorer = GatedScorer(tiny_bundle, poison=poison)
        made.append((Batcher(Assessor(tiny_bundle, policies, control), [scorer], limits or Limits()), scorer))
        return made[-1]

    yield make
    for batcher, scorer in made:
        scorer.gate.set()
        batcher.close()
        batcher.join()


@pytest.fixture
def sqlite_engine(tabled_sqlite: Path, tmp_path: Path) -> Iterator[Engine]:
    file = shutil.copy(tabled_sqlite, tmp_path / "records.sqlite")
    opened = open_engine(f"sqlite:///{file}", busy_timeout_s=0.1)
    yield opened
    opened.dispose()


@pytest.fixture(scope="session")
def make_parts(tiny_bundle: Bundle) -> Callable[..., Parts]:
    """A factory of the parts of an app: `make_parts(engine, limits=..., control=..., batcher=..., clock=...)`."""

    def make(
        engine: Engine,
        *,
        limits: Limits | None = None,
        control: ControlSample = NO_CONTROL,
        batcher: Any = None,
        **more: Any,
    ) -> Parts:
        limits, telemetry = limits or Limits(), Telemetry()
        batcher = batcher or open_batcher(tiny_bundle, POLICIES, control, limits, telemetry.batch)
        return Parts(engine, ModelInService(batcher, telemetry), telemetry, limits, **more)

    return make


@pytest.fixture(scope="session")
def serve_parts() -> Callable[..., Any]:
    """A context manager that serves parts over HTTP, with a new API key or the one given: `with serve_parts(parts)`.

    `app` is the app to serve, when it is more than what is made of the parts.
    """

    @contextmanager
    def served(parts: Parts, *, secret: str | None = None, app: Any = None) -> Iterator[Served]:
        secret = secret or create_key(parts.engine, "shop", Scope.SCORE, now=NOW).secret
        headers = {"Authorization": f"Bearer {secret}"}
        with (
            running(app or create_app(parts)) as address,
            httpx.Client(base_url=address, headers=headers, timeout=30) as client,
        ):
            yield Served(client, parts, secret)

    return served


@pytest.fixture
def served(
    sqlite_engine: Engine, make_parts: Callable[..., Parts], serve_parts: Callable[..., Any]
) -> Iterator[Served]:
    with serve_parts(make_parts(sqlite_engine)) as found:
        yield found


@pytest.fixture(scope="module")
def unmoved(
    make_parts: Callable[..., Parts], serve_parts: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """One app for a whole module, for requests that must leave nothing behind."""
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('unmoved') / 'records.sqlite'}")
    migrate(engine)
    with serve_parts(make_parts(engine)) as found:
        yield found
        assert found.stored() == (0, 0, 0, 0, 0)
    engine.dispose()
