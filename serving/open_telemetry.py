"""Requests and webhooks as OpenTelemetry traces, set up by OpenTelemetry's own environment variables.

After its semantic conventions for HTTP servers and clients, and W3C Trace Context. It is imported only where tracing is
on: the packages come with an extra.
"""

import threading
from time import perf_counter, time_ns

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import Scope

from fairstall.model.release import release_version
from fairstall.serving.tracing import Facts

NAME = "fairstall"
CLOSE_WITHIN_S = 5.0
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
PROBES = frozenset({"/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})

_PROPAGATOR = TraceContextTextMapPropagator()


class OpenTelemetry:
    """Traces every request but those of probes, and every webhook, through one provider, which it shuts down."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(NAME, release_version())

    def begin(self, scope: Scope) -> "OpenTelemetrySpan | None":
        """A server span, continued from the caller's `traceparent`. None for a probe."""
        if scope["path"] in PROBES:
            return None
        known = scope["method"] in METHODS
        facts = {
            "http.request.method": scope["method"] if known else "_OTHER",
            "url.scheme": scope["scheme"],
            "network.protocol.version": scope["http_version"],
        }
        begun_at, begun_ns = perf_counter(), time_ns()
        came_from = _PROPAGATOR.extract(Headers(scope=scope), Context())
        name = scope["method"] if known else "HTTP"
        span = self._tracer.start_span(name, came_from, SpanKind.SERVER, facts, start_time=begun_ns)
        return OpenTelemetrySpan(self, span, name, begun_at, begun_ns)

    def stage(self, parent: Context, name: str, begun_ns: int, ended_ns: int, facts: Facts, error: str) -> None:
        """A span below `parent` that is over."""
        span = self._tracer.start_span(name, parent, attributes=facts, start_time=begun_ns)
        if error:
            _failed(span, error)
        span.end(ended_ns)

    def attempt(self, facts: Facts) -> "OpenTelemetryAttempt":
        """A client span that begins a trace."""
        named = {"http.request.method": "POST", **facts}
        return OpenTelemetryAttempt(self._tracer.start_span("webhook", Context(), SpanKind.CLIENT, named))

    def close(self) -> None:
        """Export what is left. A collector that does not answer is left behind after CLOSE_WITHIN_S."""
        ending = threading.Thread(target=self._provider.shutdown, name="traces-end", daemon=True)
        ending.start()
        ending.join(CLOSE_WITHIN_S)


class OpenTelemetrySpan:
    """The server span of one request, and the one place where moments of `perf_counter` become times of day."""

    def __init__(self, traces: OpenTelemetry, span: Span, name: str, begun_at: float, begun_ns: int) -> None:
        self._traces = traces
        self._span = span
        self._name = name
        self._begun_at = begun_at
        self._begun_ns = begun_ns
        self._context = set_span_in_context(span, Context())

    @property
    def trace_id(self) -> str:
        return f"{self._span.get_span_context().trace_id:032x}"

    @property
    def span_id(self) -> str:
        return f"{self._span.get_span_context().span_id:016x}"

    @property
    def sampled(self) -> bool:
        return self._span.is_recording()

    def stage(self, name: str, begun_at: float, ended_at: float, facts: Facts, *, error: str = "") -> None:
        if self.sampled:
            self._traces.stage(self._context, name, self._ns(begun_at), self._ns(ended_at), facts, error)

    def end(self, *, route: str, status: int) -> None:
        if route:
            self._span.update_name(f"{self._name} {route}")
            self._span.set_attribute("http.route", route)
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            _failed(self._span, str(status))
        self._span.end(self._ns(perf_counter()))

    def _ns(self, moment: float) -> int:
        return self._begun_ns + round((moment - self._begun_at) * 1_000_000_000)


class OpenTelemetryAttempt:
    """The client span of one attempt to deliver a webhook."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        headers: dict[str, str] = {}
        _PROPAGATOR.inject(headers, set_span_in_context(self._span, Context()))
        return headers["traceparent"]

    def end(self, status: int | None, *, error: str = "") -> None:
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        if error:
            _failed(self._span, error)
        self._span.end()


def export_traces() -> OpenTelemetry:
    """Traces that go to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names, sampled as OTEL_TRACES_SAMPLER says."""
    ours = Resource.create({"service.name": NAME, "service.version": release_version()})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OpenTelemetry(provider)


def _failed(span: Span, error: str) -> None:
    span.set_attribute("error.type", error)
    span.set_status(Status(StatusCode.ERROR))
