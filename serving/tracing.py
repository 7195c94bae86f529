"""What a request tells a trace of its stages, and a webhook of its attempts, where there is one.

What OpenTelemetry is, only `open_telemetry` knows.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Protocol, TypeAlias

from starlette.types import Scope

from fairstall.model.decision import Decision
from fairstall.serving.passage import Passage

Facts: TypeAlias = Mapping[str, str | int | float | bool]


class RequestSpan(Protocol):
    """The span of one request. Moments are those of `perf_counter`, in seconds."""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits."""

    @property
    def sampled(self) -> bool:
        """Whether the trace is kept."""

    def stage(self, name: str, begun_at: float, ended_at: float, facts: Facts, *, error: str = "") -> None:
        """One stage, when it is over; `error` is the kind of error that it ended with."""

    def end(self, *, route: str, status: int) -> None:
        """The answer is sent. `route` is the template of the address, or empty where there is none."""


class AttemptSpan(Protocol):
    """The span of one attempt to deliver a webhook, in a trace of its own."""

    @property
    def traceparent(self) -> str:
        """The header with which the receiver goes on with the trace (W3C Trace Context)."""

    def end(self, status: int | None, *, error: str = "") -> None:
        """What was answered, if anything; `error` is the kind of failure that it counts as."""


class Tracing(Protocol):
    """Where requests and webhooks are traced."""

    def begin(self, scope: Scope) -> RequestSpan | None:
        """The span of a request that begins now, or None for one that is not traced."""

    def attempt(self, facts: Facts) -> AttemptSpan:
        """The span of an attempt that begins now. Nothing is above it: the request that made the event is over."""

    def close(self) -> None:
        """Send what is left, within a few seconds."""


_current: ContextVar[RequestSpan | None] = ContextVar("fairstall_request_span", default=None)


@contextmanager
def traced(span: RequestSpan | None) -> Iterator[None]:
    """What is told inside belongs to this request."""
    token = _current.set(span)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def stage(name: str) -> Iterator[dict[str, str | int | float | bool]]:
    """One stage, from here to the end; what is put into the dictionary goes with it."""
    facts: dict[str, str | int | float | bool] = {}
    begun_at, error = perf_counter(), ""
    try:
        yield facts
    except BaseException as raised:
        error = type(raised).__name__
        raise
    finally:
        if span := _current.get():
            span.stage(name, begun_at, perf_counter(), facts, error=error)


def tell_of_listing(passage: Passage, decision: Decision, *, decide_at: float, decided_at: float) -> None:
    """The stages of a listing that was decided. Its text and its seller stay out; `decision_id` leads to both."""
    span = _current.get()
    if span is None or not span.sampled:
        return
    which = {"fairstall.decision_id": decision.decision_id}
    versions = decision.assessment.versions
    ran: Facts = {
        "fairstall.model": versions.model,
        "fairstall.windows": passage.windows,
        "fairstall.batch_windows": passage.batch_windows,
        "fairstall.repeated": decision.repeated,
    }
    found: Facts = {"fairstall.policies": versions.policies, "fairstall.outcome": str(decision.assessment.outcome)}
    span.stage("queue", passage.admitted_at, passage.started_at, which)
    span.stage("prepare", passage.prepare_at, passage.prepared_at, which)
    span.stage("score", passage.started_at, passage.ended_at, {**which, **ran})
    span.stage("decide", decide_at, decided_at, {**which, **found})
