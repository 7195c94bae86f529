"""Lanes: threads that prepare listings, run the model on batches of similar length, and conclude. It stores nothing.

Each lane has a single-threaded scorer of its own and takes the next work the moment it is free: nothing polls, nothing
sleeps, and at one caller nothing waits for company. A lane that is alone with its work runs it on all cores.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from fairstall.model.assess import Assessor, LookAlikes, Prepared, none_known
from fairstall.model.bundle import Bundle
from fairstall.model.control import ControlSample
from fairstall.model.decision import Assessment
from fairstall.model.errors import DeadlineExceeded
from fairstall.model.language import LanguageGate
from fairstall.model.listing import Listing
from fairstall.model.policies import PolicySet
from fairstall.model.scorer import OnnxScorer, Scorer
from fairstall.serving.limits import Limits
from fairstall.serving.passage import Passage
from fairstall.serving.repeats import Repeats
from fairstall.serving.waiting import Ticket, WaitingRoom, Window

log = logging.getLogger("fairstall.serving")

CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Scored:
    """An assessment, and when the listing passed each point.

    `repeated`: the model had read the same text before, and was not asked again.
    """

    assessment: Assessment
    prepared: Prepared
    passage: Passage
    repeated: bool = False

    @property
    def timings_ms(self) -> dict[str, float]:
        return self.passage.timings_ms


class Batcher:
    """One model in service. `on_batch` is told how many windows each run had.

    `wide` is a scorer with a thread for each lane, for the lane that is alone. `scorer`, the first lane's, is lent to
    whoever has a window to run beside the lanes.
    """

    def __init__(
        self,
        assessor: Assessor,
        scorers: Sequence[Scorer],
        limits: Limits,
        on_batch: Callable[[int], None] = lambda _windows: None,
        wide: Scorer | None = None,
    ) -> None:
        self.assessor = assessor
        self._limits = limits
        self._on_batch = on_batch
        self._repeats = Repeats(limits.remembered_texts)
        self._room = WaitingRoom(most_tokens=limits.waiting_tokens, lanes=len(scorers))
        self._wide = wide
        self.scorer = scorers[0]
        self._lanes = [
            threading.Thread(target=self._work, args=(scorer,), name=f"lane-{number}", daemon=True)
            for number, scorer in enumerate(scorers)
        ]
        for lane in self._lanes:
            lane.start()

    @property
    def waiting_tokens(self) -> int:
        return self._room.tokens

    @property
    def admitted(self) -> int:
        """How many listings it has taken so far."""
        return self._room.admitted

    def wait_until_idle(self) -> None:
        """Wait until no listing waits for this model or is scored by it."""
        self._room.wait_until_idle()

    async def score(self, listing: Listing) -> Scored:
        """The assessment of a listing. Raises Overloaded at once when the room is full, DeadlineExceeded when late.

        Cancelling it takes the listing out of the queue.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Scored] = loop.create_future()
        ticket = Ticket(listing, self._estimate(listing), perf_counter(), _answer_of(loop, future))
        self._room.admit(ticket)
        late = DeadlineExceeded(f"no answer within {self._limits.deadline_s:g} seconds; nothing was stored")
        timer = loop.call_later(self._limits.deadline_s, _resolve, future, late)
        try:
            return await future
        finally:
            timer.cancel()
            self._room.leave(ticket)

    def close(self) -> None:
        """Take no more listings. The lanes finish those that wait, and end."""
        self._room.close()

    def join(self, *, timeout_s: float | None = None) -> None:
        """Wait until the lanes have ended, each for `timeout_s` at most."""
        for lane in self._lanes:
            lane.join(timeout_s)

    def _estimate(self, listing: Listing) -> int:
        facts = self.assessor.bundle.facts
        tokens = (len(listing.title) + len(listing.description)) // CHARACTERS_A_TOKEN + 2
        return min(tokens, facts.max_tokens * facts.max_windows)

    def _work(self, scorer: Scorer) -> None:
        work = None
        while work := self._room.take(done=work):
            if isinstance(work, Ticket):
                self._prepare(work)
            else:
                self._run(self._wide if work.alone and self._wide else scorer, work.windows)

    def _prepare(self, ticket: Ticket) -> None:
        ticket.prepare_at = perf_counter()
        try:
            prepared = self.assessor.prepare(ticket.listing)
        except Exception as error:  # a listing that cannot be prepared fails alone
            ticket.deliver(error)
            return
        ticket.prepared_at = perf_counter()
        remembered = self._repeats.find(prepared.windows.ids)
        if remembered is None:
            self._room.ready(ticket, prepared)
        else:
            ticket.prepared, ticket.logits, ticket.started_at = prepared, remembered, perf_counter()
            self._conclude(ticket, repeated=True)

    def _run(self, scorer: Scorer, batch: Sequence[Window]) -> None:
        begun = perf_counter()
        for window in batch:
            window.ticket.started_at = window.ticket.started_at or begun
            window.ticket.batch_windows = len(batch)
        try:
            logits = scorer.run([window.ids for window in batch])
        except Exception as error:
            self._run_apart(scorer, batch, error)
            return
        self._on_batch(len(batch))
        for window, row in zip(batch, logits, strict=True):
            if self._room.finish(window, row):
                self._finish(window.ticket)

    def _run_apart(self, scorer: Scorer, batch: Sequence[Window], error: Exception) -> None:
        """One window that fails must not fail its neighbours."""
        if len(batch) > 1:
            for window in batch:
                self._run(scorer, [window])
        else:
            batch[0].ticket.deliver(error)

    def _finish(self, ticket: Ticket) -> None:
        assert ticket.prepared is not None
        assert ticket.logits is not None
        self._repeats.keep(ticket.prepared.windows.ids, ticket.logits)
        self._conclude(ticket)

    def _conclude(self, ticket: Ticket, *, repeated: bool = False) -> None:
        assert ticket.prepared is not None
        assert ticket.logits is not None
        try:
            assessment = self.assessor.conclude(ticket.prepared, ticket.logits)
        except Exception as error:
            ticket.deliver(error)
            return
        passage = Passage(
            admitted_at=ticket.admitted_at,
            prepare_at=ticket.prepare_at,
            prepared_at=ticket.prepared_at,
            started_at=ticket.started_at,
            ended_at=perf_counter(),
            windows=len(ticket.prepared.windows.ids),
            batch_windows=ticket.batch_windows,
        )
        ticket.deliver(Scored(assessment, ticket.prepared, passage, repeated))


