"""A ledger filled with decisions, written by the same transactions as in service, to measure what age costs."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Engine

from fairstall.model.assess import Assessor, assess_listings
from fairstall.model.decide import Outcome
from fairstall.model.decision import Assessment
from fairstall.model.fingerprint import BINS
from fairstall.model.listing import Listing
from fairstall.model.scorer import Scorer
from fairstall.records.ledger import Ledger, LedgerEntry
from fairstall.records.seals import seal_all
from fairstall.serving.entries import ledger_entry

IN_ONE_TRANSACTION = 5_000
SELLERS = 5_000
EVERY = timedelta(seconds=15)  # a million of them take half a year


class LedgerFiller:
    """Decisions on copies of listings, as the assessor takes them, each copy with an id of its own.

    A listing that is blocked gets a fingerprint of random bytes, which is like no other: as many different goods as
    there are blocks, and no copy is held back as a copy.
    """

    def __init__(
        self, assessor: Assessor, scorers: Sequence[Scorer], listings: Sequence[Listing], *, until: datetime
    ) -> None:
        self._assessor = assessor
        self._assessed = [*zip(listings, assess_listings(assessor, scorers, listings), strict=True)]
        self._until = until

    def fill(self, engine: Engine, *, present: int, wanted: int, progress: Callable[[int], None]) -> None:
        """Append decisions to a migrated store that has `present` of them until it has `wanted`, and seal them all, as
        they are in service long before there are so many.
        """
        ledger = Ledger(engine)
        for start in range(present, wanted, IN_ONE_TRANSACTION):
            places = range(start, min(wanted, start + IN_ONE_TRANSACTION))
            ledger.append([self._entry(place, self._until - (wanted - place) * EVERY) for place in places])
            progress(len(places))
        seal_all(engine, lambda: self._until)

    def _entry(self, place: int, at: datetime) -> LedgerEntry:
        listing, assessment = self._assessed[place % len(self._assessed)]
        copy = replace(listing, listing_id=f"ledger-{place:09d}", seller_id=f"seller-{place % SELLERS}")
        fingerprint = _fingerprint(assessment, place)
        return ledger_entry(copy, assessment, self._assessor, now=at, fingerprint=fingerprint)


def _fingerprint(assessment: Assessment, place: int) -> bytes | None:
    return random.Random(place).randbytes(BINS) if assessment.outcome is Outcome.BLOCK else None
