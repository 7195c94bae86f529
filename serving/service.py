"""From checked listings to stored decisions and the bytes of the answer: scored, settled, stored, then answered."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any, TypeAlias

import orjson

from fairstall.model.assess import Assessor
from fairstall.model.decide import Outcome
from fairstall.model.decision import Decision
from fairstall.model.errors import ListingError
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.model.wire import answer_body
from fairstall.records.ledger import LedgerEntry, Submission
from fairstall.records.outbox import decision_event
from fairstall.serving.batcher import Scored
from fairstall.serving.cases import case_for
from fairstall.serving.idempotency import Produced, RequestKey
from fairstall.serving.metrics import Telemetry
from fairstall.serving.problems import problem_body
from fairstall.serving.reload import ModelInService
from fairstall.serving.writer import GroupCommit


@dataclass(frozen=True, slots=True)
class Settled:
    """A decision that is ready to be stored, and what its caller will be told."""

    entry: LedgerEntry
    answer: dict[str, Any]


Item: TypeAlias = Listing | ListingError


class ScoringService:
    """What stands behind `/v1/score`. Nothing is answered that was not stored."""

    def __init__(
        self, *, model: ModelInService, writer: GroupCommit, telemetry: Telemetry, clock: Callable[[], datetime]
    ) -> None:
        self._model = model
        self._writer = writer
        self._telemetry = telemetry
        self._clock = clock

    async def one(self, listing: Listing, *, with_scores: bool, key: RequestKey | None) -> Produced:
        """The answer for one listing. Raises Overloaded, DeadlineExceeded or StoreUnavailable."""
        settled = await self._settle(listing, with_scores=with_scores)
        return await self._store((settled,), orjson.dumps(settled.answer), key)

    async def many(
        self, items: Sequence[Item], *, with_scores: bool, key: RequestKey | None, side_by_side: int
    ) -> Produced:
        """The answer for a batch: an answer or an error in the place of each item, and all of it stored or none.

        At most `side_by_side` items wait at once, so that one batch weighs no more than that many callers.
        """
        answers: list[dict[str, Any]] = [{} for _ in items]
        settled: list[Settled] = []

        async def work(places: Iterator[tuple[int, Item]]) -> None:
            for place, item in places:
                if isinstance(item, ListingError):
                    answers[place] = {"error": problem_body(item)}
                else:
                    done = await self._settle(item, with_scores=with_scores)
                    answers[place] = done.answer
                    settled.append(done)

        places = enumerate(items)
        await _all_or_none([work(places) for _ in range(min(side_by_side, len(items)))])
        return await self._store(settled, orjson.dumps({"answers": answers}), key)

    async def _settle(self, listing: Listing, *, with_scores: bool) -> Settled:
        batcher = self._model.batcher
        scored = await batcher.score(listing)
        return self._settled(listing, scored, batcher.assessor, with_scores=with_scores)

    def _settled(self, listing: Listing, scored: Scored, assessor: Assessor, *, with_scores: bool) -> Settled:
        begun, now = perf_counter(), self._clock()
        assessment = scored.assessment
        case = case_for(assessment, assessor.policies, assessor.bundle.facts, now=now)
        decision = Decision(
            decision_id=time_ordered_id(now),
            listing_id=listing.listing_id,
            seller_id=listing.seller_id,
            decided_at=now,
            assessment=assessment,
            case_id=case.case_id if case and assessment.outcome is Outcome.REVIEW else None,
        )
        entry = LedgerEntry(listing, decision, case, (decision_event(decision),))
        timings = scored.timings_ms | {"decide": (perf_counter() - begun) * 1_000}
        self._telemetry.scored(timings)
        answer = answer_body(
            assessment, listing_id=listing.listing_id, decision=decision, timings_ms=timings, with_scores=with_scores
        )
        return Settled(entry, answer)

    async def _store(self, settled: Sequence[Settled], answer: bytes, key: RequestKey | None) -> Produced:
        entries = tuple(one.entry for one in settled)
        kept = key.kept(answer, self._clock()) if key else None
        if not entries and kept is None:
            return Produced(answer, stored=True)
        stored = await self._writer.commit(Submission(entries, kept))
        if stored:
            for entry in entries:
                self._telemetry.stored(entry.decision.assessment)
        return Produced(answer, stored=stored)


async def _all_or_none(works: Sequence[Any]) -> None:
    """Run all side by side; the first error ends the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
