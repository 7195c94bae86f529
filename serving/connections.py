"""The connections that requests come in on: how many, how large a head, and how long a slow caller is waited for.

uvicorn bounds none of these. Bodies are `bodies`'; what could be read as a request is the app's to answer.
"""

import asyncio
import logging
import resource
import secrets
from asyncio import TimerHandle
from enum import Enum, auto
from typing import ClassVar

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from fairstall.model.errors import FairstallError
from fairstall.serving.bodies import WHOLE
from fairstall.serving.limits import Limits
from fairstall.serving.metrics import Telemetry
from fairstall.serving.problems import CROWDED, HeadTooLarge, Malformed, SlowHead, kind_of, problem_response
from fairstall.serving.shell import dress

log = logging.getLogger("fairstall.serving")

CROWD = 128  # connections above the limit that are still told why they are refused
FILES_BESIDE = 256  # what the process opens beside connections: the store, models, webhooks
GRACE_S = 1.0  # within it the app answers a slow body itself, if it reads it


def connection_class(limits: Limits, telemetry: Telemetry) -> type[HttpToolsProtocol]:
    """uvicorn's connections, held to `limits`: what `uvicorn.Config` takes as `http`."""
    return type("Connection", (BoundedConnection,), {"limits": limits, "telemetry": telemetry})


def room_for_connections(wanted: int) -> int:
    """How many connections the process may have open, `wanted` at most; its limit on open files is raised for them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + CROWD + FILES_BESIDE
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(1, min(wanted, allowed - CROWD - FILES_BESIDE))


class Stage(Enum):
    """What is being read of a request."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


class BoundedConnection(HttpToolsProtocol):
    """One connection. A head that is late, too large or no HTTP is answered here, since no app ever sees it.

    The first head is waited for from the moment the connection opens. `_due_at`: the loop's time by which what is being
    read has to be whole; a timer exists only once something was not whole at the first look.
    """

    limits: ClassVar[Limits]
    telemetry: ClassVar[Telemetry]

    _stage = Stage.NOTHING
    _head_bytes = 0
    _due_at: float | None = None
    _reading: TimerHandle | None = None
    _writing: TimerHandle | None = None
    _refusal: FairstallError | None = None
    _answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        count = len(self.connections)
        self.telemetry.connections(count)
        if count > self.limits.connections + CROWD:
            self._end("crowded")
            return
        self.app_state = {**self.app_state, CROWDED: count > self.limits.connections}
        self._due_within(self.limits.head_deadline_s)
        self._watch()

    def data_received(self, data: bytes) -> None:
        head_goes_on = self._stage is Stage.HEAD
        super().data_received(data)
        if head_goes_on and self._stage is Stage.HEAD:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes:
                self._refuse(HeadTooLarge(self._head_limit()))
        if self._due_at is None and self._nothing_expected():
            self._due_within(self.limits.head_deadline_s)
        self._watch()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._stage, self._head_bytes = Stage.HEAD, 0
        self._due_within(self.limits.head_deadline_s)

    def on_headers_complete(self) -> None:
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self.limits.head_bytes:
            self._refusal = HeadTooLarge(self._head_limit())
            raise self._refusal  # the parser ends, and `send_400_response` is called
        self._stage = Stage.BODY
        self._due_within(self.limits.body_deadline_s + GRACE_S)
        super().on_headers_complete()
        if self.app_state[CROWDED]:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.scope["state"][WHOLE] = True
        self._stage, self._due_at = Stage.NOTHING, None

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal or Malformed("request", "not HTTP/1.1"))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_waiting_for_reader()
        if self.transport.is_closing():  # what is left is read too, or given up
            self._wait_for_reader()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._wait_for_reader()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._wait_for_reader()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._answering:  # uvicorn tells only the request that came last, of several sent at once
            _tell_that_caller_left(self._answering)
        self.telemetry.connections(len(self.connections))
        self._unset_keepalive_if_required()
        self._stop_waiting_for_reader()
        if self._reading:
            self._reading.cancel()
        self._reading = self._due_at = None

    def _nothing_expected(self) -> bool:
        """Bytes came that begin no request, and uvicorn no longer waits for the next one."""
        answered = self.cycle is not None and self.cycle.response_complete
        return answered and self._stage is Stage.NOTHING and self.timeout_keep_alive_task is None

    def _due_within(self, seconds: float) -> None:
        self._due_at = self.loop.time() + seconds

    def _watch(self) -> None:
        if self._due_at is not None and self._reading is None:
            self._reading = self.loop.call_at(self._due_at, self._look)

    def _look(self) -> None:
        self._reading = None
        if self._due_at is None:
            return
        if self.flow.read_paused:  # it is this side that does not read
            self._due_within(GRACE_S)
        if self.loop.time() < self._due_at:
            self._watch()
        elif self._stage is Stage.HEAD:
            self._refuse(SlowHead(f"no whole head arrived within {self.limits.head_deadline_s:g} seconds"))
        else:
            self._end("slow-body" if self._stage is Stage.BODY else "silent")

    def _refuse(self, error: FairstallError) -> None:
        """Answer what is no request, and close. In the midst of an earlier answer nothing can be said."""
        if self.transport.is_closing():
            return
        kind, request_id = kind_of(error), secrets.token_hex(16)
        log.info("request", extra={"facts": {"request_id": request_id, "route": "other", "status": kind.status}})
        if self.cycle and not self.cycle.response_complete:
            if self.cycle is not self._answering or self.cycle.response_started:
                self._end(kind.name)
                return
            _tell_that_caller_left(self.cycle)
        self.telemetry.connection_ended(kind.name)
        self.transport.write(self._told(error, request_id))
        self.transport.close()
        self._wait_for_reader()

    def _told(self, error: FairstallError, request_id: str) -> bytes:
        response = problem_response(error, request_id=request_id)
        response.headers["Connection"] = "close"
        dress(response.headers, request_id)
        headers = [*self.server_state.default_headers, *response.raw_headers]
        lines = [b"%s: %s\r\n" % header for header in headers]
        return b"".join((STATUS_LINE[response.status_code], *lines, b"\r\n", response.body))

    def _head_limit(self) -> str:
        return f"the head of the request is larger than {self.limits.head_bytes:,} bytes, which is the limit"

    def _wait_for_reader(self) -> None:
        if self._writing is None:
            self._writing = self.loop.call_later(self.limits.unread_deadline_s, self._end, "unread")

    def _stop_waiting_for_reader(self) -> None:
        if self._writing:
            self._writing.cancel()
        self._writing = None

    def _end(self, reason: str) -> None:
        self.telemetry.connection_ended(reason)
        self.transport.abort()


def _tell_that_caller_left(cycle: RequestResponseCycle) -> None:
    """From now on what the app sends goes nowhere, and it is told so where it waits for the request."""
    cycle.disconnected = True
    cycle.message_event.set()
