"""Open loop: requests sent at intended times, however long the answers take.

A latency runs from the intended time, not from when a connection was free, so that a server that stands still is not
spared the requests which it held up (coordinated omission, Tene 2013). One thread that waits in select(), since the
timers of event loops are no finer than a millisecond.
"""

import gc
import re
import select
import socket
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fairstall.serving.bench.asking import Request, new_run
from fairstall.serving.bench.closed_loop import Sent
from fairstall.serving.bench.results import Arrivals, latencies

MOST_CONNECTIONS = 256
PATIENCE_S = 10.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_BYTES = 65_536

Times: TypeAlias = npt.NDArray[np.float64]


@dataclass(slots=True, eq=False)
class _Connection:
    socket: socket.socket
    place: int = 0
    received: bytearray = field(default_factory=bytearray)

    def fileno(self) -> int:
        return self.socket.fileno()


def intended_times_s(arrivals: Arrivals, *, rate_per_s: float, seconds: float, seed: int = 0) -> Times:
    """When requests are to be sent, from 0: evenly spaced, or as independent callers send them (a Poisson process)."""
    count = max(1, round(rate_per_s * seconds))
    if arrivals is Arrivals.EVEN:
        return np.arange(count) / rate_per_s
    return np.random.default_rng(seed).exponential(1 / rate_per_s, size=count).cumsum()


def open_loop(port: int, requests: Sequence[Request], proof: str, intended_s: Times) -> Sent:
    """Send each request at its intended time on a connection that is free, or wait for one of MOST_CONNECTIONS."""
    sender = _Sender(port, requests, proof.encode(), intended_s)
    spent = process_time()
    gc.disable()  # a pause of the sender would look like one of the server
    try:
        took_s = sender.send_all()
    finally:
        gc.enable()
        sender.close()
    good = sender.latencies_s[np.isfinite(sender.latencies_s)] * 1_000
    return Sent(
        run=sender.run,
        seconds=took_s,
        answered=len(good),
        failed=len(intended_s) - len(good),
        latencies=latencies(good.tolist()),
        cpu_s=process_time() - spent,
    )


class _Sender:
    """`latencies_s` (requests,) are infinite where no good answer came."""

    def __init__(self, port: int, requests: Sequence[Request], proof: bytes, intended_s: Times) -> None:
        self.run = new_run()
        self.latencies_s = np.full(len(intended_s), np.inf)
        self._address = ("127.0.0.1", port)
        self._requests = requests
        self._proof = proof
        self._intended_s = intended_s
        self._free: list[_Connection] = []
        self._busy: set[_Connection] = set()
        self._begun = 0.0

    def send_all(self) -> float:
        """The seconds from the first intended time to the last answer."""
        count, due, following = len(self._intended_s), deque[int](), 0
        self._begun = perf_counter()
        while following < count or due or self._busy:
            now = perf_counter() - self._begun
            if now > self._intended_s[-1] + PATIENCE_S:
                break
            while following < count and self._intended_s[following] <= now:
                due.append(following)
                following += 1
            while due and (self._free or len(self._busy) < MOST_CONNECTIONS):
                self._send(due.popleft())
            self._receive(self._intended_s[following] - now if following < count else PATIENCE_S)
        return perf_counter() - self._begun

    def close(self) -> None:
        for connection in (*self._free, *self._busy):
            connection.socket.close()

    def _connection(self) -> _Connection:
        if self._free:
            return self._free.pop()
        opened = socket.create_connection(self._address, timeout=PATIENCE_S)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _Connection(opened)

    def _send(self, place: int) -> None:
        request = self._requests[place % len(self._requests)].numbered(self.run, place)
        with suppress(OSError):  # the server is gone or hung up: a request without an answer
            connection = self._connection()
            self._busy.add(connection)
            connection.place = place
            connection.received.clear()
            connection.socket.sendall(request)

    def _receive(self, longest_s: float) -> None:
        readable, _, _ = select.select(self._busy, (), (), max(0.0, longest_s))
        for connection in readable:
            self._read(connection)

    def _read(self, connection: _Connection) -> None:
        try:
            part = connection.socket.recv(_BYTES)
        except ConnectionError:
            part = b""
        connection.received += part
        answer = bytes(connection.received)
        if not part:
            self._busy.remove(connection)
            connection.socket.close()
        elif _is_whole(answer):
            self._busy.remove(connection)
            self._free.append(connection)
            if answer.startswith(b"HTTP/1.1 200") and self._proof in answer:
                place = connection.place
                self.latencies_s[place] = perf_counter() - self._begun - self._intended_s[place]


def _is_whole(answer: bytes) -> bool:
    head, gap, body = answer.partition(b"\r\n\r\n")
    length = _LENGTH.search(head + b"\r\n")
    return bool(gap) and length is not None and len(body) >= int(length[1])
