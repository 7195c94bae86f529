"""Each request is one trace: its stages below it, what the caller sent before it, and nobody's words in it."""

import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from fairstall.serving.open_telemetry import OpenTelemetry

STAGES = ["queue", "prepare", "score", "decide", "commit"]
PAGE = (Path(__file__).parents[2] / "docs" / "observing.md").read_text()
TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def trace(sqlite_engine, make_parts, serve_parts, exporter):
    """A factory of traced apps: `with trace(sampler) as served`."""

    def make(sampler=sampling.DEFAULT_ON):
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        return serve_parts(make_parts(sqlite_engine, tracing=OpenTelemetry(provider)))

    return make


def finished(exporter):
    """The server span, and those below it in the order in which they began."""
    spans = exporter.get_finished_spans()
    (server,) = [span for span in spans if span.kind is SpanKind.SERVER]
    return server, sorted((span for span in spans if span is not server), key=lambda span: span.start_time)


def test_a_request_is_a_span_with_its_stages_below(trace, exporter, a_listing):
    with trace() as served:
        answer = served.score(a_listing(title="Old pistol")).json()
    server, stages = finished(exporter)
    assert (server.name, server.parent, server.status.status_code) == ("POST /v1/score", None, StatusCode.UNSET)
    assert dict(server.attributes) == {
        "http.request.method": "POST",
        "http.route": "/v1/score",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "url.scheme": "http",
    }
    assert [span.name for span in stages] == STAGES
    assert {span.parent.span_id for span in stages} == {server.context.span_id}
    for span in stages:
        assert server.start_time <= span.start_time <= span.end_time <= server.end_time
    facts = {name: value for span in stages for name, value in span.attributes.items()}
    assert facts == {
        "fairstall.decision_id": answer["decision_id"],
        "fairstall.model": answer["versions"]["model"],
        "fairstall.policies": answer["versions"]["policies"],
        "fairstall.windows": 1,
        "fairstall.batch_windows": 1,
        "fairstall.repeated": False,
        "fairstall.outcome": "review",
        "fairstall.decisions": 1,
        "fairstall.commit_submissions": 1,
    }


def test_every_span_and_attribute_is_explained(trace, exporter, a_listing):
    with trace() as served:
        served.score(a_listing())
    for span in exporter.get_finished_spans():
        assert span.kind is SpanKind.SERVER or f"| `{span.name}` |" in PAGE
        assert all(f"`{name}`" in PAGE or f"{name}=" in PAGE for name in span.attributes)


def test_spans_last_as_long_as_the_timings_that_are_answered(trace, exporter, a_listing):
    with trace() as served:
        timings_ms = served.score(a_listing()).json()["timings_ms"]
    _, stages = finished(exporter)
    lasted_ms = {span.name: (span.end_time - span.start_time) / 1e6 for span in stages}
    lasted_ms["queue"] -= lasted_ms["prepare"]
    assert {name: lasted_ms[name] for name in timings_ms} == pytest.approx(timings_ms, abs=0.01)


def test_each_listing_of_a_batch_has_stages_and_all_have_one_commit(trace, exporter, a_listing):
    with trace() as served:
        answers = served.client.post("/v1/score/batch", json=[a_listing(n) for n in range(5)]).json()["answers"]
    _, stages = finished(exporter)
    assert sorted(span.name for span in stages) == sorted(STAGES[:-1] * 5 + ["commit"])
    scored = [span.attributes for span in stages if span.name == "score"]
    assert {one["fairstall.decision_id"] for one in scored} == {one["decision_id"] for one in answers}
    assert all(one["fairstall.repeated"] or 1 <= one["fairstall.batch_windows"] <= 4 for one in scored)


def test_nothing_of_listing_seller_and_caller_is_told(trace, exporter, a_listing):
    words = {"title": "unmistakable", "description": "heroin words", "seller_id": "seller-x", "listing_id": "listing-x"}
    with trace() as served:
        served.score(a_listing(**words), headers={"Idempotency-Key": "idempotency-x", "User-Agent": "agent-x"})
        served.client.get("/nowhere/path-x?query=query-x")
        secret = served.secret
    told = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert "POST /v1/score" in told
    for word in (*words.values(), "idempotency-x", "agent-x", "path-x", "query-x", secret):
        assert word not in told


def test_the_callers_trace_goes_on_and_the_answer_and_the_log_name_it(trace, exporter, a_listing, caplog):
    caplog.set_level(logging.INFO)
    with trace() as served:
        sent = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
        answer = served.score(a_listing(), headers=sent)
    server, _ = finished(exporter)
    span_id = f"{server.context.span_id:016x}"
    assert (f"{server.context.trace_id:032x}", f"{server.parent.span_id:016x}") == (TRACE_ID, PARENT_ID)
    assert answer.headers["traceresponse"] == f"00-{TRACE_ID}-{span_id}-01"
    (line,) = [record.facts for record in caplog.records if record.getMessage() == "request"]
    assert (line["trace_id"], line["span_id"]) == (TRACE_ID, span_id)


def test_the_request_id_is_the_trace_id_unless_the_caller_has_one(trace, a_listing):
    with trace() as served:
        alone = served.score(a_listing())
        named = served.score(a_listing(), headers={"X-Request-Id": "mine"})
        broken = served.score(a_listing(), headers={"traceparent": "00-zz-01"})
    assert alone.headers["x-request-id"] == alone.headers["traceresponse"].split("-")[1]
    assert named.headers["x-request-id"] == "mine"
    assert len(broken.headers["x-request-id"]) == 32


def test_a_trace_that_is_not_sampled_has_an_id_and_no_spans(trace, exporter, a_listing):
    with trace(sampling.ParentBased(sampling.ALWAYS_OFF)) as served:
        answer = served.score(a_listing())
        assert exporter.get_finished_spans() == ()
        served.score(a_listing(), headers={"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"})
    assert (answer.status_code, answer.headers["traceresponse"][-3:]) == (200, "-00")
    assert finished(exporter)[0].name == "POST /v1/score"


def test_probes_are_not_traced(trace, exporter):
    with trace() as served:
        for path in ("/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"):
            assert "traceresponse" not in served.client.get(path).headers
    assert exporter.get_finished_spans() == ()


def test_a_store_that_fails_is_an_error_of_its_stage_and_of_the_request(trace, exporter, a_listing):
    with trace() as served, closing(sqlite3.connect(served.parts.engine.url.database)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert served.score(a_listing()).status_code == 503
    server, stages = finished(exporter)
    assert (server.status.status_code, server.attributes["error.type"]) == (StatusCode.ERROR, "503")
    assert (stages[-1].name, stages[-1].status.status_code) == ("commit", StatusCode.ERROR)
    assert stages[-1].attributes["error.type"] == "StoreUnavailable"


def test_a_wrong_request_is_no_error_of_the_service(trace, exporter):
    with trace() as served:
        assert served.score({}).status_code == 422
        served.client.request("PROPFIND", "/nowhere")
    wrong, unknown = exporter.get_finished_spans()
    assert (wrong.name, wrong.status.status_code) == ("POST /v1/score", StatusCode.UNSET)
    assert (unknown.name, unknown.attributes["http.request.method"]) == ("HTTP", "_OTHER")
    assert json.loads(wrong.to_json())["attributes"]["http.response.status_code"] == 422
