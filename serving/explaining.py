"""Finds the model evidence of open cases, one after the other on a thread of its own. It changes no answer.

It yields to listings: before each window that it runs it waits until no listing waits or is scored and none has come
for a moment. Cases that nobody got round to, as after a restart, are found in the store, the most urgent first.
"""

import logging
import os
import random
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from time import monotonic, perf_counter

from sqlalchemy import Engine

from fairstall.model.errors import StoreUnavailable
from fairstall.model.model_evidence import WeighedSpan
from fairstall.model.occlusion import explain
from fairstall.model.scorer import Logits, Scorer
from fairstall.records.case_evidence import (
    Explained,
    Unexplained,
    keep_evidence,
    unexplained_case,
    unexplained_ids,
)
from fairstall.records.ledger import BLIND_REASONS, NewCase
from fairstall.serving.batcher import Batcher
from fairstall.serving.metrics import Result, Telemetry
from fairstall.serving.reload import CLOSE_WITHIN_S, ModelInService

log = logging.getLogger("fairstall.serving")

QUIET_S = 0.02  # callers who send one listing after the other are back within less
SWEEP_EVERY_S = 300.0
SWEPT_AT_ONCE = 32
LEFT_AFTER = timedelta(seconds=60)  # until then a case is with the process that opened it


class Explaining:
    """One process's part, from `start` until `close`. At most `most_waiting` new cases wait in memory."""

    def __init__(
        self,
        engine: Engine,
        model: ModelInService,
        telemetry: Telemetry,
        clock: Callable[[], datetime],
        *,
        most_waiting: int,
    ) -> None:
        self._engine = engine
        self._model = model
        self._telemetry = telemetry
        self._clock = clock
        self._most_waiting = most_waiting
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, str]] = []
        self._left: list[str] = []
        self._sweep_at = 0.0
        self._closed = False
        self._admitted = -1
        self._waited_s = 0.0
        self._thread = threading.Thread(target=self._work, name="explaining", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, case: NewCase) -> None:
        """Explain it later, if it is not blind. It returns at once; what there is no room for, a sweep finds."""
        if case.reason in BLIND_REASONS:
            return
        with self._changed:
            if len(self._waiting) < self._most_waiting:
                heappush(self._waiting, (-case.priority, case.case_id))
                self._changed.notify()

    def close(self) -> None:
        """End it; what is left is found by the next process."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(CLOSE_WITHIN_S)

    def _work(self) -> None:
        _leave_the_cores_to_others()
        while not self._closed:
            case_id = self._next()
            try:
                self._explain(case_id) if case_id else self._sweep()
            except _Closing:
                return
            except Exception as error:
                foreseen = isinstance(error, StoreUnavailable)
                log.error("evidence of open cases was not stored: %s", error, exc_info=not foreseen)
                self._left.clear()
                self._sweep_at = monotonic() + SWEEP_EVERY_S

    def _next(self) -> str | None:
        """The case to explain next; None when it is time to look for some, or at the end."""
        with self._changed:
            if not (self._waiting or self._left):
                self._changed.wait_for(lambda: self._waiting or self._closed, max(0.0, self._sweep_at - monotonic()))
            if self._waiting:
                return heappop(self._waiting)[1]
            return self._left.pop() if self._left else None

    def _sweep(self) -> None:
        """Look for cases that were left, by whatever process; those who look together seldom take the same first."""
        self._wait_for_quiet()
        before = self._clock() - LEFT_AFTER
        self._left = unexplained_ids(self._engine, opened_before=before, at_most=SWEPT_AT_ONCE)
        random.shuffle(self._left)
        more = len(self._left) == SWEPT_AT_ONCE
        self._sweep_at = monotonic() + (0.0 if more else SWEEP_EVERY_S)

    def _explain(self, case_id: str) -> None:
        self._wait_for_quiet()
        case = unexplained_case(self._engine, case_id)
        if case is None:
            return
        begun, self._waited_s = perf_counter(), 0.0
        # By the bundle that decided, or else by the champion.
        batcher = self._model.by_version(case.model_version) or self._model.batcher
        spans, result = self._spans(case, batcher)
        spent_s = perf_counter() - begun - self._waited_s
        self._wait_for_quiet()
        keep_evidence(self._engine, Explained(case_id, batcher.assessor.versions.model, spans, self._clock()))
        self._telemetry.explained(result, spent_s)

    def _spans(self, case: Unexplained, batcher: Batcher) -> tuple[tuple[WeighedSpan, ...], Result]:
        """A case that the model fails at has none, and is not tried again."""
        try:
            spans = explain(batcher.assessor, case.listing, case.policies, partial(self._run, batcher.scorer))
        except _Closing:
            raise
        except Exception:
            log.exception("the evidence of case %s was not found", case.case_id)
            return (), "failed"
        return spans, "found" if spans else "nothing"

    def _run(self, scorer: Scorer, window: Sequence[int]) -> Logits:
        self._wait_for_quiet()
        return scorer.run([window])

    def _wait_for_quiet(self) -> None:
        """Return at once while no listing has come since the last time; raises _Closing at the end."""
        begun = perf_counter()
        while not self._closed:
            self._model.wait_until_idle()
            admitted = self._model.admitted
            if admitted == self._admitted:
                break
            self._admitted = admitted
            with self._changed:
                self._changed.wait_for(lambda: self._closed, QUIET_S)
        self._waited_s += perf_counter() - begun
        if self._closed:
            raise _Closing


def _leave_the_cores_to_others() -> None:
    """On Linux this thread runs where nobody else wants the core: a listing that comes meanwhile is as fast as ever."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # 0 is the thread that asks


class _Closing(Exception):
    """The service ends."""
