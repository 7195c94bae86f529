"""What surrounds every request: its id, security headers, one log line, and an answer even to what nobody foresaw.

A plain ASGI middleware, since Starlette's own base class costs more than the rest of the request.
"""

import logging
import re
import secrets
from time import perf_counter

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fairstall.serving.afterwards import answering
from fairstall.serving.dialects import error_response
from fairstall.serving.metrics import Telemetry
from fairstall.serving.tracing import RequestSpan, Tracing, traced

log = logging.getLogger("fairstall.serving")

REQUEST_ID = "X-Request-Id"
_GIVEN_ID = REQUEST_ID.lower().encode()
TRACE_RESPONSE = "traceresponse"  # W3C Trace Context, level 2, draft
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
_SECURITY = Headers(SECURITY_HEADERS).raw
_SENSIBLE_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")


class Shell:
    """Wraps the whole app, mounted ones included; a header that an app sets itself stays as it is."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry, tracing: Tracing | None = None) -> None:
        self._app = app
        self._telemetry = telemetry
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        span = self._tracing.begin(scope) if self._tracing else None
        with answering(), traced(span):
            await self._answer(scope, receive, send, span)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, span: RequestSpan | None) -> None:
        begun = perf_counter()
        request_id = _request_id(scope, span)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def send_dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                dress(headers, request_id)
                if span:
                    headers[TRACE_RESPONSE] = f"00-{span.trace_id}-{span.span_id}-{span.sampled:02d}"
            await send(message)

        try:
            await self._app(scope, receive, send_dressed)
        except Exception as error:
            log.exception("request %s failed", request_id)
            if status:
                raise
            await error_response(scope["path"], error, request_id=request_id)(scope, receive, send_dressed)
        finally:
            self._note(scope, request_id, status, perf_counter() - begun, span)

    def _note(self, scope: Scope, request_id: str, status: int, seconds: float, span: RequestSpan | None) -> None:
        route = route_of(scope)
        if span:
            span.end(route=route, status=status)
        route = route or "other"
        self._telemetry.responded(route, status, seconds)
        if log.isEnabledFor(logging.INFO):
            facts = {"request_id": request_id, "method": scope["method"], "route": route, "status": status}
            where = {"trace_id": span.trace_id, "span_id": span.span_id} if span else {}
            log.info("request", extra={"facts": facts | {"ms": round(1_000 * seconds, 1)} | where})


def route_of(scope: Scope) -> str:
    """The template of the address, never the address itself: it could hold anything. Empty where there is no route."""
    return str(getattr(scope.get("route"), "path", ""))


def dress(headers: MutableHeaders, request_id: str) -> None:
    """Put on what every response carries."""
    headers[REQUEST_ID] = request_id
    present = {name for name, _ in headers.raw}
    headers.raw.extend(header for header in _SECURITY if header[0] not in present)


def _request_id(scope: Scope, span: RequestSpan | None) -> str:
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == _GIVEN_ID), "")
    if _SENSIBLE_ID.fullmatch(given):
        return given
    return span.trace_id if span else secrets.token_hex(16)
