"""A shadow: one bundle scored beside the champion after the answer, on a thread of its own. It changes no answer.

It yields to listings: before each window that it runs it waits until no listing waits or is being scored. What it
cannot do in time it drops, what fails is logged, and both are counted.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import TypeAlias

import numpy as np

from fairstall.model.assess import Assessor, LookAlikes, Prepared, none_known
from fairstall.model.bundle import Bundle
from fairstall.model.control import ControlSample, ListingShare
from fairstall.model.decision import Decision
from fairstall.model.deployed import Beside, Role
from fairstall.model.policies import PolicySet
from fairstall.model.scorer import Logits, OnnxScorer, Scorer
from fairstall.records.shadow import Comparison
from fairstall.serving.metrics import Telemetry

log = logging.getLogger("fairstall.serving")

STORE_AT_MOST = 64  # comparisons in one transaction
STORE_AFTER_S = 1.0

Store: TypeAlias = Callable[[Sequence[Comparison]], None]


@dataclass(frozen=True, slots=True)
class Decided:
    """A stored decision, and its listing as `assessor` prepared it."""

    decision: Decision
    prepared: Prepared
    assessor: Assessor

    @property
    def tokens(self) -> int:
        return sum(map(len, self.prepared.windows.ids))


class Shadow:
    """One shadow at work, from its construction until `close`.

    `sample` draws the listings that it scores. `wait_until_idle` returns once no listing waits. At most `most_tokens`
    wait for the shadow.
    """

    def __init__(
        self,
        assessor: Assessor,
        scorer: Scorer,
        *,
        sample: ListingShare,
        wait_until_idle: Callable[[], None],
        store: Store,
        telemetry: Telemetry,
        clock: Callable[[], datetime],
        most_tokens: int,
    ) -> None:
        self.assessor = assessor
        self._scorer = scorer
        self._sample = sample
        self._wait_until_idle = wait_until_idle
        self._record = _Record(store, telemetry)
        self._telemetry = telemetry
        self._clock = clock
        self._most_tokens = most_tokens
        self._changed = threading.Condition()
        self._waiting: deque[Decided] = deque()
        self._tokens = 0
        self._closed = False
        self._read_alike: tuple[Assessor, bool] = (assessor, True)
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
        self._thread.start()

    def offer(self, decided: Decided) -> None:
        """Score it later, if it is drawn and there is room. It returns at once."""
        own = decided.assessor.versions.model == self.assessor.versions.model
        if own or not self._sample.draws(decided.decision.listing_id):
            return
        with self._changed:
            if self._closed:
                return
            if self._tokens + decided.tokens > self._most_tokens:
                self._telemetry.shadow_dropped()
                return
            self._tokens += decided.tokens
            self._waiting.append(decided)
            self._changed.notify()

    def close(self) -> None:
        """Take nothing more and drop what waits; what was compared is stored."""
        with self._changed:
            self._closed = True
            self._telemetry.shadow_dropped(len(self._waiting))
            self._waiting.clear()
            self._changed.notify()

    def join(self, *, timeout_s: float | None = None) -> None:
        """Wait until it has ended, for `timeout_s` at most."""
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while not self._closed:
            if decided := self._take():
                self._compare(decided)
            if self._record.is_due():
                self._wait_until_idle()
                self._record.store()
        self._record.store()

    def _take(self) -> Decided | None:
        """The next one; None when there is something to store first, or nothing to come."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, self._record.due_in_s())
            if not self._waiting:
                return None
            decided = self._waiting.popleft()
            self._tokens -= decided.tokens
            return decided

    def _compare(self, decided: Decided) -> None:
        decision = decided.decision
        try:
            self._wait_until_idle()
            prepared = self._prepared(decided)
            assessment = self.assessor.conclude(prepared, self._logits(prepared))
        except Exception:
            log.exception("the shadow %s failed on %s", self.assessor.versions.model, decision.decision_id)
            self._telemetry.shadow_failed("score")
            return
        self._telemetry.shadow_compared(decision.outcome, assessment.outcome)
        self._record.add(Comparison(decision, assessment, self._clock()))

    def _prepared(self, decided: Decided) -> Prepared:
        """What the champion prepared, where the shadow would do the same."""
        if self._read_alike[0] is not decided.assessor:
            self._read_alike = decided.assessor, self.assessor.prepares_like(decided.assessor)
        return decided.prepared if self._read_alike[1] else self.assessor.prepare(decided.prepared.listing)

    def _logits(self, prepared: Prepared) -> Logits:
        rows = []
        for window in prepared.windows.ids:
            self._wait_until_idle()
            rows.append(self._scorer.run([window]))
        return np.concatenate(rows)


class _Record:
    """Comparisons that are not stored yet; many go into one transaction, so that answers wait for few of them."""

    def __init__(self, store: Store, telemetry: Telemetry) -> None:
        self._store = store
        self._telemetry = telemetry
        self._kept: list[Comparison] = []
        self._due_at = 0.0

    def add(self, comparison: Comparison) -> None:
        if not self._kept:
            self._due_at = monotonic() + STORE_AFTER_S
        self._kept.append(comparison)

    def is_due(self) -> bool:
        return len(self._kept) >= STORE_AT_MOST or self.due_in_s() == 0.0

    def due_in_s(self) -> float | None:
        """None while there is nothing to store."""
        return max(0.0, self._due_at - monotonic()) if self._kept else None

    def store(self) -> None:
        """Store them. Those that the store does not take are lost, logged and counted."""
        kept, self._kept = self._kept, []
        try:
            self._store(kept)
        except Exception:
            log.exception("%d comparisons with a shadow were not stored", len(kept))
            self._telemetry.shadow_failed("store", len(kept))


@dataclass(frozen=True, slots=True)
class ShadowParts:
    """What every shadow of one service is opened with. The key of `control` draws the listings of its share too."""

    policies: PolicySet
    control: ControlSample
    wait_until_idle: Callable[[], None]
    store: Store
    telemetry: Telemetry
    clock: Callable[[], datetime]
    most_tokens: int
    look_alikes: LookAlikes = none_known

    def open(self, bundle: Bundle, beside: Beside) -> Shadow:
        """A bundle at work as the shadow, on its share of listings. Raises BundleError."""
        assessor, scorer = Assessor(bundle, self.policies, self.control, self.look_alikes), OnnxScorer(bundle)
        assessor.prove(scorer)
        return Shadow(
            assessor,
            scorer,
            sample=ListingShare(self.control.key, Role.SHADOW, beside.share),
            wait_until_idle=self.wait_until_idle,
            store=self.store,
            telemetry=self.telemetry,
            clock=self.clock,
            most_tokens=self.most_tokens,
        )
