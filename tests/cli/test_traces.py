"""Traces are switched on by OpenTelemetry's own variables alone, and go from a real process to a real collector."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from fairstall.cli.serve import request_tracing
from fairstall.cli.settings import traces_wanted
from fairstall.model.errors import MissingExtra, SetupError

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
FAIRSTALL = [sys.executable, "-m", "fairstall.cli.main"]


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, False),
        ({ENDPOINT: "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({ENDPOINT: "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({ENDPOINT: "http://c:4318", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_traces_are_wanted_where_a_collector_is_named(variables, wanted):
    assert traces_wanted(variables) is wanted


@pytest.mark.parametrize(
    "variable", [{"OTEL_TRACES_EXPORTER": "zipkin"}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}], ids=str
)
def test_another_way_to_send_them_is_told(variable):
    with pytest.raises(SetupError, match=next(iter(variable.values()))):
        traces_wanted({ENDPOINT: "http://c:4318"} | variable)


def test_a_missing_package_is_named_by_its_extra(monkeypatch):
    monkeypatch.delitem(sys.modules, "fairstall.serving.open_telemetry", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(MissingExtra, match=r"fairstall\[tracing\]"):
        request_tracing()


def test_a_service_that_is_not_traced_never_loads_the_sdk():
    program = "import sys, fairstall.cli.serve, fairstall.serving.app\n"
    program += "print([name for name in ('opentelemetry.sdk', 'opentelemetry.exporter') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@contextmanager
def traced_server(home, bundle, variables):
    """A client of a `fairstall serve` of its own, which has ended by the end."""
    command = [*FAIRSTALL, "key", "create", "shop", "--scope", "score", "--home", str(home)]
    key = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    command = [*FAIRSTALL, "serve", "--port", "0", "--home", str(home), "--bundle", str(bundle.folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | variables) as process:
        assert process.stderr
        said = (json.loads(line)["message"] for line in process.stderr)
        url = next(line for line in said if line.startswith("listening on ")).removeprefix("listening on ")
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            yield client
        process.terminate()
        process.communicate(timeout=60)


def a_listing(title):
    return {"listing_id": "l-1", "seller_id": "s-1", "title": title, "description": ""}


def test_a_process_sends_its_traces_to_the_collector_before_it_ends(tmp_path, tiny_bundle, receiver):
    receiver.answers = [200] * 50
    variables = {
        ENDPOINT: f"http://127.0.0.1:{receiver.port}",
        "OTEL_SERVICE_NAME": "listings",
        "FASTAPI_OTEL_AUTO_CONFIGURE": "true",  # even then there are no traces, metrics and logs but ours
    }
    with traced_server(tmp_path, tiny_bundle, variables) as client:
        answer = client.post("/v1/score", json=a_listing("Old pistol"))
    trace_id = answer.headers["traceresponse"].split("-")[1]
    posted = [ExportTraceServiceRequest.FromString(one.body) for one in receiver.posted]
    resources = [resource for request in posted for resource in request.resource_spans]
    names = {one.key: one.value.string_value for resource in resources for one in resource.resource.attributes}
    spans = [span for resource in resources for scope in resource.scope_spans for span in scope.spans]
    assert {one.path for one in receiver.posted} == {"/v1/traces"}
    assert names["service.name"] == "listings"
    assert {span.trace_id.hex() for span in spans} == {trace_id}
    assert {span.name for span in spans} == {"POST /v1/score", "queue", "prepare", "score", "decide", "commit"}


def test_a_process_traces_its_webhooks_as_well(tmp_path, tiny_bundle, make_receiver):
    collector, shop = make_receiver(), make_receiver()
    command = [*FAIRSTALL, "webhook", "add", shop.url, "--home", str(tmp_path)]
    subprocess.run(command, capture_output=True, check=True)
    variables = {ENDPOINT: f"http://127.0.0.1:{collector.port}"}
    with traced_server(tmp_path, tiny_bundle, variables) as client:
        decided = client.post("/v1/score", json=a_listing("Old pistol"))
        shop.wait_for(1)
    _, trace_id, *_ = shop.posted[0].headers["traceparent"].split("-")
    assert trace_id != decided.headers["traceresponse"].split("-")[1]
    assert any(bytes.fromhex(trace_id) in one.body for one in collector.posted)


def test_a_collector_that_is_away_is_no_matter_to_callers(tmp_path, tiny_bundle, receiver):
    receiver.answers = [503] * 50
    variables = {ENDPOINT: f"http://127.0.0.1:{receiver.port}", "OTEL_BSP_SCHEDULE_DELAY": "1"}
    with traced_server(tmp_path, tiny_bundle, variables) as client:
        assert client.post("/v1/score", json=a_listing("Chair")).status_code == 200
        receiver.wait_for(1)
        assert client.post("/v1/score", json=a_listing("Pistol")).json()["outcome"] == "review"
