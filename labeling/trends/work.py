"""Work that came in and work that was done: cases opened, cases reviewed, and how many waited in between."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Column, ColumnElement, Connection, func, literal_column, select, true

from fairstall.labeling.trends.conditions import case_of_market, case_shows, made_in
from fairstall.labeling.trends.scope import Scope
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.records.history import not_taken_back
from fairstall.records.tables import cases, reviews


@dataclass(frozen=True, slots=True)
class Piece:
    """One hour or day. `waiting`: the open cases at its end."""

    begin: datetime
    opened: int
    violations: int
    compliant: int
    waiting: int

    @property
    def reviewed(self) -> int:
        return self.violations + self.compliant


def read_work(connection: Connection, scope: Scope, *, waiting_now: int, now: datetime) -> tuple[Piece, ...]:
    """Each piece of the period. What waited then follows from what waits now, and from what came and went since.

    A case that was closed without a review, since its seller's data were erased, counts as if it had never been opened
    for the time before; reviews that were taken back do not count.
    """
    since_then = replace(scope, until=now)
    opened = _opened(connection, scope, since_then)
    reviewed = _reviewed(connection, scope, since_then)
    pieces: list[Piece] = []
    waiting = waiting_now
    last = scope.pieces[-1]
    waiting -= sum(count for key, count in opened.items() if key > scope.key(last))
    waiting += sum(count for (key, _), count in reviewed.items() if key > scope.key(last))
    for begin in reversed(scope.pieces):
        key = scope.key(begin)
        found = (reviewed[key, ReviewVerdict.VIOLATION], reviewed[key, ReviewVerdict.COMPLIANT])
        pieces.append(Piece(begin, opened[key], *found, waiting=max(0, waiting)))
        waiting += sum(found) - opened[key]
    return tuple(reversed(pieces))


def _opened(connection: Connection, scope: Scope, span: Scope) -> Mapping[str, int]:
    conditions = (case_shows(scope.policy), case_of_market(scope.market))
    key = _key(cases.c.opened_at, scope)
    query = select(key, func.count()).where(made_in(cases.c.case_id, span), *conditions)
    rows = connection.execute(query.group_by(literal_column("1")))
    return Counter({row[0]: row[1] for row in rows})


def _reviewed(connection: Connection, scope: Scope, span: Scope) -> Mapping[tuple[str, str], int]:
    key = _key(reviews.c.decided_at, scope)
    query = select(key, reviews.c.verdict, func.count()).where(made_in(reviews.c.review_id, span), not_taken_back())
    if scope.policy or scope.market:
        query = query.join(cases, reviews.c.case_id == cases.c.case_id).where(_of_case(scope))
    grouped = query.group_by(literal_column("1"), literal_column("2"))
    return Counter({(piece, verdict): count for piece, verdict, count in connection.execute(grouped)})


def _of_case(scope: Scope) -> ColumnElement[bool]:
    return true() & case_shows(scope.policy) & case_of_market(scope.market)


def _key(moment: Column[str], scope: Scope) -> ColumnElement[str]:
    return func.substr(moment, 1, scope.step.characters)
