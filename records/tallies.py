"""Decisions counted by hour, market, outcome and policy, so that months of them are read in a moment.

Every decision is counted once, some minutes after it was stored. What is counted stays when a month is archived.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Select,
    and_,
    exists,
    func,
    literal_column,
    select,
    true,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from fairstall.model.decision import MODEL_ACTOR
from fairstall.model.identifiers import earliest_id, moment_of
from fairstall.records.engine import reading, writing
from fairstall.records.idempotency import insert_new
from fairstall.records.tables import Json, decision_tallies, decisions, listings, tally_marks

SETTLED_AFTER = timedelta(minutes=2)  # by then whatever has an earlier id is committed, and clocks have been set
ROWS_AT_ONCE = 10_000
MARKETS_AT_ONCE = 50  # of which the counts are kept apart; callers choose what they call a market
OTHER_MARKETS = "others"
ALL_POLICIES = ""
_MARK = "decisions"


@dataclass(frozen=True, slots=True)
class _Cell:
    """What decisions are counted by; the primary key of a tally."""

    policy: str
    hour: str
    market: str
    by_model: bool
    outcome: str


class Tallying:
    """Counts what is not counted yet, piece by piece. Several processes may be at it: each piece counts once."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime], *, rows_at_once: int = ROWS_AT_ONCE) -> None:
        self._engine = engine
        self._settled = earliest_id(clock() - SETTLED_AFTER)
        self._rows_at_once = rows_at_once

    def next(self) -> bool:
        """Count up to `rows_at_once` decisions; False when all of them are counted. Raises StoreUnavailable."""
        with reading(self._engine) as connection:
            before = _last(connection)
            last = self._end(connection, before)
            if last is None:
                return False
            counts = _counts(connection, before, last)
        with writing(self._engine) as connection:
            if _move(connection, before, last):
                _add(connection, counts)
        return True

    def _end(self, connection: Connection, before: str) -> str | None:
        """The last decision of the next piece, None when there is none."""
        waiting = and_(decisions.c.decision_id > before, decisions.c.decision_id < self._settled)
        piece = select(decisions.c.decision_id).where(waiting).order_by(decisions.c.decision_id)
        some = piece.limit(self._rows_at_once).subquery()
        last: str | None = connection.execute(select(func.max(some.c.decision_id))).scalar_one()
        return last


def counted_until(connection: Connection) -> datetime | None:
    """The moment, in UTC, before which the decisions that are counted were made; None when nothing was counted yet."""
    last = _last(connection)
    return moment_of(last) + timedelta(milliseconds=1) if last else None


def names_policy(connection: Connection, code: str) -> ColumnElement[bool]:
    """That a row of `decisions` has a finding on a policy."""
    if connection.dialect.name == "postgresql":
        found = type_coerce(decisions.c.assessment["findings"], postgresql.JSONB)
        return found.contains([{"policy": code}])
    findings = func.json_each(decisions.c.assessment, "$.findings").table_valued("value", name="found")
    return exists().select_from(findings).where(func.json_extract(findings.c.value, "$.policy") == code)


def market_of_listing() -> ColumnElement[str]:
    """The market that a row of `listings` names, or an empty text."""
    return func.coalesce(listings.c.body["market"].as_string(), literal_column("''"))


def _last(connection: Connection) -> str:
    """The last decision that is counted; an empty text, which sorts before all, when none is."""
    found = select(tally_marks.c.last).where(tally_marks.c.name == _MARK)
    return connection.execute(found).scalar_one_or_none() or ""


def _move(connection: Connection, before: str, last: str) -> bool:
    """Whether nobody else counted from the same place."""
    if before:
        mine = update(tally_marks).where(tally_marks.c.name == _MARK, tally_marks.c.last == before)
        move: Any = mine.values(last=last)
    else:
        move = insert_new(connection, tally_marks).values(name=_MARK, last=last)
    return connection.execute(move.returning(tally_marks.c.name)).first() is not None


def _counts(connection: Connection, before: str, last: str) -> Counter[_Cell]:
    span = and_(decisions.c.decision_id > before, decisions.c.decision_id <= last)
    counts: Counter[_Cell] = Counter()
    for query in (_by_listing(span), _by_policy(connection, span)):
        for policy, hour, market, by_model, outcome, number in connection.execute(query):
            counts[_Cell(policy, hour, market[:64], bool(by_model), outcome)] += number
    return _few_markets(counts)


def _by_listing(span: ColumnElement[bool]) -> Select[Any]:
    return _counted(literal_column("''"), decisions, span)


def _by_policy(connection: Connection, span: ColumnElement[bool]) -> Select[Any]:
    """Once for each policy that a decision has a finding on; there is one finding on a policy."""
    if connection.dialect.name == "postgresql":
        findings = func.jsonb_array_elements(decisions.c.assessment["findings"])
        found = findings.table_valued("value", name="found").render_derived()
        policy = type_coerce(found.c.value, Json)["policy"].as_string()
    else:
        found = func.json_each(decisions.c.assessment, "$.findings").table_valued("value", name="found")
        policy = func.json_extract(found.c.value, "$.policy")
    return _counted(policy, decisions.join(found, true()), span)


def _counted(policy: Any, source: Any, span: ColumnElement[bool]) -> Select[Any]:
    hour = func.substr(decisions.c.decided_at, 1, 13)
    parts = (
        policy.label("policy"),
        hour.label("hour"),
        market_of_listing().label("market"),
        (decisions.c.actor == literal_column(f"'{MODEL_ACTOR}'")).label("by_model"),
        decisions.c.outcome.label("outcome"),
    )
    joined = source.join(listings, decisions.c.listing_digest == listings.c.digest)
    numbered = range(1, len(parts) + 1)
    return select(*parts, func.count()).select_from(joined).where(span).group_by(*map(_position, numbered))


def _position(number: int) -> ColumnElement[Any]:
    return literal_column(str(number))


def _few_markets(counts: Counter[_Cell]) -> Counter[_Cell]:
    sizes: Counter[str] = Counter()
    for cell, number in counts.items():
        sizes[cell.market] += number
    kept = {market for market, _ in sizes.most_common(MARKETS_AT_ONCE)}
    few: Counter[_Cell] = Counter()
    for cell, number in counts.items():
        market = cell.market if cell.market in kept else OTHER_MARKETS
        few[_Cell(cell.policy, cell.hour, market, cell.by_model, cell.outcome)] += number
    return few


def _add(connection: Connection, counts: Counter[_Cell]) -> None:
    if counts:
        connection.execute(_adding(connection), list(_rows(counts)))


def _rows(counts: Counter[_Cell]) -> Iterator[dict[str, Any]]:
    for cell, number in counts.items():
        yield {
            "policy": cell.policy,
            "hour": cell.hour,
            "market": cell.market,
            "by_model": cell.by_model,
            "outcome": cell.outcome,
            "decisions": number,
        }


def _adding(connection: Connection) -> Insert:
    added = {"decisions": decision_tallies.c.decisions + literal_column("excluded.decisions")}
    key: Sequence[Any] = list(decision_tallies.primary_key.columns)
    if connection.dialect.name == "postgresql":
        return postgresql.insert(decision_tallies).on_conflict_do_update(index_elements=key, set_=added)
    return sqlite.insert(decision_tallies).on_conflict_do_update(index_elements=key, set_=added)
