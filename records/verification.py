"""The audit chain computed anew from the rows, a page at a time. Nothing is written.

A row that was erased is held to its commitment; all that was kept of it is held to its hash like any other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, Row, Select, Table, func, select, tuple_

from fairstall.model.errors import FairstallError
from fairstall.model.identifiers import earliest_id
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading
from fairstall.records.leaves import CONTENT, Content, Kind, digest_of_body, merkle_root
from fairstall.records.seals import NOTHING_BEFORE, ROWS_A_SEAL, Seal, newest_seal
from fairstall.records.tables import (
    audit_acts,
    audit_leaves,
    audit_seals,
    cases,
    decisions,
    erasures,
    listings,
    reviews,
)


class ChainBroken(FairstallError):
    """The ledger is not what was sealed."""


class ArchivedRows(Protocol):
    """Rows of archived months, each asked for once, in the order of their leaves. `ArchiveReader` is one."""

    def take(self, month: str, kind: Kind, row_id: str) -> Mapping[str, Any] | None:
        """The row as the database had it, a decision with the `body` of its listing; None when it is not there."""
        ...

    def left_over(self) -> Iterator[tuple[str, str]]:
        """Month and id of every row that nobody asked for, once all leaves were gone through."""
        ...


@dataclass(slots=True)
class Verified:
    """What was found to be as it was sealed. `erased` counts rows by the day of their erasure; `unsealed` are rows that
    wait for a seal; `passed_over` are archived rows that were not looked at."""

    head: Seal | None = None
    seals: int = 0
    rows: int = 0
    archived: int = 0
    passed_over: int = 0
    unsealed: int = 0
    erased: dict[str, int] = field(default_factory=dict)


class Verification:
    """One verification of one store.

    `archive` gives rows of archived months; without one they are passed over, and counted. `advance` is told how many
    more rows were looked at.
    """

    def __init__(
        self,
        engine: Engine,
        archive: ArchivedRows | None = None,
        *,
        advance: Callable[[int], None] = lambda _rows: None,
    ) -> None:
        self._engine = engine
        self._archive = archive
        self._advance = advance
        self._found = Verified()

    def run(self, *, since: datetime | None = None, anchor: str | None = None) -> Verified:
        """Verify all seals, or those made from `since` on, and that the seal with the hash `anchor` is among all.

        Raises ChainBroken, which names the first row or seal that was altered, taken away or added.
        """
        with reading(self._engine) as connection:
            last = newest_seal(connection)
            first = _first_number(connection, since)
        if last:
            self._seals(first, last.number)
        self._added(last)
        if since is None:
            self._erasures()
        if self._archive and since is None:
            self._left_over(self._archive)
        if anchor:
            self._anchor(anchor)
        self._found.head = last
        return self._found

    def _seals(self, first: int, last: int) -> None:
        leaves = groupby(_pages(self._engine, first, last), key=lambda row: row.leaf_seal)
        number, previous = first, self._hash_before(first)
        for seal in _read_seals(self._engine, first, last):
            if seal.number != number or seal.previous != previous:
                raise ChainBroken(f"seal {number} is missing, or seal {seal.number} does not follow the one before it")
            if seal.sealed() != seal.hash:
                raise ChainBroken(f"seal {seal.number} was altered")
            _, rows = next(leaves, (number, iter(())))
            self._rows(seal, list(rows))
            number, previous = number + 1, seal.hash
            self._found.seals += 1
        if number != last + 1:
            raise ChainBroken(f"seal {number} is missing")

    def _rows(self, seal: Seal, rows: Sequence[Row[Any]]) -> None:
        if [(row.leaf_seal, row.leaf_position) for row in rows] != [(seal.number, n) for n in range(seal.leaves)]:
            raise ChainBroken(f"leaves of seal {seal.number} were added or taken away")
        for row in rows:
            self._row(seal, row)
        if merkle_root([row.leaf_hash for row in rows]).hex() != seal.root:
            raise ChainBroken(f"leaves of seal {seal.number} were altered")
        self._found.rows += len(rows)
        self._advance(len(rows))

    def _row(self, seal: Seal, row: Row[Any]) -> None:
        kind, row_id, where = Kind(row.leaf_kind), row.leaf_row_id, f"in seal {seal.number}"
        if row.leaf_archived:
            where = f"{where}, archived with {row.leaf_archived},"
            self._found.archived += 1
            if self._archive is None:
                self._found.passed_over += 1
                return
            values = self._archive.take(row.leaf_archived, kind, row_id)
        else:
            values = _values(row, kind)
        if values is None:
            raise ChainBroken(f"{kind} {row_id} {where} is missing")
        content = CONTENT[kind](values)
        if content.row_id != row_id or content.leaf(row.leaf_commitment) != row.leaf_hash:
            raise ChainBroken(f"{kind} {row_id} {where} was altered")
        if not row.leaf_erased_by and not _is_committed(content, row.leaf_salt, row.leaf_commitment):
            raise ChainBroken(f"{kind} {row_id} {where} was altered: its seller, listing or text")
        if kind is Kind.DECISION and not _has_its_listing(values):
            raise ChainBroken(f"the listing of decision {row_id} {where} was altered or is missing")

    def _hash_before(self, first: int) -> str:
        query = select(audit_seals.c.hash).where(audit_seals.c.number == first - 1)
        with reading(self._engine) as connection:
            found = connection.execute(query).scalar_one_or_none()
        return found or NOTHING_BEFORE

    def _added(self, last: Seal | None) -> None:
        """Rows without a leaf of their own: those from before all was sealed were added, the others wait."""
        settled = earliest_id(datetime.fromisoformat(last.settled_at)) if last and last.settled_at else ""
        with reading(self._engine) as connection:
            for kind, table in _TABLES.items():
                row_id = next(iter(table.primary_key.columns))
                leaf = audit_leaves.alias("leaf")
                mine = select(leaf.c.row_id).where(leaf.c.row_id == row_id, leaf.c.archived.is_(None))
                unsealed = select(func.min(row_id), func.count()).where(~mine.exists())
                first, count = connection.execute(unsealed).one()
                if first and first < settled:
                    raise ChainBroken(f"{kind} {first} was added: all from its time were sealed without it")
                self._found.unsealed += count

    def _erasures(self) -> None:
        """As many rows are marked as erased by an act as the act says, in the act's own words."""
        leaves = select(audit_leaves.c.erased_by, func.count().label("rows")).group_by(audit_leaves.c.erased_by)
        marked = leaves.where(audit_leaves.c.erased_by.is_not(None)).subquery()
        acts = select(marked, audit_acts.c.body, audit_acts.c.happened_at, erasures.c.begun_at)
        acts = acts.outerjoin(audit_acts, audit_acts.c.act_id == marked.c.erased_by)
        acts = acts.outerjoin(erasures, erasures.c.erasure_id == marked.c.erased_by)
        with reading(self._engine) as connection:
            for row in connection.execute(acts.order_by(marked.c.erased_by)):
                if row.begun_at is None and (row.body is None or row.body.get("sealed") != row.rows):
                    told = row.body.get("sealed") if row.body else "no"
                    raise ChainBroken(f"{row.rows} rows are marked as erased by act {row.erased_by}, which has {told}")
                day = (row.happened_at or row.begun_at)[:10]
                self._found.erased[day] = self._found.erased.get(day, 0) + row.rows

    def _left_over(self, archive: ArchivedRows) -> None:
        """A row of an archive that the database still has, or has again, was copied and waits to be deleted."""
        for month, row_id in archive.left_over():
            here = select(audit_leaves.c.seal).where(audit_leaves.c.row_id == row_id, audit_leaves.c.archived.is_(None))
            with reading(self._engine) as connection:
                if connection.execute(here).first() is None:
                    raise ChainBroken(f"row {row_id} was added to the archive of {month}")

    def _anchor(self, anchor: str) -> None:
        with reading(self._engine) as connection:
            here = select(audit_seals.c.number).where(audit_seals.c.hash == anchor)
            if connection.execute(here).first() is None:
                raise ChainBroken(f"the head {anchor} is not in the chain: seals were taken away or made anew")


