"""With tracing on, each attempt to deliver a webhook is a trace that its receiver can go on with."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from standardwebhooks import Webhook

from fairstall.model.identifiers import time_ordered_id
from fairstall.records.deliveries import DeliveryQueue
from fairstall.records.engine import writing
from fairstall.records.outbox import Event, write_events
from fairstall.records.webhooks import add_endpoint
from fairstall.serving.metrics import Telemetry
from fairstall.serving.open_telemetry import OpenTelemetry
from fairstall.serving.webhooks.addresses import AddressRules
from fairstall.serving.webhooks.courier import Courier
from fairstall.serving.webhooks.sender import Sender

PAGE = (Path(__file__).parents[3] / "docs" / "observing.md").read_text()
NOW = datetime.now(UTC)


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def deliver(sqlite_engine, exporter):
    """Deliver what is due `after` a while, traced by a sampler: `deliver(after, sampler)`."""

    def run(after=timedelta(0), sampler=sampling.DEFAULT_ON):
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        queue, sender = DeliveryQueue(sqlite_engine), Sender(AddressRules(), timeout_s=5.0)
        tracing = OpenTelemetry(provider)

        async def work():
            courier = Courier(queue, sender, Telemetry(), lambda: NOW + after, chance=lambda: 0.0, tracing=tracing)
            await courier.look()
            await courier.finish()
            await courier.close()

        asyncio.run(work())

    return run


def happen(engine) -> Event:
    one = Event(time_ordered_id(NOW), "decision.made", {"decision_id": "d-1", "listing_id": "unmistakable"}, NOW)
    with writing(engine) as connection:
        write_events(connection, [one])
    return one


def sent_with(posted) -> tuple[int, int, bool]:
    """The trace, the span above, and whether it is kept, as a receiver reads them (W3C Trace Context)."""
    version, trace_id, span_id, flags = posted.headers["traceparent"].split("-")
    assert version == "00"
    return int(trace_id, 16), int(span_id, 16), bool(int(flags, 16) & 1)


def test_each_attempt_is_a_trace_of_its_own_that_the_receiver_goes_on_with(sqlite_engine, exporter, receiver, deliver):
    added, receiver.answers = add_endpoint(sqlite_engine, receiver.url, now=NOW), [500]
    one = happen(sqlite_engine)
    deliver()
    deliver(after=timedelta(seconds=5))
    failed, delivered = exporter.get_finished_spans()
    assert failed.context.trace_id != delivered.context.trace_id
    for number, span in enumerate((failed, delivered)):
        assert (span.name, span.kind, span.parent) == ("webhook", SpanKind.CLIENT, None)
        assert sent_with(receiver.posted[number]) == (span.context.trace_id, span.context.span_id, True)
        assert (
            dict(span.attributes).items()
            >= {
                "fairstall.event_id": one.event_id,
                "fairstall.endpoint_id": added.endpoint_id,
                "fairstall.decision_id": "d-1",
                "fairstall.attempt": number + 1,
            }.items()
        )
    assert (failed.status.status_code, failed.attributes["error.type"]) == (StatusCode.ERROR, "500")
    assert (delivered.status.status_code, delivered.attributes["http.response.status_code"]) == (StatusCode.UNSET, 204)
    posted = receiver.posted[1]
    signature = Webhook(added.secret).sign(one.event_id, NOW + timedelta(seconds=5), posted.body.decode())
    assert posted.headers["webhook-signature"] == signature


def test_no_answer_is_an_error_in_a_word_and_nothing_tells_of_address_and_listing(sqlite_engine, exporter, deliver):
    add_endpoint(sqlite_engine, "https://127.0.0.1:1/secret-path", now=NOW)
    add_endpoint(sqlite_engine, "http://127.0.0.1:1/secret-path", now=NOW)
    happen(sqlite_engine)
    deliver()
    spans = exporter.get_finished_spans()
    assert {span.attributes["error.type"] for span in spans} <= {"connection refused", "address refused"}
    assert len(spans) == 2
    for span in spans:
        assert not [word for word in ("127.0.0.1", "secret-path", "unmistakable") if word in span.to_json()]


def test_an_attempt_that_is_not_sampled_says_so_to_the_receiver(sqlite_engine, exporter, receiver, deliver):
    add_endpoint(sqlite_engine, receiver.url, now=NOW)
    happen(sqlite_engine)
    deliver(sampler=sampling.ALWAYS_OFF)
    assert sent_with(receiver.posted[0])[2] is False
    assert exporter.get_finished_spans() == ()


def test_the_span_and_its_attributes_are_explained(sqlite_engine, exporter, receiver, deliver):
    add_endpoint(sqlite_engine, receiver.url, now=NOW)
    happen(sqlite_engine)
    deliver()
    (span,) = exporter.get_finished_spans()
    assert f"| `{span.name}` |" in PAGE
    assert all(f"`{name}`" in PAGE or f"{name}=" in PAGE for name in span.attributes)
