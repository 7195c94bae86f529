"""Decisions that the model took alone and that people looked at again, and which of them they overturned.

People look again in cases of the control sample, of appeals, of reports and the like: save for the control sample that
is no random choice. How often the model is wrong is for `sample`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, Connection, Row, Select, exists, select

from fairstall.labeling.trends.conditions import BESIDE_DOUBT, case_of_market, made_in
from fairstall.labeling.trends.scope import Scope
from fairstall.model.decide import Outcome
from fairstall.model.decision import MODEL_ACTOR
from fairstall.model.wire import assessment_from_body
from fairstall.records.blocked import policies_blocked_for
from fairstall.records.history import not_taken_back
from fairstall.records.tables import cases, decisions, reviews

ALONE = (str(Outcome.APPROVE), str(Outcome.BLOCK))


@dataclass(frozen=True, slots=True)
class LookedAt:
    """A block or an approval of the model that somebody has reviewed. `policies`: what it was blocked for, by the model
    or, where a person blocked what the model had approved, by him.
    """

    decision_id: str
    outcome: Outcome
    overturned: bool
    policies: frozenset[str]


@dataclass(frozen=True, slots=True)
class Overturns:
    """One outcome of the model, looked at again. `by_policy`: policy, looked at, overturned; for approvals, which are
    for no policy, both are the overturned ones.
    """

    outcome: Outcome
    looked_at: int
    overturned: int
    by_policy: tuple[tuple[str, int, int], ...]


def read_looked_at(connection: Connection, scope: Scope) -> tuple[LookedAt, ...]:
    """Those of the decisions of the period that were looked at since, in the order of time."""
    roots = _roots(scope)
    standing = {row.root: row for row in connection.execute(_ends(roots))}
    named = _named(
        connection,
        [row.decision_id for row in standing.values() if row.outcome == Outcome.BLOCK and row.decision_id != row.root],
    )
    found = [_looked_at(row, standing[row.decision_id], named) for row in connection.execute(_assessed(roots))]
    return tuple(one for one in found if scope.policy is None or scope.policy in one.policies)


def overturns(found: Iterable[LookedAt], outcome: Outcome) -> Overturns:
    """What became of the decisions with that outcome."""
    of_outcome = [one for one in found if one.outcome is outcome]
    looked_at, overturned = Counter[str](), Counter[str]()
    for one in of_outcome:
        looked_at.update(one.policies)
        overturned.update(one.policies if one.overturned else ())
    rows = sorted(((code, count, overturned[code]) for code, count in looked_at.items()), key=_most_overturned)
    return Overturns(outcome, len(of_outcome), sum(one.overturned for one in of_outcome), tuple(rows))


def _most_overturned(row: tuple[str, int, int]) -> tuple[int, int, str]:
    return -row[2], -row[1], row[0]


def _roots(scope: Scope) -> CTE:
    """The ids of the model's own decisions that a standing review is about."""
    reviewed = exists().where(reviews.c.case_id == cases.c.case_id, not_taken_back())
    return (
        select(decisions.c.decision_id)
        .join(cases, cases.c.decision_id == decisions.c.decision_id)
        .where(BESIDE_DOUBT, made_in(cases.c.decision_id, scope), reviewed)
        .where(decisions.c.outcome.in_(ALONE), decisions.c.actor == MODEL_ACTOR)
        .where(case_of_market(scope.market))
        .distinct()
        .cte("roots")
    )


def _ends(roots: CTE) -> Select[Any]:
    """The decision in force at the end of each root's chain of overrides."""
    columns = (decisions.c.decision_id, decisions.c.outcome)
    first = select(roots.c.decision_id.label("root"), *columns)
    chain = first.join(decisions, decisions.c.decision_id == roots.c.decision_id).cte("chain", recursive=True)
    chain = chain.union_all(
        select(chain.c.root, *columns).join_from(chain, decisions, decisions.c.overrides == chain.c.decision_id)
    )
    newer = decisions.alias("newer")
    return select(chain).where(~exists().where(newer.c.overrides == chain.c.decision_id))


def _assessed(roots: CTE) -> Select[Any]:
    columns = (decisions.c.decision_id, decisions.c.outcome, decisions.c.assessment)
    joined = select(*columns).join(roots, decisions.c.decision_id == roots.c.decision_id)
    return joined.order_by(decisions.c.decision_id)


def _named(connection: Connection, ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """The policies that people blocked for, by the decision that their review wrote."""
    query = select(reviews.c.decision_id, reviews.c.policies).where(reviews.c.decision_id.in_(ids))
    return {decision_id: frozenset(policies) for decision_id, policies in connection.execute(query)}


def _looked_at(row: Row[Any], standing: Row[Any], named: dict[str, frozenset[str]]) -> LookedAt:
    outcome, overturned = Outcome(row.outcome), standing.outcome != row.outcome
    if outcome is Outcome.BLOCK:
        policies = frozenset(policies_blocked_for(assessment_from_body(row.assessment)))
    else:
        policies = named.get(standing.decision_id, frozenset()) if overturned else frozenset()
    return LookedAt(row.decision_id, outcome, overturned, policies)
