"""Listings that wait for a lane: admitted up to a bound, taken in fair order. It runs nothing and knows no network.

Fair order after start-time fair queueing (Goyal, Vin and Cheng 1996), with a window as the unit: the k-th window of a
listing stands where a listing would that came k later, so that a long text neither blocks the short ones behind it nor
waits for ever.
"""

import threading
from bisect import insort
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from fairstall.model.assess import Prepared
from fairstall.model.errors import Overloaded
from fairstall.model.listing import Listing
from fairstall.model.scorer import BATCH_WINDOWS, LENGTH_SPREAD, Logits

LISTINGS_IN_SIGHT = 64  # prepared ahead of the lanes, to choose windows of similar length from


@dataclass(slots=True, eq=False)
class Ticket:
    """One listing on its way through a lane. `left` is set once nobody waits for it any more.

    `tokens` is an estimate until the listing is prepared. Times are those of the monotonic clock, in seconds.
    """

    listing: Listing
    tokens: int
    admitted_at: float
    deliver: Callable[[Any], None]
    order: int = 0
    left: bool = False
    prepared: Prepared | None = None
    logits: Logits | None = None
    unstarted: int = 0
    unfinished: int = 0
    prepare_at: float = 0.0
    prepared_at: float = 0.0
    started_at: float = 0.0
    batch_windows: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One window of a ticket, ready to be run."""

    ticket: Ticket
    index: int
    ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows to run together. `alone`: no other lane is at work, and nothing else waits."""

    windows: Sequence[Window]
    alone: bool


Work: TypeAlias = Ticket | Batch


class WaitingRoom:
    """Where tickets wait for so many lanes, safe for use by many threads.

    Of the lanes that are free the last one that worked is woken first: a core that has rested is slower for a while.
    While one lane prepares, the others run what is ready: preparing is Python, which one thread runs at a time, and a
    core whose lane waits for its turn does nothing.
    """

    def __init__(self, *, most_tokens: int, lanes: int = 1) -> None:
        self._most_tokens = most_tokens
        self._lanes = lanes
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._free_lanes: list[threading.Condition] = []
        self._arrived: deque[Ticket] = deque()
        self._ready: list[Window] = []
        self._in_sight = 0
        self._preparing = 0
        self._orders = 0
        self._tokens = 0
        self._closed = False

    @property
    def tokens(self) -> int:
        return self._tokens

    @property
    def admitted(self) -> int:
        """How many tickets were let in so far."""
        return self._orders

    @property
    def free_lanes(self) -> int:
        """How many wait for work."""
        return len(self._free_lanes)

    def admit(self, ticket: Ticket) -> None:
        """Let a ticket in. Raises Overloaded when the room is full, unless it is empty: one always fits."""
        with self._lock:
            if self._closed:
                raise Overloaded("this model is going out of service; try again")
            if self._tokens and self._tokens + ticket.tokens > self._most_tokens:
                raise Overloaded(f"{self._tokens:,} tokens are waiting, which is the most; try again shortly")
            self._tokens += ticket.tokens
            self._orders += 1
            ticket.order = self._orders
            self._arrived.append(ticket)
            self._wake(1)

    def leave(self, ticket: Ticket) -> None:
        """Nobody waits for the ticket any more: answered, too late, or its caller went away."""
        with self._lock:
            if not ticket.left:
                ticket.left = True
                self._tokens -= ticket.tokens
                if not self._tokens:
                    self._idle.notify_all()

    def wait_until_idle(self) -> None:
        """Wait until no listing waits or is under way."""
        with self._lock:
            self._idle.wait_for(lambda: not self._tokens)

    def ready(self, ticket: Ticket, prepared: Prepared) -> None:
        """The ticket's windows can be run; no lane is woken, since the one that prepared them takes next."""
        windows = prepared.windows.ids
        with self._lock:
            ticket.prepared, ticket.unstarted, ticket.unfinished = prepared, len(windows), len(windows)
            if ticket.left:
                return
            true_tokens = sum(map(len, windows))
            self._tokens += true_tokens - ticket.tokens
            ticket.tokens = true_tokens
            self._in_sight += 1
            for index, ids in enumerate(windows):
                insort(self._ready, Window(ticket, index, ids), key=_turn)

    def take(self, *, done: Work | None = None) -> Work | None:
        """What to do next: a ticket to prepare or a batch to run; it waits for one. None once closed and empty.

        `done` is what the lane took before.
        """
        with self._lock:
            self._preparing -= isinstance(done, Ticket)
            while (work := self._next()) is None:
                if self._closed and not self._arrived:
                    return None
                self._wait_for_work()
            self._preparing += isinstance(work, Ticket)
            if self._ready or self._arrived:
                self._wake(1)
            return work

    def finish(self, window: Window, row: Logits) -> bool:
        """Note the logits of one window; True when they were the last of its ticket."""
        ticket = window.ticket
        with self._lock:
            if ticket.logits is None:
                ticket.logits = np.empty((ticket.unfinished, len(row)), dtype=np.float32)
            ticket.logits[window.index] = row
            ticket.unfinished -= 1
            return ticket.unfinished == 0

    def close(self) -> None:
        """Admit nobody any more; `take` hands out what is left, then None."""
        with self._lock:
            self._closed = True
            self._wake(self.free_lanes)

    def _next(self) -> Work | None:
        if self._preparing and (batch := self._next_batch()):
            return batch
        while self._arrived and self._in_sight < LISTINGS_IN_SIGHT:
            ticket = self._arrived.popleft()
            if not ticket.left:
                return ticket
        return self._next_batch()

    def _next_batch(self) -> Batch | None:
        windows = self._similar_windows()
        return Batch(windows, alone=self._is_alone()) if windows else None

    def _wake(self, lanes: int) -> None:
        for _ in range(min(lanes, self.free_lanes)):
            self._free_lanes.pop().notify()

    def _wait_for_work(self) -> None:
        mine = threading.Condition(self._lock)
        self._free_lanes.append(mine)
        mine.wait()

    def _is_alone(self) -> bool:
        return self.free_lanes == self._lanes - 1 and not self._ready and not self._arrived

    def _similar_windows(self) -> list[Window]:
        """The window whose turn it is and those nearest to it in length, taken out of the room."""
        self._start([window for window in self._ready if window.ticket.left])
        if not self._ready:
            return []
        first = self._ready[0]
        similar: list[Window] = []
        for window in sorted(self._ready, key=lambda one: abs(len(one.ids) - len(first.ids))):
            if len(similar) < BATCH_WINDOWS and _similar(similar, window):
                similar.append(window)
        self._start(similar)
        return similar

    def _start(self, windows: Sequence[Window]) -> None:
        for window in windows:
            self._ready.remove(window)
            window.ticket.unstarted -= 1
            if not window.ticket.unstarted:
                self._in_sight -= 1


def _turn(window: Window) -> int:
    return window.ticket.order + window.index


def _similar(batch: Sequence[Window], window: Window) -> bool:
    lengths = [len(one.ids) for one in (*batch, window)]
    return max(lengths) <= min(lengths) * (1 + LENGTH_SPREAD)
