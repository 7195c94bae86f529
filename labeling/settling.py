"""Whose verdict is in force when several people have reviewed a decision, and who settles a disagreement.

Each verb works inside the transaction of a review, which has begun with `lock_decisions`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from fairstall.labeling.claims import CLOSED, IS_OPEN, standing_review
from fairstall.labeling.lanes import SENIOR
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.urgency import urgency_of
from fairstall.model.wire import iso_utc
from fairstall.records.ledger import COMPARED, CaseReason
from fairstall.records.tables import cases, decisions, disagreements

FIRST = frozenset({CaseReason.UNCERTAIN, CaseReason.CONTROL})
SETTLING = frozenset(CaseReason) - FIRST - COMPARED
HARM_OF_A_DISAGREEMENT = 1.0  # two people have looked, and one of them is wrong


def lock_decisions(connection: Connection, case_ids: Sequence[str]) -> None:
    """Make whoever reviews the same decisions in other cases wait: each then sees what the others said.

    It comes before anything is changed, the oldest decision first, as in an erasure, so that nobody waits for somebody
    who waits for him.
    """
    connection.execute(_LOCKED, {"case_ids": case_ids})


def looked_at_again(connection: Connection, decision_ids: Collection[str]) -> set[str]:
    """Of these decisions, those that another case is about than the one opened with it: all others are simple."""
    return set(connection.execute(_LOOKED_AT_AGAIN, {"decision_ids": list(decision_ids)}).scalars())


def settle_disagreement(connection: Connection, case: Row[Any], now: datetime) -> None:
    """Open an escalation for the seniors when the first and the second review of a decision stand and disagree.

    `case`: the one that was reviewed just now.
    """
    if CaseReason(case.reason) not in FIRST | {CaseReason.SECOND_OPINION}:
        return
    first = standing_review(connection, case.decision_id, FIRST)
    second = standing_review(connection, case.decision_id, (CaseReason.SECOND_OPINION,))
    if first is None or second is None or not disagree(first, second):
        return
    urgency = urgency_of(now, HARM_OF_A_DISAGREEMENT)
    case_id = time_ordered_id(now)
    values = {
        "case_id": case_id,
        "decision_id": case.decision_id,
        "reason": str(CaseReason.ESCALATION),
        "policy": case.policy,
        "priority": HARM_OF_A_DISAGREEMENT,
        "opened_at": iso_utc(now),
        "urgent_at": iso_utc(urgency.urgent_at),
        "due_at": iso_utc(urgency.due_at),
        "lane": SENIOR,
        "market": case.market,
    }
    found = {
        "case_id": case_id,
        "decision_id": case.decision_id,
        "first_review_id": first.review_id,
        "second_review_id": second.review_id,
        "found_at": iso_utc(now),
    }
    connection.execute(insert(cases).values(values))
    connection.execute(insert(disagreements).values(found))


def withdraw_escalation(connection: Connection, decision_id: str) -> None:
    """Close the escalation that nobody has decided: one of the two reviews is taken back."""
    escalated = select(disagreements.c.case_id).where(disagreements.c.decision_id == decision_id)
    undecided = update(cases).where(IS_OPEN, cases.c.case_id.in_(escalated)).values(CLOSED).returning(cases.c.case_id)
    closed = connection.execute(undecided).scalars().all()
    connection.execute(delete(disagreements).where(disagreements.c.case_id.in_(closed)))


def disagree(one: Any, other: Any) -> bool:
    """Whether two reviews, with `verdict` and `policies`, differ in their verdict or violate no policy in common."""
    return not agree(one.verdict, one.policies, other.verdict, other.policies)


def agree(verdict: str, policies: Collection[str], other: str, other_policies: Collection[str]) -> bool:
    """Whether both say compliant, or both say violation and name one policy in common at least."""
    if verdict != other:
        return False
    return verdict == "compliant" or not set(policies).isdisjoint(other_policies)


# Made once: making a statement takes longer than running it.
_LOCKED = (
    select(decisions.c.decision_id)
    .join(cases, cases.c.decision_id == decisions.c.decision_id)
    .where(cases.c.case_id.in_(bindparam("case_ids", expanding=True)))
    .order_by(decisions.c.decision_id)
    .with_for_update(of=decisions, key_share=True)
)
_LOOKED_AT_AGAIN = select(cases.c.decision_id).where(
    cases.c.decision_id.in_(bindparam("decision_ids", expanding=True)), cases.c.reason.not_in(sorted(FIRST))
)
