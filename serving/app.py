"""The scoring app put together from its parts. It reads no settings and opens no files: that is the command line's."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fairstall.model.decide import Doubt
from fairstall.model.errors import FairstallError, InputError, NotFound, StoreUnavailable
from fairstall.records.ledger import Ledger
from fairstall.serving.authenticator import Authenticator
from fairstall.serving.besides import BesideWatch
from fairstall.serving.blocked_watch import BlockedWatch
from fairstall.serving.clock import ForwardClock
from fairstall.serving.connections import connection_class
from fairstall.serving.dialects import error_response
from fairstall.serving.endpoints import Endpoints
from fairstall.serving.explaining import Explaining
from fairstall.serving.idempotency import OncePerKey
from fairstall.serving.inference import MODEL_ADDRESSES, Inference
from fairstall.serving.intake import Intake
from fairstall.serving.limits import Limits
from fairstall.serving.looking import look_for_ever
from fairstall.serving.lookups import Lookups
from fairstall.serving.metrics import Telemetry
from fairstall.serving.moderations import Moderations
from fairstall.serving.openapi import openapi_document
from fairstall.serving.probes import Probes
from fairstall.serving.problems import INTERNAL, NoSuchMethod, kind_of
from fairstall.serving.rates import Rates
from fairstall.serving.reload import BundleWatch, Canary, ModelInService
from fairstall.serving.sealing import SealingPasses
from fairstall.serving.service import ScoringService, Settled
from fairstall.serving.shadow import Decided
from fairstall.serving.shadowing import Shadowing
from fairstall.serving.shell import Shell
from fairstall.serving.stating import stating
from fairstall.serving.tallying import TallyPasses
from fairstall.serving.tracing import Tracing
from fairstall.serving.webhooks.background import CourierThread
from fairstall.serving.writer import GroupCommit, SubmissionStore

log = logging.getLogger("fairstall.serving")

MODELS_LOOK_EVERY_S = 0.5
# FastAPI's own would tell collectors the addresses of requests, and the words of exceptions with their stack.
NO_TELEMETRY = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Parts:
    """What an app is made of. `engine` is migrated; without a `watch` the model stays the one it is.

    Without a `canary` it answers every listing, and without a `shadowing` no bundle is scored beside it.
    Without `explaining` no model evidence is found for cases. Without `sealing` nothing is sealed until
    `fairstall audit seal` does. Without `tallying` decisions are counted when somebody looks at the trends.
    Without a `courier` events wait until a process that has one delivers them. Without `blocked` nothing is compared
    with what was blocked. Without `tracing` no request is traced. Decisions are kept in the `store`, which is the
    ledger of `engine` when none is given.
    """

    engine: Engine
    model: ModelInService
    telemetry: Telemetry
    limits: Limits = field(default_factory=Limits)
    watch: BundleWatch | None = None
    courier: CourierThread | None = None
    shadowing: Shadowing | None = None
    canary: BesideWatch[Canary] | None = None
    blocked: BlockedWatch | None = None
    store: SubmissionStore | None = None
    tracing: Tracing | None = None
    sealing: SealingPasses | None = None
    explaining: Explaining | None = None
    tallying: TallyPasses | None = None
    clock: Callable[[], datetime] = utc_now


def create_app(parts: Parts) -> FastAPI:
    """The scoring API. Its lifespan ends the lanes and the writer, after they have finished what they had.

    `state.connection` is the class of its connections, for `uvicorn.Config(http=...)`.
    """
    ledger = Ledger(parts.engine)
    writer = GroupCommit(
        parts.store or ledger, most_waiting=parts.limits.waiting_submissions, on_commit=parts.telemetry.commit
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        looks = [_models_looked_at(one.look) for one in (parts.watch, parts.canary, parts.shadowing) if one]
        works = [*looks, *(one.run() for one in (parts.blocked, parts.sealing, parts.tallying) if one)]
        if parts.explaining:
            parts.explaining.start()
        async with _working(works), _delivering(parts.courier):
            yield
        await asyncio.to_thread(parts.model.close)
        for beside in (parts.shadowing, parts.explaining):
            if beside:
                await asyncio.to_thread(beside.close)
        await asyncio.to_thread(writer.close)
        if parts.tracing:
            await asyncio.to_thread(parts.tracing.close)

    app = FastAPI(
        title="Fairstall",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        telemetry=NO_TELEMETRY,
    )
    app.state.connection = connection_class(parts.limits, parts.telemetry)
    app.openapi = openapi_document  # type: ignore[method-assign]
    app.add_middleware(Shell, telemetry=parts.telemetry, tracing=parts.tracing)
    app.add_exception_handler(FairstallError, _problem)
    app.add_exception_handler(HTTPException, _http_problem)
    _add_routes(app, parts, ledger, writer)
    return app


def _service(parts: Parts, writer: GroupCommit) -> ScoringService:
    return ScoringService(
        model=parts.model,
        writer=writer,
        telemetry=parts.telemetry,
        clock=ForwardClock(parts.clock),
        side_by_side=parts.limits.batch_side_by_side,
        after_answer=partial(_offer, parts),
    )


def _offer(parts: Parts, settled: Sequence[Settled]) -> None:
    """What is done with a stored decision once it is answered."""
    for one in settled:
        if parts.shadowing and Doubt.NOT_SCORED not in one.decision.assessment.doubts:
            parts.shadowing.offer(Decided(one.decision, one.prepared, one.assessor))
        if parts.explaining and one.entry.case:
            parts.explaining.offer(one.entry.case)


def _intake(parts: Parts, ledger: Ledger, lookups: Lookups) -> Intake:
    remembered_s = parts.limits.key_cache_s
    authenticator = Authenticator(parts.engine, remembered_s=remembered_s, lookups=lookups, now=parts.clock)
    once = OncePerKey(ledger, lookups, parts.clock)
    return Intake(authenticator=authenticator, rates=Rates(), once=once, limits=parts.limits)


def _add_routes(app: FastAPI, parts: Parts, ledger: Ledger, writer: GroupCommit) -> None:
    lookups = Lookups(parts.limits.store_deadline_s)
    service, intake = _service(parts, writer), _intake(parts, ledger, lookups)
    endpoints = Endpoints(service=service, intake=intake, ledger=ledger, lookups=lookups, model=parts.model)
    moderations = Moderations(service=service, intake=intake)
    probes = Probes(engine=parts.engine, lookups=lookups, model=parts.model, telemetry=parts.telemetry)
    inference = Inference(service=service, intake=intake, model=parts.model, probes=probes)
    for path, method, endpoint in (
        ("/v1/score", "POST", stating(endpoints.score, parts.model)),
        ("/v1/score/batch", "POST", stating(endpoints.score_batch, parts.model)),
        ("/v1/decisions/{decision_id}", "GET", endpoints.decision),
        ("/v1/policies", "GET", endpoints.policies),
        ("/v1/moderations", "POST", moderations.moderate),
        ("/healthz", "GET", probes.healthz),
        ("/readyz", "GET", probes.readyz),
        ("/metrics", "GET", probes.metrics),
        ("/v2", "GET", inference.server),
        ("/v2/health/live", "GET", inference.live),
        ("/v2/health/ready", "GET", inference.ready),
        *((root, "GET", inference.metadata) for root in MODEL_ADDRESSES),
        *((f"{root}/ready", "GET", inference.model_ready) for root in MODEL_ADDRESSES),
        *((f"{root}/infer", "POST", inference.infer) for root in MODEL_ADDRESSES),
    ):
        app.router.add_api_route(path, endpoint, methods=[method], response_model=None, route_class_override=AsItComes)


class AsItComes(APIRoute):
    """The endpoint takes the request and gives the response: FastAPI has nothing to solve or to check around it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint


async def _models_looked_at(look: Callable[[], Awaitable[bool]]) -> None:
    told = "looking at the models folder failed; what is in service goes on"
    await look_for_ever(look, every_s=MODELS_LOOK_EVERY_S, on_failure=told)


@asynccontextmanager
async def _working(works: Sequence[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _delivering(courier: CourierThread | None) -> AsyncIterator[None]:
    if courier:
        courier.start()
    try:
        yield
    finally:
        if courier:
            await asyncio.to_thread(courier.close)


async def _problem(request: Request, error: Exception) -> Response:
    if isinstance(error, StoreUnavailable):
        log.error("request %s: %s", request.state.request_id, error)
    elif kind_of(error).status == INTERNAL.status:
        log.error("request %s failed", request.state.request_id, exc_info=error)
    return _told(request, error)


async def _http_problem(request: Request, error: Exception) -> Response:
    """Starlette's own errors: no such address, no such method."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        told: FairstallError = NotFound("there is nothing at this address")
    elif error.status_code == 405:
        told = NoSuchMethod(f"this address does not take {request.method}")
    else:
        told = InputError(str(error.detail))
    response = _told(request, told)
    response.headers.update(error.headers or {})
    return response


def _told(request: Request, error: Exception) -> Response:
    return error_response(request.scope["path"], error, request_id=request.state.request_id)
