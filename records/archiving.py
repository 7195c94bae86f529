"""Moving whole months of old decisions from the database into an archive.

Files are written and checked first; only what is in them is deleted, a few rows at a time. Whatever interrupts it, a
decision is in the database or in the archive, and running it again goes on.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from heapq import merge
from itertools import chain
from typing import Any

from sqlalchemy import Column, Engine, Row, Select, func, select

from fairstall.model.errors import InputError
from fairstall.model.identifiers import moment_of
from fairstall.records.archivable import SETTLED_AFTER, Cut, archivable
from fairstall.records.archive import Archive, ArchiveDamaged
from fairstall.records.archive_deletion import batches, delete_month, drop_listings
from fairstall.records.archive_tables import DECISIONS, REVIEWS, ArchiveTable, Values, with_listing
from fairstall.records.engine import reading, writing
from fairstall.records.leaves import CONTENT
from fairstall.records.months import ids_of, months_before
from fairstall.records.seals import add_act, seal_all
from fairstall.records.tables import audit_leaves, cases, decisions, listings, opened_with, reviews

DECISIONS_AT_ONCE = 100
SEALS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Archived:
    """What a run moved: decisions of one month, and their reviews."""

    month: str
    decisions: int
    reviews: int


class Archiving:
    """One run over one store. `clock` is UTC."""

    def __init__(self, engine: Engine, archive: Archive, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._archive = archive
        self._clock = clock

    def run(
        self, before: datetime, *, actor: str, advance: Callable[[int], None] = lambda _rows: None
    ) -> list[Archived]:
        """Archive the months that end at `before`, the first moment of a month, or earlier.

        `advance` is told how many more decisions left the database. Raises InputError for a month that has not ended
        two days ago, ArchiveDamaged, MissingExtra, SetupError and StoreUnavailable.
        """
        settled = self._clock() - SETTLED_AFTER
        if before > settled:
            raise InputError(f"not all before {before:%Y-%m} can go yet: a month goes two days after its end")
        cut = Cut(before, settled)
        seal_all(self._engine, self._clock)
        with self._archive.locked():
            self._archive.need(archived_months(self._engine))
            written = [one for month in self._months(cut) if (one := self._write(month, cut, actor))]
            for one in written:
                delete_month(self._engine, self._archive, one.month, cut, advance)
        drop_listings(self._engine)
        seal_all(self._engine, self._clock)
        return written

    def _months(self, cut: Cut) -> Iterator[str]:
        """The months that the database has decisions of, oldest first."""
        first = select(func.min(decisions.c.decision_id)).where(decisions.c.decision_id < cut.before_id)
        with reading(self._engine) as connection:
            oldest = connection.execute(first).scalar_one()
        month = moment_of(oldest) if oldest else cut.before
        while month < cut.before:
            yield f"{month:%Y-%m}"
            month = months_before(month, -1)

    def _write(self, month: str, cut: Cut, actor: str) -> Archived | None:
        """Put a month's file in its place, with what was in it before; None when nothing new goes into it."""
        chosen = self._chosen(month, cut)
        first = next(chosen, None)
        if first is None:
            return None
        found = _in_order(self._kept(month, DECISIONS), chain([first], chosen))
        reviewed = _in_order(self._kept(month, REVIEWS), self._reviews(month, cut))
        self._archive.stage(month, found, reviewed)
        archived = Archived(month, self._check(month, DECISIONS), self._check(month, REVIEWS))
        self._archive.publish(month)
        with writing(self._engine) as connection:
            add_act(connection, "archive", actor, asdict(archived), self._clock())
        return archived

    def _chosen(self, month: str, cut: Cut) -> Iterator[Values]:
        """The decisions of a month that may go, in the order of their leaves."""
        for page in self._pages(_DECISIONS, decisions.c.decision_id, month):
            with reading(self._engine) as connection:
                free = archivable(connection, [row.decision_id for row in page], cut)
            for row in page:
                if row.decision_id in free:
                    yield with_listing(dict(row._mapping), row.body)

    def _reviews(self, month: str, cut: Cut) -> Iterator[Values]:
        """The reviews of those decisions, in the order of their leaves."""
        for page in self._pages(_REVIEWS, cases.c.decision_id, month):
            with reading(self._engine) as connection:
                free = archivable(connection, sorted({row.reviewed for row in page}), cut)
            for row in page:
                if row.reviewed in free:
                    yield dict(row._mapping)

    def _pages(self, query: Select[Any], decision_id: Column[str], month: str) -> Iterator[Sequence[Row[Any]]]:
        """Rows whose decision is of the month, by a few seals at a time, so that no database sorts the whole month."""
        first, end = ids_of(month)
        of_month, seal = query.where(decision_id >= first, decision_id < end), audit_leaves.c.seal
        with reading(self._engine) as connection:
            number, last = connection.execute(of_month.with_only_columns(func.min(seal), func.max(seal))).one()
        while number is not None and number <= last:
            some = of_month.where(seal.between(number, number + SEALS_AT_ONCE - 1)).order_by(*_PLACE)
            with reading(self._engine) as connection:
                rows = connection.execute(some).all()
            yield from batches(rows, DECISIONS_AT_ONCE)
            number += SEALS_AT_ONCE

    def _kept(self, month: str, table: ArchiveTable) -> Iterator[Values]:
        """What the present file has and the database has no more."""
        for rows in batches(self._archive.rows(month, table), DECISIONS_AT_ONCE):
            gone = _leaves(self._engine, [row[table.key] for row in rows])
            for row in rows:
                if gone[row[table.key]].archived == month:
                    yield row

    def _check(self, month: str, table: ArchiveTable) -> int:
        """Read a staged file back, and hold each row to its leaf; how many rows it has."""
        count = 0
        for rows in batches(self._archive.rows(month, table, arriving=True), DECISIONS_AT_ONCE):
            leaves = _leaves(self._engine, [row[table.key] for row in rows])
            for row in rows:
                assert table.kind is not None
                content, leaf = CONTENT[table.kind](row), leaves[row[table.key]]
                if content.leaf(leaf.commitment) != leaf.hash:
                    raise ArchiveDamaged(f"{table.kind} {content.row_id} of {month} is not what was sealed")
                if leaf.salt is not None and content.commitment(leaf.salt) != leaf.commitment:
                    raise ArchiveDamaged(f"{table.kind} {content.row_id} of {month} is not what was sealed")
            count += len(rows)
        return count


