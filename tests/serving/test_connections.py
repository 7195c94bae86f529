"""Slow, silent, endless and too many callers: each is bounded, and others are answered meanwhile."""

import json
import resource
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest

from fairstall.serving.connections import CROWD, FILES_BESIDE, room_for_connections
from fairstall.serving.limits import Limits

QUICK = Limits(head_deadline_s=0.3, body_deadline_s=0.3, unread_deadline_s=0.3)
HEAD = b"GET /healthz HTTP/1.1\r\nHost: fairstall\r\n"
HEALTHY = HEAD + b"\r\n"


@pytest.fixture
def serving(sqlite_engine, make_parts, serve_parts) -> Iterator[Callable[..., Any]]:
    """A factory of served apps with limits of their own: `serving(limits)`."""
    with ExitStack() as stack:
        yield lambda limits=QUICK: stack.enter_context(serve_parts(make_parts(sqlite_engine, limits=limits)))


@pytest.fixture
def connect() -> Iterator[Callable[..., socket.socket]]:
    """A factory of bare connections to a served app."""
    with ExitStack() as stack:

        def made(served: Any) -> socket.socket:
            url = served.client.base_url
            return stack.enter_context(socket.create_connection((url.host, url.port), timeout=20))

        yield made


def everything(caller: socket.socket) -> bytes:
    """All that the server sends until it closes."""
    return b"".join(iter(lambda: caller.recv(65_536), b""))


def told_at_last(caller: socket.socket, more: bytes) -> bytes:
    """What the server says while `more` is sent again and again."""
    caller.settimeout(0.02)
    while True:
        caller.sendall(more)
        with suppress(TimeoutError):
            return caller.recv(65_536)


def assert_refused(told: bytes, status: int, kind: str) -> None:
    head, _, body = told.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    problem = json.loads(body)
    assert lines[0].startswith(f"HTTP/1.1 {status} ")
    assert (problem["status"], problem["type"]) == (status, f"urn:fairstall:problem:{kind}")
    assert (headers["connection"], headers["x-content-type-options"]) == ("close", "nosniff")
    assert headers["x-request-id"] == problem["request_id"]
    assert int(headers["content-length"]) == len(body)


def ended(served: Any, reason: str) -> str:
    metrics = served.client.get("/metrics").text.splitlines()
    return next((line.split()[1] for line in metrics if f'ended_total{{reason="{reason}"}}' in line), "0.0")


def test_a_head_that_does_not_come_whole_is_refused(serving, connect):
    served = serving()
    slow = connect(served)
    slow.sendall(HEAD)
    assert served.client.get("/healthz").status_code == 200
    assert_refused(everything(slow), 408, "slow-head")
    assert ended(served, "slow-head") == "1.0"


def test_a_head_that_drips_is_given_no_more_time(serving, connect):
    slow = connect(serving())
    slow.sendall(HEAD)
    assert_refused(told_at_last(slow, b"X"), 408, "slow-head")  # never, if each byte put the end off


def test_a_caller_who_says_nothing_is_let_go(serving, connect):
    served = serving()
    assert everything(connect(served)) == b""
    assert ended(served, "silent") == "1.0"


def test_empty_lines_between_requests_keep_no_connection(serving, connect):
    caller = connect(serving())
    caller.sendall(HEALTHY)
    assert caller.recv(1) == b"H"
    caller.sendall(b"\r\n")
    assert everything(caller).startswith(b"TTP/1.1 200 ")


def test_a_connection_that_is_used_outlives_the_time_for_a_head(serving, connect):
    served = serving()
    with httpx.Client(base_url=served.client.base_url, limits=httpx.Limits(max_connections=1)) as client:
        ports = set()
        for _ in range(3):
            everything(connect(served))  # 0.3 seconds
            with client.stream("GET", "/healthz") as response:
                ports.add(response.extensions["network_stream"].get_extra_info("client_addr"))
                response.read()
    assert len(ports) == 1


@pytest.mark.parametrize("more", [b"x" * 1_000, b"x\r\nX-More: x"])
def test_an_endless_head_is_refused(serving, connect, more):
    caller = connect(serving(Limits(head_bytes=1_000)))
    caller.sendall(HEAD + b"X-Long: ")
    assert_refused(told_at_last(caller, more), 431, "head-too-large")


def test_a_whole_head_that_is_too_large_is_refused(serving, connect):
    caller = connect(serving(Limits(head_bytes=1_000)))
    caller.sendall(HEAD + b"X-Long: " + b"x" * 1_000 + b"\r\n\r\n")
    assert_refused(everything(caller), 431, "head-too-large")


def test_a_head_within_the_limit_is_read(serving):
    served = serving()
    assert served.client.get("/healthz", headers={"X-Long": "x" * 60_000}).status_code == 200


