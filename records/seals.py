"""Seals: each is the Merkle root of rows that were committed since the last one, chained to it. None is ever changed.

Writers of decisions know nothing of it. Rows become visible in another order than their ids say (other writers, clocks
that step back), so each pass looks again at the last ten minutes.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Engine, Select, func, insert, literal_column, select

from fairstall.model.errors import NotFound
from fairstall.model.identifiers import earliest_id, time_ordered_id
from fairstall.model.wire import iso_utc
from fairstall.records.engine import give_way, reading, take_keeping_turn, writing
from fairstall.records.leaves import CONTENT, SALT_BYTES, Content, Kind, canonical_json, merkle_root
from fairstall.records.tables import audit_acts, audit_leaves, audit_seals, cases, decisions, reviews

LATE_BY = timedelta(minutes=10)
ROWS_A_SEAL = 500
NOTHING_BEFORE = "0" * 64


@dataclass(frozen=True, slots=True)
class Seal:
    """One row of `audit_seals`. Times as `iso_utc` writes them, hashes in hexadecimal."""

    number: int
    made_at: str
    settled_at: str | None
    leaves: int
    root: str
    previous: str
    hash: str = ""

    def sealed(self) -> str:
        """What `hash` has to be: SHA-256 of everything else, under a prefix that no leaf and no node has."""
        body = {name: value for name, value in asdict(self).items() if name != "hash"}
        return hashlib.sha256(b"\x02" + canonical_json(body)).hexdigest()


@dataclass(frozen=True, slots=True)
class _Found:
    content: Content
    erased_at: str | None


class Sealing:
    """One pass over what is not sealed yet, in the order of ids.

    `late`: from the beginning, so that also rows are taken which came later than any should. Several processes may be
    at it: of two that seal the same rows, the second looks again.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime], *, late: bool = False) -> None:
        self._engine = engine
        self._clock = clock
        self._settled_at = clock() - LATE_BY
        self._late = late
        self._after: dict[Kind, str] = {}

    def next(self) -> Seal | None:
        """Seal up to 500 rows; None when all are sealed. Raises StoreUnavailable."""
        while True:
            with reading(self._engine, patient=True) as connection:
                last = newest_seal(connection)
                found = self._unsealed(connection, last)
            if not found:
                return None
            seal, rows = self._made(last, found)
            with writing(self._engine, patient=True) as connection:
                take_keeping_turn(connection)
                if newest_seal(connection) == last and _unchanged(connection, found):
                    connection.execute(insert(audit_seals), [asdict(seal)])
                    connection.execute(insert(audit_leaves), rows)
                    self._after |= {one.content.kind: one.content.row_id for one in found}
                    return seal

    def _unsealed(self, connection: Connection, last: Seal | None) -> list[_Found]:
        found: list[_Found] = []
        for kind, (query, row_id) in _SOURCES.items():
            since = self._after.get(kind) or self._since(last)
            page = query.where(_sealed(row_id).is_(None), row_id >= since).order_by(row_id)
            rows = connection.execute(page.limit(ROWS_A_SEAL - len(found))).mappings()
            found += [_Found(CONTENT[kind](dict(row)), row.get("erased_at")) for row in rows]
        return found

    def _since(self, last: Seal | None) -> str:
        """The earlier of what was settled and what may be late by the clock of now, should it have stepped back."""
        if self._late or last is None or last.settled_at is None:
            return ""
        return earliest_id(min(datetime.fromisoformat(last.settled_at), self._settled_at))

    def _made(self, last: Seal | None, found: Sequence[_Found]) -> tuple[Seal, list[dict[str, Any]]]:
        number = last.number + 1 if last else 1
        rows = [_leaf_row(number, position, one.content) for position, one in enumerate(found)]
        before = last.settled_at if last else None
        seal = Seal(
            number=number,
            made_at=iso_utc(self._clock()),
            settled_at=iso_utc(self._settled_at) if len(found) < ROWS_A_SEAL else before,
            leaves=len(rows),
            root=merkle_root([row["hash"] for row in rows]).hex(),
            previous=last.hash if last else NOTHING_BEFORE,
        )
        return Seal(**asdict(seal) | {"hash": seal.sealed()}), rows


def seal_all(engine: Engine, clock: Callable[[], datetime]) -> int:
    """Seal whatever is not sealed; how many rows that were."""
    return _run(engine, Sealing(engine, clock))


def seal_late(engine: Engine, clock: Callable[[], datetime], *, actor: str, reason: str) -> int:
    """Seal also rows that came later than any should, and tell in the chain who did so and why; how many rows."""
    with writing(engine) as connection:
        add_act(connection, "late_seal", actor, {"reason": reason}, clock())
    return _run(engine, Sealing(engine, clock, late=True))


def _run(engine: Engine, sealing: Sealing) -> int:
    rows = 0
    while seal := sealing.next():
        rows += seal.leaves
        if seal.leaves == ROWS_A_SEAL:
            give_way(engine)
    return rows


def newest_seal(connection: Connection) -> Seal | None:
    """The head of the chain, None when nothing was sealed yet."""
    row = connection.execute(select(audit_seals).order_by(audit_seals.c.number.desc()).limit(1)).one_or_none()
    return Seal(**row._mapping) if row else None


def head(engine: Engine) -> Seal:
    """The newest seal. Raises NotFound when nothing was sealed yet."""
    with reading(engine) as connection:
        newest = newest_seal(connection)
    if newest is None:
        raise NotFound("nothing is sealed yet: a running service does so by itself, or `fairstall audit seal` now")
    return newest


def add_act(
    connection: Connection, kind: str, actor: str, body: dict[str, Any], now: datetime, act_id: str | None = None
) -> None:
    """Record what somebody did to the ledger, inside the transaction that does it; the next seal takes it up."""
    row = {"act_id": act_id or time_ordered_id(now), "kind": kind, "actor": actor, "body": body}
    connection.execute(insert(audit_acts), [row | {"happened_at": iso_utc(now)}])


_SOURCES: dict[Kind, tuple[Select[Any], Column[str]]] = {
    Kind.DECISION: (select(decisions), decisions.c.decision_id),
    Kind.REVIEW: (
        select(reviews, cases.c.decision_id.label("reviewed")).join(cases, reviews.c.case_id == cases.c.case_id),
        reviews.c.review_id,
    ),
    Kind.ACT: (select(audit_acts), audit_acts.c.act_id),
}


def _sealed(row_id: Column[str]) -> Any:
    """1 for a sealed row: a look into an index for each row, where a join would let a database read all leaves."""
    found: Select[Any] = select(literal_column("1")).where(audit_leaves.c.row_id == row_id).limit(1)
    return found.correlate(row_id.table).scalar_subquery()


def _unchanged(connection: Connection, found: Sequence[_Found]) -> bool:
    """Whether nothing of it was erased since it was read."""
    for table, row_id in ((decisions, decisions.c.decision_id), (reviews, reviews.c.review_id)):
        ids = [one.content.row_id for one in found if one.erased_at is None]
        erased = select(func.count()).where(row_id.in_(ids), table.c.erased_at.is_not(None))
        if connection.execute(erased).scalar_one():
            return False
    return True


def _leaf_row(seal: int, position: int, content: Content) -> dict[str, Any]:
    salt = secrets.token_bytes(SALT_BYTES)
    commitment = content.commitment(salt)
    return {
        "seal": seal,
        "position": position,
        "kind": str(content.kind),
        "row_id": content.row_id,
        "hash": content.leaf(commitment),
        "commitment": commitment,
        "salt": salt,
    }