def open_batcher(
    bundle: Bundle,
    policies: PolicySet,
    control: ControlSample,
    limits: Limits,
    on_batch: Callable[[int], None],
    look_alikes: LookAlikes = none_known,
) -> Batcher:
    """A bundle ready to serve: read, checked, and warm. Raises BundleError."""
    threads = [1] * limits.lanes + [limits.lanes] * (limits.lanes > 1)
    with ThreadPoolExecutor(limits.lanes) as pool:
        reading = pool.submit(LanguageGate(bundle.facts.languages).warm_up)
        opening = [pool.submit(OnnxScorer, bundle, threads=count) for count in threads]
        assessor = Assessor(bundle, policies, control, look_alikes)
        reading.result()
        assessor.warm_up()
        scorers = [one.result() for one in opening]
        list(pool.map(assessor.prove, scorers))
    wide = scorers.pop() if limits.lanes > 1 else None
    return Batcher(assessor, scorers, limits, on_batch, wide)


def _answer_of(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Scored]) -> Callable[[Any], None]:
    """What a lane calls with the result: it crosses over to the loop that the caller waits on."""

    def deliver(result: Any) -> None:
        try:
            loop.call_soon_threadsafe(_resolve, future, result)
        except RuntimeError:
            log.debug("an answer came after its event loop had ended")

    return deliver


def _resolve(future: asyncio.Future[Scored], result: Any) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
