"""What every scoring endpoint does around its scoring: the caller's key, the body, and one answer for each request."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import Response

from fairstall.records.keys import ApiKey, Scope
from fairstall.serving.authenticator import Authenticator
from fairstall.serving.bodies import JSON, BodyRoom, read_body
from fairstall.serving.idempotency import HEADER, OncePerKey, Produced, RequestKey, request_key
from fairstall.serving.limits import Limits
from fairstall.serving.problems import CROWDED, CallerLeft, Crowded
from fairstall.serving.rates import Rates


class Intake:
    """Shared by the endpoints of all protocols, so that a limit or a rule of access holds for each of them."""

    def __init__(self, *, authenticator: Authenticator, rates: Rates, once: OncePerKey, limits: Limits) -> None:
        self._authenticator = authenticator
        self._rates = rates
        self._once = once
        self.limits = limits
        self._room = BodyRoom(most_bytes=limits.held_bytes)

    async def caller(self, request: Request, needs: Scope) -> ApiKey:
        """Whose key the request carries. Raises Crowded, Unauthorized, Forbidden or RateLimited."""
        if request.scope["state"].get(CROWDED):
            raise Crowded(f"more than {self.limits.connections:,} connections are open; nothing was stored")
        key = await self._authenticator.key(request.headers.get("authorization"), needs=needs)
        self._rates.check(key)
        return key

    def charge(self, caller: ApiKey, listings: int = 1) -> None:
        """Count what is about to be scored; what is replayed costs nothing. Raises RateLimited."""
        self._rates.charge(caller, listings)

    async def body(self, request: Request, limit_bytes: int, *, media: Collection[str] = (JSON,)) -> bytes:
        """The bytes of a JSON body, in time and within the limit. Raises what `read_body` raises."""
        within_s = self.limits.body_deadline_s
        return await read_body(request, self._room, limit_bytes=limit_bytes, within_s=within_s, media=media)

    async def answer(
        self,
        request: Request,
        caller: ApiKey,
        body: bytes,
        produce: Callable[[RequestKey | None], Awaitable[Produced]],
        *,
        variant: str = "",
    ) -> Response:
        """What `produce` answers, or what was answered before under the same Idempotency-Key.

        `variant` is what changes the answer beside address and body. A caller who leaves ends the work.
        """
        target = request.scope["path"] + variant
        key = request_key(request.headers.get(HEADER), api_key_id=caller.key_id, target=target, body=body)
        async with _while_caller_waits(request):
            reply = await self._once.answer(key, lambda: produce(key))
        return json_response(reply.body, {"Idempotent-Replayed": "true"} if reply.replayed else None)


def json_response(body: bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(body, media_type=JSON, headers=headers)


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
