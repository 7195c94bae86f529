"""Fingerprints made anew for the blocks that stand: those from before there were any, and those of another version."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, and_, delete, exists, insert, select

from fairstall.model.decide import Outcome
from fairstall.model.fingerprint import VERSION, fingerprint
from fairstall.model.view import view_listing
from fairstall.model.wire import assessment_from_body, iso_utc
from fairstall.records.blocked import policies_blocked_for
from fairstall.records.engine import writing
from fairstall.records.history import not_taken_back
from fairstall.records.ledger import listing_from_body
from fairstall.records.tables import blocked_prints, decisions, listings, reviews

ROWS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many blocks that stand were looked at, and how many of them got a fingerprint."""

    looked_at: int
    made: int


def rebuild_prints(engine: Engine, clock: Callable[[], datetime]) -> Iterator[Rebuilt]:
    """Make what is missing, a hundred blocks in a transaction, each of which is told. Running servers take it up."""
    last = ""
    while True:
        with writing(engine) as connection:
            ids = connection.execute(_blocks_after(last)).scalars().all()
            if not ids:
                return
            rows = connection.execute(_lacking(ids)).all()
            made = _make(connection, rows, iso_utc(clock()))
        last = ids[-1]
        yield Rebuilt(len(rows), made)


def _blocks_after(last: str) -> Select[Any]:
    """Locked, so that nobody overturns one of them before its fingerprint is there to be withdrawn."""
    query = select(decisions.c.decision_id).where(decisions.c.outcome == Outcome.BLOCK, decisions.c.decision_id > last)
    return query.order_by(decisions.c.decision_id).limit(ROWS_AT_ONCE).with_for_update()


def _lacking(ids: Sequence[str]) -> Select[Any]:
    """Those that stand without a fingerprint of this version, and what is needed to make one."""
    newer, prints = decisions.alias("newer"), blocked_prints
    named = and_(reviews.c.decision_id == decisions.c.decision_id, not_taken_back())
    columns = (decisions.c.decision_id, decisions.c.listing_id, decisions.c.decided_at, decisions.c.assessment)
    return (
        select(*columns, listings.c.body, reviews.c.policies.label("named"), prints.c.policies.label("before"))
        .join(listings, decisions.c.listing_digest == listings.c.digest)
        .outerjoin(reviews, named)
        .outerjoin(prints, prints.c.decision_id == decisions.c.decision_id)
        .where(decisions.c.decision_id.in_(ids), prints.c.version.is_distinct_from(VERSION))
        .where(~exists().where(newer.c.overrides == decisions.c.decision_id), decisions.c.erased_at.is_(None))
        .order_by(decisions.c.decision_id)
    )


def _make(connection: Connection, rows: Sequence[Row[Any]], now: str) -> int:
    made = [values for row in rows if (values := _values(row, now))]
    if made:
        old = [values["decision_id"] for values in made]
        connection.execute(delete(blocked_prints).where(blocked_prints.c.decision_id.in_(old)))
        connection.execute(insert(blocked_prints), made)
    return len(made)


def _values(row: Row[Any], now: str) -> dict[str, Any] | None:
    found = fingerprint(view_listing(listing_from_body(row.body)))
    if found is None:
        return None
    return {
        "decision_id": row.decision_id,
        "listing_id": row.listing_id,
        "policies": row.named or row.before or list(policies_blocked_for(assessment_from_body(row.assessment))),
        "print": found,
        "version": VERSION,
        "made_at": row.decided_at,
        "changed_at": now,
    }