def archived_months(engine: Engine) -> list[str]:
    """The months of which the archive has something, as the audit chain tells."""
    query = select(audit_leaves.c.archived).where(audit_leaves.c.archived.is_not(None)).distinct()
    with reading(engine) as connection:
        return sorted(connection.execute(query).scalars())


def _in_order(old: Iterable[Values], new: Iterable[Values]) -> Iterator[Values]:
    return merge(old, new, key=lambda row: (row["seal"], row["position"]))


def _leaves(engine: Engine, ids: Sequence[str]) -> dict[str, Row[Any]]:
    with reading(engine) as connection:
        rows = connection.execute(select(audit_leaves).where(audit_leaves.c.row_id.in_(ids)))
        return {row.row_id: row for row in rows}


_PLACE = (audit_leaves.c.seal, audit_leaves.c.position)
_DECISIONS: Select[Any] = (
    select(
        *_PLACE,
        decisions,
        listings.c.received_at,
        listings.c.body,
        cases.c.case_id,
        cases.c.reason.label("case_reason"),
        cases.c.priority.label("case_priority"),
        cases.c.opened_at.label("case_opened_at"),
    )
    .join(decisions, audit_leaves.c.row_id == decisions.c.decision_id)
    .join(listings, decisions.c.listing_digest == listings.c.digest)
    .outerjoin(cases, opened_with(decisions))
)
_REVIEWS: Select[Any] = (
    select(*_PLACE, reviews, cases.c.decision_id.label("reviewed"))
    .join(reviews, audit_leaves.c.row_id == reviews.c.review_id)
    .join(cases, reviews.c.case_id == cases.c.case_id)
)
