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


Work: TypeAlias = Ticket | list[Window]


class WaitingRoom:
    """Where tickets wait, safe for use by many threads."""

    def __init__(self, *, most_tokens: int) -> None:
        self._most_tokens = most_tokens
        lock = threading.RLock()
        self._changed, self._idle = threading.Condition(lock), threading.Condition(lock)
        self._arrived: deque[Ticket] = deque()
        self._ready: list[Window] = []
        self._in_sight = 0
        self._orders = 0
        self._tokens = 0
        self._closed = False

    @property
    def tokens(self) -> int:
        return self._tokens

    def admit(self, ticket: Ticket) -> None:
        """Let a ticket in. Raises Overloaded when the room is full, unless it is empty: one always fits."""
        with self._changed:
            if self._closed:
                raise Overloaded("this model is going out of service; try again")
            if self._tokens and self._tokens + ticket.tokens > self._most_tokens:
                raise Overloaded(f"{self._tokens:,} tokens are waiting, which is the most; try again shortly")
            self._tokens += ticket.tokens
            self._orders += 1
            ticket.order = self._orders
            self._arrived.append(ticket)
            self._changed.notify()

    def leave(self, ticket: Ticket) -> None:
        """Nobody waits for the ticket any more: answered, too late, or its caller went away."""
        with self._changed:
            if not ticket.left:
                ticket.left = True
                self._tokens -= ticket.tokens
                if not self._tokens:
                    self._idle.notify_all()

    def wait_until_idle(self) -> None:
        """Wait until no listing waits or is under way."""
        with self._idle:
            self._idle.wait_for(lambda: not self._tokens)

    def ready(self, ticket: Ticket, prepared: Prepared) -> None:
        """The ticket's windows can be run."""
        windows = prepared.windows.ids
        with self._changed:
            ticket.prepared, ticket.unstarted, ticket.unfinished = prepared, len(windows), len(windows)
            if ticket.left:
                return
            true_tokens = sum(map(len, windows))
            self._tokens += true_tokens - ticket.tokens
            ticket.tokens = true_tokens
            self._in_sight += 1
            for index, ids in enumerate(windows):
                insort(self._ready, Window(ticket, index, ids), key=_turn)
            self._changed.notify(len(windows))

    def take(self) -> Work | None:
        """What to do next: a ticket to prepare or a batch to run; it waits for one. None once closed and empty."""
        with self._changed:
            while True:
                if self._arrived and self._in_sight < LISTINGS_IN_SIGHT:
                    ticket = self._arrived.popleft()
                    if not ticket.left:
                        return ticket
                elif batch := self._batch():
                    return batch
                elif self._closed and not self._arrived:
                    return None
                elif not self._arrived:
                    self._changed.wait()

    def finish(self, window: Window, row: Logits) -> bool:
        """Note the logits of one window; True when they were the last of its ticket."""
        ticket = window.ticket
        with self._changed:
            if ticket.logits is None:
                ticket.logits = np.empty((ticket.unfinished, len(row)), dtype=np.float32)
            ticket.logits[window.index] = row
            ticket.unfinished -= 1
            return ticket.unfinished == 0

    def close(self) -> None:
        """Admit nobody any more; `take` hands out what is left, then None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _batch(self) -> list[Window]:
        """The windows whose turn it is and others of similar length, taken out of the room."""
        batch: list[Window] = []
        place = 0
        while place < len(self._ready) and len(batch) < BATCH_WINDOWS:
            window = self._ready[place]
            if not window.ticket.left and not _similar(batch, window):
                place += 1
                continue
            del self._ready[place]
            self._start(window.ticket)
            if not window.ticket.left:
                batch.append(window)
        return batch

    def _start(self, ticket: Ticket) -> None:
        ticket.unstarted -= 1
        if not ticket.unstarted:
            self._in_sight -= 1


def _turn(window: Window) -> int:
    return window.ticket.order + window.index


def _similar(batch: Sequence[Window], window: Window) -> bool:
    lengths = [len(one.ids) for one in (*batch, window)]
    return max(lengths) <= min(lengths) * (1 + LENGTH_SPREAD)
