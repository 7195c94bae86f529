"""What becomes of a listing when people have reviewed it: whose verdict is in force, and who settles a disagreement.

Each verb works inside the transaction of a review, which has begun with `lock_decision`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from fairstall.labeling.accounts import User
from fairstall.labeling.claims import IS_OPEN, reviewed_since, standing_decision, standing_review
from fairstall.labeling.lanes import SENIOR
from fairstall.model.decide import Outcome
from fairstall.model.errors import Conflict
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.urgency import urgency_of
from fairstall.model.wire import iso_utc
from fairstall.records.ledger import COMPARED, CaseReason, Ledger
from fairstall.records.tables import cases, decisions, disagreements

FIRST = frozenset({CaseReason.UNCERTAIN, CaseReason.CONTROL})
SETTLING = frozenset(CaseReason) - FIRST - COMPARED
HARM_OF_A_DISAGREEMENT = 1.0  # two people have looked, and one of them is wrong

CLOSED = {"state": "decided", "lease_holder": None, "lease_until": None, "held_at": None}


def lock_decision(connection: Connection, case_id: str) -> None:
    """Make whoever reviews the same decision in another case wait: each then sees what the other said.

    It comes before anything is changed, as in an erasure, so that nobody waits for somebody who waits for him.
    """
    row = select(decisions.c.decision_id).join(cases, cases.c.decision_id == decisions.c.decision_id)
    connection.execute(row.where(cases.c.case_id == case_id).with_for_update(of=decisions, key_share=True))


def put_into_force(
    connection: Connection, case: Row[Any], outcome: Outcome, user: User, now: datetime, policies: Sequence[str]
) -> str | None:
    """Override the decision in force where it differs. The id of the new one; None when nothing changed.

    Second reviews and golden items change nothing.
    """
    if CaseReason(case.reason) in COMPARED:
        return None
    standing = standing_decision(connection, case.decision_id)
    if standing.outcome == outcome:
        return None
    return Ledger.override(connection, standing.decision_id, outcome, user.actor, now, policies).decision_id


def take_back(connection: Connection, review: Row[Any], case: Row[Any], user: User, now: datetime) -> str | None:
    """Restore the outcome that the review replaced, if it replaced one. Raises Conflict when it no longer stands."""
    standing = standing_decision(connection, case.decision_id)
    if standing.erased_at:
        raise Conflict("The seller's data were erased since; it cannot be undone.")
    reason = CaseReason(case.reason)
    if reason is CaseReason.GOLDEN:
        return None
    if reviewed_since(connection, review):
        raise Conflict(_OVERTAKEN)
    if reason not in SETTLING:
        if standing_review(connection, case.decision_id, SETTLING) is not None:
            raise Conflict(_OVERTAKEN)
        _withdraw_escalation(connection, case.decision_id)
    if reason is CaseReason.SECOND_OPINION:
        return None
    return _restore(connection, review, standing, user, now)


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


def _withdraw_escalation(connection: Connection, decision_id: str) -> None:
    """Close the escalation that nobody has decided: one of the two reviews is taken back."""
    escalated = select(disagreements.c.case_id).where(disagreements.c.decision_id == decision_id)
    undecided = update(cases).where(IS_OPEN, cases.c.case_id.in_(escalated)).values(CLOSED).returning(cases.c.case_id)
    closed = connection.execute(undecided).scalars().all()
    connection.execute(delete(disagreements).where(disagreements.c.case_id.in_(closed)))


def disagree(one: Row[Any], other: Row[Any]) -> bool:
    """Whether two reviews differ in their verdict, or have no violated policy in common."""
    if one.verdict != other.verdict:
        return True
    return one.verdict == "violation" and not set(one.policies) & set(other.policies)


def _restore(connection: Connection, review: Row[Any], standing: Row[Any], user: User, now: datetime) -> str | None:
    overtaken = (
        standing.decided_at > review.decided_at
        if review.decision_id is None
        else standing.decision_id != review.decision_id
    )
    if overtaken:
        raise Conflict(_OVERTAKEN)
    if review.decision_id is None:
        return None
    replaced = decisions.alias("replaced")
    join = decisions.join(replaced, decisions.c.overrides == replaced.c.decision_id)
    query = select(replaced.c.outcome).select_from(join).where(decisions.c.decision_id == review.decision_id)
    before = Outcome(connection.execute(query).scalar_one())
    return Ledger.override(connection, review.decision_id, before, user.actor, now).decision_id


_OVERTAKEN = "Somebody has decided this case since; it cannot be undone."
