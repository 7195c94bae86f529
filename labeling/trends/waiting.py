"""What waits in the queue now: how much of it, why, for whom, since when and until when."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, case, func, literal_column, select, true

from fairstall.labeling.case_file import shown_reason
from fairstall.labeling.claims import IS_OPEN
from fairstall.labeling.trends.conditions import case_of_market, case_shows
from fairstall.labeling.trends.scope import Scope
from fairstall.model.wire import iso_utc
from fairstall.records.ledger import BLIND_REASONS, CaseReason
from fairstall.records.tables import cases

_AGES = (("under 1 hour", 1), ("1 to 4 hours", 4), ("4 to 24 hours", 24), ("1 to 3 days", 72), ("3 to 7 days", 168))
_DUES = (("within 1 hour", 1), ("1 to 4 hours", 4), ("4 to 24 hours", 24))


@dataclass(frozen=True, slots=True)
class Span:
    """Cases whose time is `first` or later and before `end`, as `iso_utc` writes them; None where it is open."""

    name: str
    first: str | None = None
    end: str | None = None

    def holds(self, column: Column[Any]) -> ColumnElement[bool]:
        after = true() if self.first is None else column >= self.first
        return and_(after, true() if self.end is None else column < self.end)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The open cases, whether somebody is at work on them or not.

    `by_policy` counts under None those without a finding and those that are reviewed blind. `by_age` and `by_due` are
    in the order of time; cases from before there were due times are in none of the latter.
    """

    by_reason: Mapping[CaseReason, int]
    by_policy: Mapping[str | None, int]
    by_lane: Mapping[str, int]
    by_age: Mapping[Span, int]
    by_due: Mapping[Span, int]

    @property
    def total(self) -> int:
        return sum(self.by_reason.values())


def read_waiting(connection: Connection, scope: Scope, now: datetime) -> Waiting:
    """The open cases of a market and a policy at `now`; the period does not matter."""
    ages, dues = age_spans(now), due_spans(now)
    columns = (
        cases.c.reason,
        cases.c.policy,
        cases.c.lane,
        _number_of(cases.c.opened_at, ages),
        _number_of(cases.c.due_at, dues),
    )
    positions: list[ColumnElement[Any]] = [literal_column(str(number)) for number in range(1, len(columns) + 1)]
    shown = (IS_OPEN, case_shows(scope.policy), case_of_market(scope.market))
    reasons: Counter[CaseReason] = Counter()
    policies: Counter[str | None] = Counter()
    lanes: Counter[str] = Counter()
    by_age, by_due = Counter(dict.fromkeys(ages, 0)), Counter(dict.fromkeys(dues, 0))
    query = select(*columns, func.count()).where(*shown).group_by(*positions)
    for name, policy, lane, age, due, count in connection.execute(query):
        reason = shown_reason(name)
        reasons[reason] += count
        policies[None if reason in BLIND_REASONS else policy] += count
        lanes[lane] += count
        by_age[ages[age]] += count
        if due is not None:
            by_due[dues[due]] += count
    return Waiting(dict(reasons.most_common()), dict(policies.most_common()), dict(lanes.most_common()), by_age, by_due)


def age_spans(now: datetime) -> tuple[Span, ...]:
    """By how long ago a case was opened, the youngest first."""
    spans, end = [], None
    for name, hours in _AGES:
        first = iso_utc(now - timedelta(hours=hours))
        spans.append(Span(name, first, end))
        end = first
    return (*spans, Span("over 7 days", None, end))


def due_spans(now: datetime) -> tuple[Span, ...]:
    """By when a case should be decided, the most pressing first."""
    first = iso_utc(now)
    spans = [Span("overdue", None, first)]
    for name, hours in _DUES:
        end = iso_utc(now + timedelta(hours=hours))
        spans.append(Span(name, first, end))
        first = end
    return (*spans, Span("later", first, None))


def _number_of(column: Column[Any], spans: Sequence[Span]) -> ColumnElement[Any]:
    """The place of the span that a time lies in; null for none."""
    places: list[tuple[ColumnElement[bool], ColumnElement[Any]]] = [
        (span.holds(column), literal_column(str(place))) for place, span in enumerate(spans)
    ]
    return case((column.is_(None), literal_column("NULL")), *places)
