"""Group commit: one thread stores, in one transaction, everything that was concluded since the last one.

Whoever waits is answered after the commit and never before it, or told that nothing was stored.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from fairstall.model.errors import Overloaded, StoreUnavailable
from fairstall.records.ledger import Submission

log = logging.getLogger("fairstall.serving")


class SubmissionStore(Protocol):
    """Where submissions are stored: all of one call in one transaction. `Ledger` is one."""

    def submit(self, submissions: Sequence[Submission]) -> list[bool]: ...


@dataclass(frozen=True, slots=True)
class Commit:
    """What became of a submission: stored, or not since its idempotency key was taken by another one first.

    `together` is how many submissions its transaction stored.
    """

    stored: bool
    together: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    submission: Submission
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Commit]


class GroupCommit:
    """The one writer of this process. `on_commit` is told how many submissions were stored, and in how many seconds."""

    def __init__(
        self,
        store: SubmissionStore,
        *,
        most_waiting: int,
        on_commit: Callable[[int, float], None] = lambda _count, _seconds: None,
    ) -> None:
        self._store = store
        self._most_waiting = most_waiting
        self._on_commit = on_commit
        self._changed = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._thread.start()

    async def commit(self, submission: Submission) -> Commit:
        """Wait until the submission is stored.

        Raises StoreUnavailable, after which nothing of it is stored, or Overloaded.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(submission, loop, loop.create_future())
        with self._changed:
            if self._closed:
                raise StoreUnavailable("the service is shutting down; nothing was stored")
            if len(self._waiting) >= self._most_waiting:
                raise Overloaded(
                    f"{len(self._waiting):,} decisions wait to be stored, which is the most; nothing was stored"
                )
            self._waiting.append(waiting)
            self._changed.notify()
        return await waiting.future

    def close(self) -> None:
        """Store what waits, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while group := self._next():
            begun = perf_counter()
            results = self._store_group([one.submission for one in group])
            if all(isinstance(one, StoreUnavailable) for one in results):
                behind = self._give_up()
                group, results = group + behind, results + results[:1] * len(behind)
            together = sum(result is True for result in results)
            self._on_commit(together, perf_counter() - begun)
            _answer(group, [one if isinstance(one, Exception) else Commit(one, together) for one in results])

    def _next(self) -> list[_Waiting]:
        with self._changed:
            while not (self._waiting or self._closed):
                self._changed.wait()
            group, self._waiting = self._waiting, []
            return group

    def _give_up(self) -> list[_Waiting]:
        """Those that came meanwhile: a store that kept others waiting for nothing would keep these as long again."""
        with self._changed:
            behind, self._waiting = self._waiting, []
            return behind

    def _store_group(self, submissions: list[Submission]) -> list[bool | Exception]:
        """One result for each submission. One that the database cannot take must not fail its neighbours."""
        try:
            return [*self._store.submit(submissions)]
        except StoreUnavailable as error:
            log.warning("a transaction of %d submissions was not stored", len(submissions))
            return [error] * len(submissions)
        except Exception as error:
            log.exception("a transaction of %d submissions failed", len(submissions))
            if len(submissions) == 1:
                return [error]
            return [result for one in submissions for result in self._store_group([one])]


def _answer(group: Sequence[_Waiting], results: Sequence[Commit | Exception]) -> None:
    """Cross over to the callers' loop, once for the whole group."""
    loops = {id(one.loop): one.loop for one in group}
    for key, loop in loops.items():
        pairs = [(one.future, result) for one, result in zip(group, results, strict=True) if id(one.loop) == key]
        try:
            loop.call_soon_threadsafe(_resolve, pairs)
        except RuntimeError:
            log.debug("%d commits came after their event loop had ended", len(pairs))


def _resolve(pairs: Sequence[tuple[asyncio.Future[Commit], Commit | Exception]]) -> None:
    for future, result in pairs:
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
