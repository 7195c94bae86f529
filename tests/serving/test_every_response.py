"""Every response has a request id and the security headers, and none has a stack trace, wherever it comes from."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from fairstall.cli.up import mount_console
from fairstall.labeling.console import create_console
from fairstall.records.keys import Scope, create_key
from fairstall.serving.app import create_app
from fairstall.serving.limits import Limits
from fairstall.serving.shell import SECURITY_HEADERS

CLS = 2  # the token that begins every window
SENSIBLE_ID = re.compile(r"[0-9a-f]{32}")
LARGE = b" " * 1_000_001

RESPONSES = {
    "an answer": ("GET", "/healthz", 200, {}),
    "metrics": ("GET", "/metrics", 200, {}),
    "the document": ("GET", "/openapi.json", 200, {}),
    "no such address": ("GET", "/nowhere/../%00", 404, {}),
    "no such method": ("DELETE", "/v1/score", 405, {}),
    "a method that nobody knows": ("PROPFIND", "/v1/score", 405, {}),
    "a head alone": ("HEAD", "/healthz", 405, {}),
    "no key": ("POST", "/v1/score", 401, {"headers": {"Authorization": ""}}),
    "no key, as OpenAI tells it": ("POST", "/v1/moderations", 401, {"headers": {"Authorization": ""}}),
    "no key, as KServe tells it": ("POST", "/v2/models/fairstall/infer", 401, {"headers": {"Authorization": ""}}),
    "no JSON": ("POST", "/v1/score", 400, {"content": b"{", "headers": {"Content-Type": "application/json"}}),
    "another type": ("POST", "/v1/score", 415, {"content": b"x"}),
    "a wrong field": ("POST", "/v1/score", 422, {"json": {}}),
    "too much": ("POST", "/v1/score", 413, {"content": LARGE, "headers": {"Content-Type": "application/json"}}),
    "no such decision": ("GET", "/v1/decisions/01a204c1-3b4d-7a00-8002-80c02c6a26b6", 404, {}),
}

HEAD = b"Host: localhost\r\nConnection: close\r\n"
UPGRADE = b"Host: localhost\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
NO_HTTP = {
    "bytes of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a tunnel": b"CONNECT example.org:443 HTTP/1.1\r\n" + HEAD + b"\r\n",
    "two lengths": b"POST /v1/score HTTP/1.1\r\n" + HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a header that is none": b"GET /healthz HTTP/1.1\r\n" + HEAD + b"no colon\r\n\r\n",
    "a broken chunk": b"POST /v1/score HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
}


def assert_dressed(headers, body=""):
    assert SENSIBLE_ID.fullmatch(headers["x-request-id"])
    assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "server" not in headers
    assert "Traceback" not in body


def ask(served, raw):
    """Status, headers and body of what is answered to raw bytes."""
    address = (served.client.base_url.host, served.client.base_url.port)
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(raw)
        head, _, body = b"".join(iter(lambda: connection.recv(65_536), b"")).decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    return int(status.split()[1]), httpx.Headers([tuple(line.split(": ", 1)) for line in lines]), body


@pytest.mark.parametrize("name", RESPONSES)
def test_what_the_app_answers_is_dressed(unmoved, name):
    method, path, status, request = RESPONSES[name]
    response = unmoved.client.request(method, path, **request)
    assert response.status_code == status
    assert_dressed(response.headers, response.text)


@pytest.mark.parametrize("name", NO_HTTP)
def test_what_is_no_http_is_a_problem_like_any_other(unmoved, name):
    status, headers, body = ask(unmoved, NO_HTTP[name])
    problem = httpx.Response(status, text=body).json()
    assert (status, headers["content-type"], headers["connection"]) == (400, "application/problem+json", "close")
    assert (problem["type"], problem["request_id"]) == ("urn:fairstall:problem:malformed", headers["x-request-id"])
    assert_dressed(headers, body)


def test_a_request_for_a_websocket_is_a_request(unmoved):
    status, headers, _ = ask(unmoved, b"GET /healthz HTTP/1.1\r\n" + UPGRADE + b"\r\n")
    assert status == 200
    assert_dressed(headers)
    assert ask(unmoved, b"GET /nowhere HTTP/1.1\r\n" + UPGRADE + b"\r\n")[0] == 404


def test_refusals_for_load_are_dressed(sqlite_engine, make_parts, serve_parts, gated, a_listing):
    batcher, scorer = gated(Limits(waiting_tokens=30))
    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served, ThreadPoolExecutor() as pool:
        waiting = pool.submit(served.score, a_listing(1))
        scorer.entered.wait()
        overloaded = served.score(a_listing(2))
        scorer.gate.set()
        assert (overloaded.status_code, waiting.result().status_code) == (429, 200)
        now = served.parts.clock()
        slow = create_key(sqlite_engine, "slow", Scope.SCORE, now=now, listings_per_s=0.01).secret
        many = served.client.post("/v1/score/batch", json=[a_listing(3)], headers={"Authorization": f"Bearer {slow}"})
        again = served.score(a_listing(4), headers={"Authorization": f"Bearer {slow}"})
        assert (many.status_code, again.status_code) == (200, 429)
    for response in (overloaded, again):
        assert_dressed(response.headers, response.text)


def test_a_fault_of_ours_is_dressed_and_says_nothing_of_itself(
    sqlite_engine, make_parts, serve_parts, gated, a_listing
):
    batcher, scorer = gated(poison=CLS)
    scorer.gate.set()
    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served:
        for response in (
            served.score(a_listing()),
            served.client.post("/v1/moderations", json={"input": "chair"}),
            served.client.get("/v1/decisions/01a204c1-3b4d-7a00-8002-80c02c6a26b6"),
        ):
            assert response.status_code in (500, 404)
            assert_dressed(response.headers, response.text)
            assert "poison" not in response.text
            assert "FloatingPointError" not in response.text


def test_pages_of_the_console_have_an_id_and_headers_of_their_own(sqlite_engine, make_parts, serve_parts):
    parts = make_parts(sqlite_engine)
    app = create_app(parts)
    mount_console(app, create_console(engine=sqlite_engine, policies=parts.model.batcher.assessor.policies))
    with serve_parts(parts, app=app) as served:
        for path in (
            "/",
            "/console/login",
            "/console/nowhere",
            "/console/static/console.css",
            "/console/static/nowhere",
        ):
            headers = served.client.get(path).headers
            assert SENSIBLE_ID.fullmatch(headers["x-request-id"]), path
            assert headers["x-content-type-options"] == "nosniff", path
            assert "default-src" in headers["content-security-policy"], path
