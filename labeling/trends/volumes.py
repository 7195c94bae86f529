"""Decisions of the model by outcome and by policy, from what is counted by the hour in `records.tallies`."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, func, literal_column, select, true

from fairstall.labeling.trends.scope import Scope
from fairstall.model.decide import Outcome
from fairstall.model.wire import iso_utc
from fairstall.records.tables import decision_tallies
from fairstall.records.tallies import ALL_POLICIES, OTHER_MARKETS


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How many decisions of the model had which outcome."""

    approved: int = 0
    review: int = 0
    blocked: int = 0

    @property
    def total(self) -> int:
        return self.approved + self.review + self.blocked

    @property
    def automated(self) -> float | None:
        """The share that no person was asked about, 0 to 1; None when there was none."""
        return (self.approved + self.blocked) / self.total if self.total else None

    def __add__(self, other: "Outcomes") -> "Outcomes":
        return Outcomes(self.approved + other.approved, self.review + other.review, self.blocked + other.blocked)


@dataclass(frozen=True, slots=True)
class Volumes:
    """`pieces`: each hour or day of the period. `policies`: decisions with a finding on it, in all and by piece, the
    most frequent first. `markets`: those that listings named, for choosing one.
    """

    pieces: Mapping[datetime, Outcomes]
    policies: Mapping[str, Outcomes]
    policy_pieces: Mapping[str, tuple[int, ...]]
    markets: tuple[str, ...]

    @property
    def total(self) -> Outcomes:
        return sum(self.pieces.values(), Outcomes())


def read_volumes(connection: Connection, scope: Scope) -> Volumes:
    """What was counted in the period; without a policy all decisions, with one those that have a finding on it."""
    of_policy = decision_tallies.c.policy == (scope.policy or ALL_POLICIES)
    counts = {(piece, outcome): count for _, piece, outcome, count in _counts(connection, scope, of_policy)}
    pieces = {begin: _outcomes(counts, scope.key(begin)) for begin in scope.pieces}
    found = _counts(connection, scope, of_policy if scope.policy else decision_tallies.c.policy != ALL_POLICIES)
    by_policy: Counter[tuple[str, str]] = Counter()
    by_piece: Counter[tuple[str, str]] = Counter()
    for policy, piece, outcome, count in found:
        by_policy[policy, outcome] += count
        by_piece[policy, piece] += count
    policies = {policy: _outcomes(by_policy, policy) for policy in {policy for policy, _ in by_policy}}
    ordered = dict(sorted(policies.items(), key=lambda pair: (-pair[1].total, pair[0])))
    series = {policy: tuple(by_piece[policy, scope.key(begin)] for begin in scope.pieces) for policy in ordered}
    return Volumes(pieces, ordered, series, _markets(connection, scope))


def _counts(connection: Connection, scope: Scope, of_policy: ColumnElement[bool]) -> list[tuple[str, str, str, int]]:
    """(policy, piece, outcome, decisions) of the model."""
    of_market = true() if scope.market is None else decision_tallies.c.market == scope.market
    piece = func.substr(decision_tallies.c.hour, 1, scope.step.characters)
    columns = (decision_tallies.c.policy, piece, decision_tallies.c.outcome)
    grouped = select(*columns, func.sum(decision_tallies.c.decisions)).where(
        of_policy, _hours(scope), of_market, decision_tallies.c.by_model
    )
    rows = connection.execute(grouped.group_by(*(literal_column(str(number)) for number in (1, 2, 3))))
    return [(policy, piece, outcome, int(count)) for policy, piece, outcome, count in rows]


def _markets(connection: Connection, scope: Scope) -> tuple[str, ...]:
    conditions = (decision_tallies.c.policy == ALL_POLICIES, _hours(scope))
    found = connection.execute(select(decision_tallies.c.market).where(*conditions).distinct()).scalars()
    return tuple(sorted(set(found) - {"", OTHER_MARKETS}))


def _hours(scope: Scope) -> ColumnElement[bool]:
    last = scope.until - timedelta(microseconds=1)
    return and_(decision_tallies.c.hour >= iso_utc(scope.since)[:13], decision_tallies.c.hour <= iso_utc(last)[:13])


def _outcomes(counts: Mapping[tuple[str, str], int], key: str) -> Outcomes:
    return Outcomes(*(counts.get((key, outcome), 0) for outcome in (Outcome.APPROVE, Outcome.REVIEW, Outcome.BLOCK)))
