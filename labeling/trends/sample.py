"""How often the model is right when it decides alone, by the control sample.

The model sends what it doubts to people and decides the rest. Of what it decides, the control sample draws listings at
random and people review them blind, so these reviews, and no others, say how good the rest is. Listings that went to
review are no part of it.

Shares are weighted by one over the probability with which each listing was drawn, as it was stored with its decision
(Hájek 1971). The interval is Wilson's for the effective number of observations, `(sum w)^2 / sum w^2` (Kish 1965),
where all decisions on one listing, which are drawn together, count as one. With equal weights that is their number.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, literal_column, select

from fairstall.labeling.trends.conditions import BESIDE_DOUBT, case_of_market, made_in
from fairstall.labeling.trends.scope import Scope
from fairstall.model.decide import Outcome
from fairstall.model.decision import MODEL_ACTOR
from fairstall.model.intervals import wilson
from fairstall.model.wire import assessment_from_body
from fairstall.records.blocked import policies_blocked_for
from fairstall.records.history import not_taken_back
from fairstall.records.tables import cases, decisions, reviews

CONFIDENCE = 0.95
LEAST_REVIEWED = 10  # below it nothing is said


@dataclass(frozen=True, slots=True)
class Drawn:
    """A decision of the model whose listing was drawn. `weight`: how many decisions it stands for. `blocked_for`: the
    policies, none for an approval. `violated`: what its blind review names, None when nobody has reviewed it.
    """

    case_id: str
    listing_id: str
    outcome: Outcome
    weight: float
    blocked_for: frozenset[str]
    violated: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class SampledShare:
    """A share of the decisions that the drawn ones stand for, and its 95 % interval; None where too few were reviewed.

    `hits` of the `reviewed` are counted in it, `waiting` are drawn and not reviewed, and all of them stand for
    `stands_for` decisions.
    """

    policy: str | None
    share: float | None
    low: float
    high: float
    hits: int
    reviewed: int
    waiting: int
    stands_for: float


def read_drawn(connection: Connection, scope: Scope) -> tuple[Drawn, ...]:
    """The drawn ones among the decisions of the period that the model took alone, in the order of time."""
    of_decision = (decisions.c.listing_id, decisions.c.outcome, decisions.c.assessment)
    its_review = and_(reviews.c.case_id == cases.c.case_id, not_taken_back())
    query: Select[Any] = (
        select(cases.c.case_id, *of_decision, reviews.c.policies)
        .join(decisions, cases.c.decision_id == decisions.c.decision_id)
        .outerjoin(reviews, its_review)
        .where(BESIDE_DOUBT, cases.c.reason == literal_column("'control'"), made_in(cases.c.decision_id, scope))
        .where(decisions.c.actor == MODEL_ACTOR, case_of_market(scope.market))
        .where(decisions.c.assessment["sampling"]["inclusion_probability"].as_float() > 0)
        .order_by(cases.c.decision_id)
    )
    return tuple(_drawn(row) for row in connection.execute(query))


def block_precision(found: Iterable[Drawn], policy: str | None = None) -> SampledShare:
    """The share of violations among what the model blocked; with a policy, of those for it that violate it."""
    blocked = [one for one in found if one.outcome is Outcome.BLOCK and (policy is None or policy in one.blocked_for)]
    return _share(policy, blocked, lambda violated: policy in violated if policy else bool(violated))


def missed_violations(found: Iterable[Drawn], policy: str | None = None) -> SampledShare:
    """The share of violations, of one policy or of any, among what the model approved."""
    approved = [one for one in found if one.outcome is Outcome.APPROVE]
    return _share(policy, approved, lambda violated: policy in violated if policy else bool(violated))


def policies_blocked(found: Iterable[Drawn]) -> tuple[str, ...]:
    """The policies for which something drawn was blocked."""
    return tuple(sorted({code for one in found for code in one.blocked_for}))


def policies_missed(found: Iterable[Drawn]) -> tuple[str, ...]:
    """The policies that something approved was found to violate."""
    return tuple(sorted({code for one in found if one.outcome is Outcome.APPROVE for code in one.violated or ()}))


def _share(policy: str | None, found: list[Drawn], hits: Callable[[frozenset[str]], bool]) -> SampledShare:
    reviewed = [(one, hits(one.violated)) for one in found if one.violated is not None]
    weight = sum(one.weight for one, _ in reviewed)
    share: float | None = None
    low, high = 0.0, 1.0
    if len(reviewed) >= LEAST_REVIEWED:
        share = sum(one.weight for one, hit in reviewed if hit) / weight
        interval = wilson(share, _effective(one for one, _ in reviewed), confidence=CONFIDENCE)
        low, high = interval.low, interval.high
    return SampledShare(
        policy,
        share,
        low,
        high,
        hits=sum(hit for _, hit in reviewed),
        reviewed=len(reviewed),
        waiting=len(found) - len(reviewed),
        stands_for=sum(one.weight for one in found),
    )


def _effective(found: Iterable[Drawn]) -> float:
    weights: dict[str, float] = {}
    for one in found:
        weights[one.listing_id] = weights.get(one.listing_id, 0.0) + one.weight
    return sum(weights.values()) ** 2 / sum(weight**2 for weight in weights.values())


def _drawn(row: Row[Any]) -> Drawn:
    assessment = assessment_from_body(row.assessment)
    blocks = assessment.outcome is Outcome.BLOCK
    return Drawn(
        case_id=row.case_id,
        listing_id=row.listing_id,
        outcome=assessment.outcome,
        weight=1 / assessment.sampling.inclusion_probability,
        blocked_for=frozenset(policies_blocked_for(assessment)) if blocks else frozenset(),
        violated=None if row.policies is None else frozenset(row.policies),
    )
