"""Very many connections, idle and then active, and no files left: the server stays up, bounded, and gets over it."""

import json
import os
import resource
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from fairstall.records.engine import open_engine, reading
from fairstall.records.tables import decisions

CROWD = Path(__file__).with_name("crowd.py")
ONE_MORE = {"listing_id": "one", "seller_id": "s", "title": "Chair", "description": "A chair."}
MEGABYTE = 1_000_000
TEN_THOUSAND = 10_000


@pytest.fixture
def secret(home, make_key):
    return make_key(f"sqlite:///{home / 'fairstall.sqlite'}")


@contextmanager
def crowd_at(server, secret, count):
    """A process with `count` connections; it gives a function that reads what they were answered, after a nudge."""
    command = [sys.executable, str(CROWD), server.url.rpartition(":")[2], str(count), secret]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def answers(*, nudge):
            if nudge:
                process.stdin.write("\n")
                process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield answers


def resident_bytes(server):
    pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def stored_in(home):
    engine = open_engine(f"sqlite:///{home / 'fairstall.sqlite'}")
    with reading(engine) as connection:
        count = connection.execute(select(func.count()).select_from(decisions)).scalar_one()
    engine.dispose()
    return count


def assert_outlived(server, secret, home, count, megabytes):
    """The whole story: a crowd comes, waits, sends at once and leaves, while somebody else is answered."""
    before = resident_bytes(server)
    with crowd_at(server, secret, count) as answers:
        came = answers(nudge=False)
        assert set(came) <= {"404", "503", "ended"}
        assert sum(came.values()) == count
        assert httpx.get(f"{server.url}/readyz", timeout=120).status_code == 200
        scored = answers(nudge=True)
        assert set(scored) <= {"200", "429", "503", "ended", "gone"}
        assert resident_bytes(server) - before < megabytes * MEGABYTE
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {secret}"}, timeout=120) as client:
        while "fairstall_connections 1.0" not in client.get("/metrics").text:
            pass
        assert client.post("/v1/score", json=ONE_MORE).status_code == 200
    assert stored_in(home) == scored["200"] + 1
    assert server.process.poll() is None
    return came


def test_more_connections_than_there_are_files_for_are_refused_clearly(start_server, home, secret):
    server = start_server(home, files=448)  # 64 connections
    came = assert_outlived(server, secret, home, 300, megabytes=100)
    assert came["404"] >= 64
    assert came["503"] > 0


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_ten_thousand_connections_are_outlived(start_server, home, secret):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < TEN_THOUSAND + 384:
        pytest.skip("this machine lets no process open 10,000 connections")
    came = assert_outlived(start_server(home), secret, home, TEN_THOUSAND, megabytes=400)
    assert came["404"] == TEN_THOUSAND


def test_a_server_without_a_file_left_neither_dies_nor_loses_anything(start_server, home, secret):
    server, answered = start_server(home), 0
    assert httpx.get(f"{server.url}/readyz", timeout=60).status_code == 200  # its loop runs by now
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    headers = {"Authorization": f"Bearer {secret}"}
    limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        open_now = len(os.listdir(f"/proc/{server.pid}/fd"))
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (open_now + 8, limits[1]))
        for _ in range(50):
            with suppress(OSError):
                stack.enter_context(socket.create_connection(address, timeout=20))
        for number in range(5):
            with suppress(httpx.TransportError):
                listing = ONE_MORE | {"listing_id": f"l-{number}"}
                answer = httpx.post(f"{server.url}/v1/score", json=listing, headers=headers, timeout=60)
                assert answer.status_code in (200, 503)
                answered += answer.status_code == 200
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
    assert httpx.post(f"{server.url}/v1/score", json=ONE_MORE, headers=headers, timeout=60).status_code == 200
    assert stored_in(home) == answered + 1
