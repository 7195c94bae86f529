"""From checked listings to stored decisions: scored, settled, stored, then answered in the words of the caller."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any

from fairstall.model.assess import Assessor, Prepared
from fairstall.model.decision import Decision
from fairstall.model.errors import DeadlineExceeded, ServiceError
from fairstall.model.listing import Listing
from fairstall.model.policies import OnTimeout, PolicySet
from fairstall.records.ledger import LedgerEntry, Submission
from fairstall.serving.afterwards import afterwards
from fairstall.serving.batcher import Batcher, Scored
from fairstall.serving.entries import ledger_entry
from fairstall.serving.idempotency import Produced, RequestKey
from fairstall.serving.metrics import Telemetry
from fairstall.serving.passage import Passage
from fairstall.serving.problems import FailedAt
from fairstall.serving.reload import ModelInService
from fairstall.serving.tracing import stage, tell_of_listing
from fairstall.serving.writer import GroupCommit

log = logging.getLogger("fairstall.serving")


@dataclass(frozen=True, slots=True)
class Settled:
    """A decision that is ready to be stored, how its listing was prepared and by what, and how long each stage took."""

    entry: LedgerEntry
    prepared: Prepared
    assessor: Assessor
    timings_ms: Mapping[str, float]

    @property
    def decision(self) -> Decision:
        return self.entry.decision

    @property
    def policies(self) -> PolicySet:
        return self.assessor.policies


class ScoringService:
    """What stands behind every endpoint that scores. Nothing is answered that was not stored.

    `tell` makes the bytes of an answer in the words of the caller's protocol, before anything is stored: an answer that
    is kept under an idempotency key is stored together with its decisions. What it raises keeps them from being stored.
    `after_answer` is given what was stored once the caller has its answer.
    """

    def __init__(
        self,
        *,
        model: ModelInService,
        writer: GroupCommit,
        telemetry: Telemetry,
        clock: Callable[[], datetime],
        side_by_side: int,
        after_answer: Callable[[Sequence[Settled]], None] = lambda _settled: None,
    ) -> None:
        self._model = model
        self._writer = writer
        self._telemetry = telemetry
        self._clock = clock
        self._side_by_side = side_by_side
        self._after_answer = after_answer

    async def one(self, listing: Listing, *, tell: Callable[[Settled], bytes], key: RequestKey | None) -> Produced:
        """The answer for one listing. Raises Overloaded, DeadlineExceeded or StoreUnavailable.

        A listing that cannot be scored in time is answered without scores where the policies state that it is to be
        reviewed or published, and refused where they state that it is to be held.
        """
        settled = await self._settle(listing)
        return await self._store((settled,), tell(settled), key)

    async def many(
        self,
        listings: Mapping[str, Listing],
        *,
        tell: Callable[[Sequence[Settled]], bytes],
        key: RequestKey | None,
        champion_scores: bool = False,
    ) -> Produced:
        """The answer for a batch, told of its listings in their order; all of it is stored or none.

        They come by their place in the request. Raises FailedAt, which names those that failed.
        `champion_scores` is for an answer that can name one model alone and has to tell its scores.
        """
        settle = self._settle_by_champion if champion_scores else self._settle
        settled = _all_good(listings, await self._settle_all([*listings.values()], settle))
        return await self._store(settled, tell(settled), key)

    async def each(
        self,
        listings: Sequence[Listing],
        *,
        tell: Callable[[Sequence[Settled | Exception]], bytes],
        key: RequestKey | None,
    ) -> Produced:
        """The answer for a batch in which a listing may fail alone, told of each what became of it.

        All others are stored or none. When every one failed, their first error is raised.
        """
        settled = await self._settle_all(listings, self._settle)
        good = [one for one in settled if isinstance(one, Settled)]
        if settled and not good:
            raise next(one for one in settled if isinstance(one, Exception))
        return await self._store(good, tell(settled), key)

    async def _settle_all(
        self, listings: Sequence[Listing], settle: Callable[[Listing], Awaitable[Settled]]
    ) -> Sequence[Settled | Exception]:
        """In their order, an error where one failed that says nothing of the others; a ServiceError ends them all.

        At most `side_by_side` wait at once, so that one batch weighs no more than that many callers.
        """
        settled: dict[int, Settled | Exception] = {}

        async def work(places: Iterator[tuple[int, Listing]]) -> None:
            for place, listing in places:
                try:
                    settled[place] = await settle(listing)
                except ServiceError:
                    raise
                except Exception as error:
                    settled[place] = error

        places = enumerate(listings)
        await _all_or_none([work(places) for _ in range(min(self._side_by_side, len(listings)))])
        return [settled[place] for place in range(len(listings))]

    async def _settle(self, listing: Listing) -> Settled:
        admitted_at = perf_counter()
        try:
            canary = self._model.canary_for(listing.listing_id)
            if canary and (scored := await self._by_canary(canary, listing)):
                return self._settled(listing, scored, canary.assessor)
            return await self._settle_by_champion(listing)
        except DeadlineExceeded:
            assessor = self._model.batcher.assessor
            if assessor.policies.on_timeout is OnTimeout.HOLD:
                raise
            unscored = await asyncio.to_thread(_unscored, assessor, listing, admitted_at=admitted_at)
            return self._settled(listing, unscored, assessor)

    async def _settle_by_champion(self, listing: Listing) -> Settled:
        batcher = self._model.batcher
        return self._settled(listing, await batcher.score(listing), batcher.assessor)

    async def _by_canary(self, canary: Batcher, listing: Listing) -> Scored | None:
        """None when it fails, so that the champion scores the listing. Raises DeadlineExceeded: it is too late then."""
        try:
            return await canary.score(listing)
        except DeadlineExceeded:
            raise
        except Exception:
            log.exception("the canary %s failed, the champion scores instead", canary.assessor.versions.model)
            self._telemetry.canary_fell_back("score")
            return None

    def _settled(self, listing: Listing, scored: Scored, assessor: Assessor) -> Settled:
        begun = perf_counter()
        entry = ledger_entry(
            listing,
            scored.assessment,
            assessor,
            now=self._clock(),
            fingerprint=scored.prepared.fingerprint,
            repeated=scored.repeated,
        )
        ended = perf_counter()
        timings = scored.timings_ms | {"decide": (ended - begun) * 1_000}
        self._telemetry.scored(timings)
        tell_of_listing(scored.passage, entry.decision, decide_at=begun, decided_at=ended)
        return Settled(entry, scored.prepared, assessor, timings)

    async def _store(self, settled: Sequence[Settled], answer: bytes, key: RequestKey | None) -> Produced:
        entries = tuple(one.entry for one in settled)
        kept = key.kept(answer, self._clock()) if key else None
        if not entries and kept is None:
            return Produced(answer, stored=True)
        with stage("commit") as facts:
            commit = await self._writer.commit(Submission(entries, kept))
            facts |= {"fairstall.decisions": len(entries), "fairstall.commit_submissions": commit.together}
        if commit.stored:
            for entry in entries:
                self._telemetry.stored(entry.decision)
            afterwards(partial(self._after_answer, settled))
        return Produced(answer, stored=commit.stored)


def _unscored(assessor: Assessor, listing: Listing, *, admitted_at: float) -> Scored:
    """What rules and doubts alone say of a listing."""
    prepare_at = perf_counter()
    prepared = assessor.prepare(listing)
    prepared_at = perf_counter()
    assessment = assessor.conclude_unscored(prepared)
    passage = Passage(
        admitted_at=admitted_at,
        prepare_at=prepare_at,
        prepared_at=prepared_at,
        started_at=prepared_at,
        ended_at=perf_counter(),
        windows=len(prepared.windows.ids),
        batch_windows=0,
    )
    return Scored(assessment, prepared, passage)


def one_model(settled: Sequence[Settled]) -> str:
    """The version of the model that scored them all. Raises ServiceError when another one took its place meanwhile."""
    versions = {one.decision.assessment.versions.model for one in settled}
    if len(versions) > 1:
        raise ServiceError("another model came into service during this request; nothing was stored, repeat it")
    return versions.pop()


def _all_good(places: Iterable[str], settled: Sequence[Settled | Exception]) -> list[Settled]:
    failed = {place: one for place, one in zip(places, settled, strict=True) if isinstance(one, Exception)}
    if failed:
        raise FailedAt([*failed]) from ExceptionGroup("one error for each place", [*failed.values()])
    return [one for one in settled if isinstance(one, Settled)]


async def _all_or_none(works: Sequence[Any]) -> None:
    """Run all side by side; the first error ends the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