def test_what_is_no_http_is_refused_in_problem_json(serving, connect):
    caller = connect(serving())
    caller.sendall(b"\x16\x03\x01 hello\r\n\r\n")
    assert_refused(everything(caller), 400, "malformed")


def test_a_slow_body_is_refused(serving, connect):
    served = serving()
    slow = connect(served)
    head = f"POST /v1/score HTTP/1.1\r\nHost: f\r\nAuthorization: Bearer {served.secret}\r\n"
    slow.sendall(head.encode() + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
    assert served.client.get("/healthz").status_code == 200
    assert b'urn:fairstall:problem:slow"' in everything(slow)


def test_a_body_that_nobody_reads_keeps_no_connection(serving, connect):
    served = serving()
    slow = connect(served)
    slow.sendall(b"POST /v1/score HTTP/1.1\r\nHost: f\r\nContent-Length: 1000\r\n\r\n{")
    assert everything(slow).startswith(b"HTTP/1.1 401 ")
    assert ended(served, "slow-body") == "1.0"


def test_a_caller_who_reads_nothing_is_cut_off(serving, connect, caplog):
    served = serving()
    deaf = connect(served)
    deaf.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: f\r\n\r\n" * 300)  # more answers than sockets hold
    while ended(served, "unread") != "1.0":
        pass
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("farewell", ["half-closed", "reset"])
def test_a_caller_who_leaves_in_the_midst_leaves_nothing_behind(serving, connect, farewell):
    served = serving(Limits())
    caller = connect(served)
    head = f"POST /v1/score HTTP/1.1\r\nHost: f\r\nAuthorization: Bearer {served.secret}\r\n"
    caller.sendall(head.encode() + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
    if farewell == "reset":
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        caller.close()
    else:
        caller.shutdown(socket.SHUT_WR)
        assert everything(caller) == b""
    while "fairstall_connections 1.0" not in served.client.get("/metrics").text:
        pass
    assert served.stored() == (0, 0, 0, 0, 0)


def test_above_the_limit_work_is_refused_and_probes_are_answered(serving, connect, a_listing):
    served = serving(Limits(connections=3))
    assert served.score(a_listing(1)).status_code == 200  # on a connection of its own
    others = [connect(served) for _ in range(2)]
    with httpx.Client(base_url=served.client.base_url, headers=served.client.headers) as late:
        refused = late.post("/v1/score", json=a_listing(2))
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:fairstall:problem:crowded")
        assert (refused.headers["connection"], refused.headers["retry-after"]) == ("close", "2")
        assert late.get("/readyz").headers["connection"] == "close"
    assert served.score(a_listing(3)).status_code == 200
    for one in others:
        one.close()
    while "fairstall_connections 1.0" not in served.client.get("/metrics").text:
        pass
    with httpx.Client(base_url=served.client.base_url, headers=served.client.headers) as again:
        assert again.post("/v1/score", json=a_listing(2)).status_code == 200


def test_far_above_the_limit_connections_are_ended_at_once(serving, connect):
    served = serving(Limits(connections=1))
    assert served.client.get("/healthz").status_code == 200
    crowd = [connect(served) for _ in range(CROWD + 1)]
    assert everything(crowd[-1]) == b""
    assert ended(served, "crowded") == "1.0"


def test_bodies_are_held_within_a_bound_together(serving, connect, a_listing):
    served = serving(replace(Limits(), held_bytes=5_000))
    served.score(a_listing("first"))  # the key is known now, so that the slow one is read before the next ones
    slow = connect(served)
    head = f"POST /v1/score HTTP/1.1\r\nHost: f\r\nAuthorization: Bearer {served.secret}\r\n"
    slow.sendall(head.encode() + b"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n" + b" " * 4_900)
    for _ in range(10):  # by then its head is read; it would be refused itself if it came beside another body
        served.client.get("/healthz")
    answers = [served.score(a_listing(n)) for n in range(3)]
    while {answer.status_code for answer in answers} == {200}:  # until the slow one has arrived
        answers = [served.score(a_listing("x"))]
    assert answers[-1].json()["type"] == "urn:fairstall:problem:overloaded"
    slow.close()
    while served.score(a_listing("y")).status_code != 200:
        pass


@pytest.mark.parametrize(("hard", "room"), [(100_000, 10_000), (1_024, 1_024 - CROWD - FILES_BESIDE), (100, 1)])
def test_as_many_connections_are_taken_as_files_may_be_open(monkeypatch, hard, room):
    raised = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits))
    assert room_for_connections(10_000) == room
    assert raised == [(min(hard, 10_000 + CROWD + FILES_BESIDE), hard)]
