"""Both load generators against a real server: what is counted, from when, and what is an error."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from fairstall.model.errors import SetupError
from fairstall.model.listing import Listing
from fairstall.serving.bench import closed_loop as closed
from fairstall.serving.bench import open_loop as opened
from fairstall.serving.bench.asking import HOLE, Asking, make_requests
from fairstall.serving.bench.closed_loop import closed_loop, read_wrk
from fairstall.serving.bench.open_loop import intended_times_s, open_loop
from fairstall.serving.bench.processes import free_port
from fairstall.serving.bench.results import Arrivals, latencies

LISTINGS = [Listing(f"l-{number}", "s", f"Chair {number}", "für den Garten ####") for number in range(3)]
ASKING = Asking("/score", lambda listing: {"id": HOLE, "title": listing.title, "text": listing.description}, '"ok"')
REQUESTS = make_requests(ASKING, LISTINGS)


class Answering:
    """A real server that answers with what `answer` gives for a body: a status and a text, or None to hang up."""

    def __init__(self, answer: Callable[[Any], tuple[int, str] | None]) -> None:
        self.bodies: list[Any] = []
        mine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                mine.bodies.append(body)
                if (given := answer(body)) is None:
                    self.close_connection = True
                    return
                status, text = given
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """A caller may leave."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def answering() -> Iterator[Callable[..., Answering]]:
    made: list[Answering] = []

    def make(answer: Callable[[Any], tuple[int, str] | None]) -> Answering:
        made.append(Answering(answer))
        return made[-1]

    yield make
    for one in made:
        one.close()


def good(body: Any) -> tuple[int, str]:
    return 200, '{"ok": true}'


def bad_at_times(body: Any) -> tuple[int, str] | None:
    """Of five requests two get a good answer, one another status, one another content, one none."""
    answers = [(200, '"ok"'), (500, '"ok"'), (200, "{}"), None, (200, '"ok"')]
    return answers[int(body["id"][8:]) % 5]


def test_the_open_loop_sends_each_request_once_with_an_id_of_its_own(answering):
    server = answering(good)
    sent = open_loop(server.port, REQUESTS, ASKING.proof, np.zeros(7))
    assert (sent.answered, sent.failed) == (7, 0)
    assert {body["id"] for body in server.bodies} == {f"{sent.run}{number:08d}" for number in range(7)}
    texts = {(body["title"], body["text"]) for body in server.bodies}
    assert texts == {(one.title, one.description) for one in LISTINGS}
    assert sent.cpu_s > 0


def test_a_latency_runs_from_the_intended_time_also_while_no_connection_is_free(answering, monkeypatch):
    monkeypatch.setattr(opened, "MOST_CONNECTIONS", 1)
    released_at: list[float] = []

    def hold_the_first(body: Any) -> tuple[int, str]:
        if not released_at:
            threading.Event().wait(0.3)
            released_at.append(perf_counter())
        return good(body)

    server, times_s = answering(hold_the_first), np.arange(6) / 50
    sender = opened._Sender(server.port, REQUESTS, b'"ok"', times_s)
    sender.send_all()
    sender.close()
    held_s = released_at[0] - sender._begun - times_s
    assert (sender.latencies_s >= held_s).all()
    assert (held_s > 0).all()


@pytest.mark.parametrize("generator", ["open", "closed"])
def test_an_answer_of_another_status_or_content_or_none_is_an_error(answering, tmp_path, generator):
    server = answering(bad_at_times)
    if generator == "open":
        sent = open_loop(server.port, REQUESTS, ASKING.proof, np.zeros(20))
        assert (sent.answered, sent.failed) == (8, 12)
    else:
        sent = closed_loop(server.port, REQUESTS, ASKING.proof, connections=2, seconds=1, folder=tmp_path)
        assert 0 < sent.answered < len(server.bodies)
        assert sent.failed >= sent.answered


def test_a_server_that_is_gone_answers_nothing():
    sent = open_loop(free_port(), REQUESTS, ASKING.proof, np.zeros(5))
    assert (sent.answered, sent.failed, sent.latencies) == (0, 5, latencies([]))


def test_the_closed_loop_counts_what_the_server_answered(answering, tmp_path):
    server = answering(good)
    sent = closed_loop(server.port, REQUESTS, ASKING.proof, connections=4, seconds=1, folder=tmp_path)
    ids = [body["id"] for body in server.bodies]
    assert sent.failed == 0
    assert sent.answered <= len(ids) <= sent.answered + 4  # wrk leaves without the last answers
    assert len(set(ids)) == len(ids)
    assert all(name.startswith(sent.run) for name in ids)
    assert sent.latencies.p50_ms <= sent.latencies.p99_ms <= sent.latencies.max_ms


def test_what_wrk_tells_is_read():
    told = {"seconds": 2.0, "answers": 100, "good": 97, "broken": 2, "timeouts": 1}
    told |= {"p50_us": 1500, "p90_us": 2000, "p99_us": 9000, "max_us": 9100}
    output = f"Running 1s test @ http://127.0.0.1:1\n  2 threads and 10 connections\n{json.dumps(told)}\n"
    sent = read_wrk(output, run="r", cpu_s=0.5)
    assert (sent.answered, sent.failed, sent.seconds, sent.cpu_s) == (97, 6, 2.0, 0.5)
    assert sent.latencies.p50_ms == 1.5
    assert sent.latencies.p99_ms == 9.0


def test_without_wrk_it_is_told_how_to_get_it(monkeypatch):
    monkeypatch.setattr(closed.shutil, "which", lambda _name: None)
    with pytest.raises(SetupError, match="apt-get install wrk"):
        closed.wrk_program()


def test_intended_times_are_even_or_random_at_the_same_rate():
    even = intended_times_s(Arrivals.EVEN, rate_per_s=200, seconds=3)
    random = intended_times_s(Arrivals.RANDOM, rate_per_s=200, seconds=3)
    assert even.tolist() == pytest.approx([number / 200 for number in range(600)])
    assert len(random) == 600
    assert np.diff(random).mean() == pytest.approx(1 / 200, rel=0.15)
    assert np.diff(random).std() == pytest.approx(1 / 200, rel=0.25)
    assert random.tolist() == intended_times_s(Arrivals.RANDOM, rate_per_s=200, seconds=3).tolist()


def test_percentiles_are_latencies_that_occurred():
    found = latencies([float(number) for number in range(1, 201)])
    assert (found.p50_ms, found.p90_ms, found.p99_ms, found.max_ms) == (100, 180, 198, 200)
    assert latencies([7.0]).p99_ms == 7.0