_TABLES: Mapping[Kind, Table] = {Kind.DECISION: decisions, Kind.REVIEW: reviews, Kind.ACT: audit_acts}


def _first_number(connection: Connection, since: datetime | None) -> int:
    """The number of the first seal that was made at `since` or later; past the last one when there is none."""
    if since is None:
        return 1
    earlier = select(func.max(audit_seals.c.number)).where(audit_seals.c.made_at < iso_utc(since))
    return (connection.execute(earlier).scalar_one() or 0) + 1


def _read_seals(engine: Engine, first: int, last: int) -> Iterator[Seal]:
    number = audit_seals.c.number
    while first <= last:
        query = select(audit_seals).where(number >= first, number <= last).order_by(number).limit(ROWS_A_SEAL)
        with reading(engine) as connection:
            page = [Seal(**row) for row in connection.execute(query).mappings()]
        if not page:
            return
        yield from page
        first = page[-1].number + 1


def _pages(engine: Engine, first: int, last: int) -> Iterator[Row[Any]]:
    """Leaves with their rows, in order; each page is one statement, so that no erasure falls between a leaf and its
    row."""
    place, after = tuple_(audit_leaves.c.seal, audit_leaves.c.position), (first, -1)
    query = _LEAVES.where(audit_leaves.c.seal <= last).order_by(audit_leaves.c.seal, audit_leaves.c.position)
    while True:
        with reading(engine) as connection:
            page = connection.execute(query.where(place > after).limit(ROWS_A_SEAL)).all()
        yield from page
        if len(page) < ROWS_A_SEAL:
            return
        after = (page[-1].leaf_seal, page[-1].leaf_position)


def _labelled(table: Table, prefix: str) -> list[Any]:
    return [column.label(f"{prefix}_{column.name}") for column in table.c]


_LEAVES: Select[Any] = (
    select(
        *_labelled(audit_leaves, "leaf"),
        *_labelled(decisions, "decision"),
        listings.c.body.label("decision_body"),
        *_labelled(reviews, "review"),
        cases.c.decision_id.label("review_reviewed"),
        *_labelled(audit_acts, "act"),
    )
    .outerjoin(decisions, decisions.c.decision_id == audit_leaves.c.row_id)
    .outerjoin(listings, listings.c.digest == decisions.c.listing_digest)
    .outerjoin(reviews, reviews.c.review_id == audit_leaves.c.row_id)
    .outerjoin(cases, cases.c.case_id == reviews.c.case_id)
    .outerjoin(audit_acts, audit_acts.c.act_id == audit_leaves.c.row_id)
)


def _values(row: Row[Any], kind: Kind) -> Mapping[str, Any] | None:
    """The row of the leaf's kind, None when there is none."""
    values = {name.removeprefix(f"{kind}_"): value for name, value in row._mapping.items() if name.startswith(kind)}
    return values if values[f"{kind}_id"] is not None else None


def _is_committed(content: Content, salt: bytes | None, commitment: bytes) -> bool:
    return salt is not None and content.commitment(salt) == commitment


def _has_its_listing(values: Mapping[str, Any]) -> bool:
    return values["body"] is not None and digest_of_body(values["body"]) == values["listing_digest"]
