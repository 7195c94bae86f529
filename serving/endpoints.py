"""The scoring API's endpoints: who asks, what they sent, and how it is answered. The work is `service`'s."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response

from fairstall.model.errors import ListingError, NotFound
from fairstall.model.wire import stored_answer_body
from fairstall.records.keys import ApiKey, Scope
from fairstall.records.ledger import Ledger
from fairstall.serving.authenticator import Authenticator
from fairstall.serving.bodies import read_body, read_json, read_listing, read_listings
from fairstall.serving.idempotency import HEADER, OncePerKey, Produced, RequestKey, request_key
from fairstall.serving.limits import Limits
from fairstall.serving.problems import CallerLeft
from fairstall.serving.service import Item, ScoringService

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


class Endpoints:
    """`POST /v1/score`, `POST /v1/score/batch` and `GET /v1/decisions/{decision_id}`."""

    def __init__(
        self, *, service: ScoringService, once: OncePerKey, authenticator: Authenticator, ledger: Ledger, limits: Limits
    ) -> None:
        self._service = service
        self._once = once
        self._authenticator = authenticator
        self._ledger = ledger
        self._limits = limits

    async def score(self, request: Request) -> Response:
        """Score one listing, store the decision, answer it."""
        caller, with_scores = await self._caller(request, Scope.SCORE), _wants_scores(request)
        body = await self._body(request, self._limits.body_bytes)

        async def produce(key: RequestKey | None) -> Produced:
            return await self._service.one(read_listing(read_json(body)), with_scores=with_scores, key=key)

        return await self._answer(request, caller, body, produce)

    async def score_batch(self, request: Request) -> Response:
        """Score up to a hundred listings, store every decision in one transaction, answer them in order."""
        caller, with_scores = await self._caller(request, Scope.SCORE), _wants_scores(request)
        body = await self._body(request, self._limits.batch_bytes)

        async def produce(key: RequestKey | None) -> Produced:
            items = [_item(value) for value in read_listings(read_json(body), at_most=self._limits.batch_listings)]
            return await self._service.many(
                items, with_scores=with_scores, key=key, side_by_side=self._limits.batch_side_by_side
            )

        return await self._answer(request, caller, body, produce)

    async def decision(self, request: Request) -> Response:
        """One decision as it was stored; what overrides it is another one."""
        await self._caller(request, Scope.READ)
        with_scores = _wants_scores(request)
        decision_id = _decision_id(request.path_params["decision_id"])
        found = await asyncio.to_thread(self._ledger.find, decision_id)
        return _json(orjson.dumps(stored_answer_body(found, with_scores=with_scores)))

    async def _caller(self, request: Request, needs: Scope) -> ApiKey:
        return await self._authenticator.key(request.headers.get("authorization"), needs=needs)

    async def _body(self, request: Request, limit_bytes: int) -> bytes:
        return await read_body(request, limit_bytes=limit_bytes, within_s=self._limits.body_deadline_s)

    async def _answer(
        self,
        request: Request,
        caller: ApiKey,
        body: bytes,
        produce: Callable[[RequestKey | None], Awaitable[Produced]],
    ) -> Response:
        target = f"{request.scope['path']}?scores={_wants_scores(request)}"
        key = request_key(request.headers.get(HEADER), api_key_id=caller.key_id, target=target, body=body)
        async with _while_caller_waits(request):
            reply = await self._once.answer(key, lambda: produce(key))
        return _json(reply.body, {"Idempotent-Replayed": "true"} if reply.replayed else None)


def _wants_scores(request: Request) -> bool:
    value = request.query_params.get("scores", "false").lower()
    if value not in _FLAGS:
        raise ListingError("scores", "true or false is needed")
    return _FLAGS[value]


def _item(value: object) -> Item:
    try:
        return read_listing(value)
    except ListingError as error:
        return error


def _decision_id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError as error:
        raise NotFound("there is no such decision: an id is a UUID") from error


def _json(body: bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(body, media_type="application/json", headers=headers)


@asynccontextmanager
async def _while_caller_waits(request: Request) -> AsyncIterator[None]:
    """Cancel what is inside as soon as the caller closes the connection. Raises CallerLeft then."""
    here, inside = asyncio.current_task(), True
    watch = asyncio.ensure_future(request.receive())

    def left(_watch: object) -> None:
        if inside and here and not watch.cancelled():
            here.cancel()

    watch.add_done_callback(left)
    try:
        yield
    except asyncio.CancelledError:
        if here and watch.done() and not watch.cancelled() and not here.uncancel():
            raise CallerLeft from None
        raise
    finally:
        inside = False
        watch.cancel()
