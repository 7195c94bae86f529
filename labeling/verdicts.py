"""What people say of cases and what it does: reviews stored and taken back, with their outcome in the ledger.

That the cases are theirs to decide, one or many at once, is settled before by `queue` and `together`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select
from sqlalchemy.exc import IntegrityError

from fairstall.labeling.accounts import User
from fairstall.labeling.claims import reviewed_since, standing_decisions, standing_review
from fairstall.labeling.second_reviews import SecondReviews
from fairstall.labeling.settling import SETTLING, looked_at_again, settle_disagreement, withdraw_escalation
from fairstall.model.decide import Outcome
from fairstall.model.errors import Conflict
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.wire import iso_utc
from fairstall.records.ledger import COMPARED, CaseReason, Ledger, Override
from fairstall.records.tables import decisions, reviews


class ReviewVerdict(StrEnum):
    VIOLATION = "violation"
    COMPLIANT = "compliant"


OUTCOMES = {ReviewVerdict.VIOLATION: Outcome.BLOCK, ReviewVerdict.COMPLIANT: Outcome.APPROVE}


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and the policies that a violation names. Raises ValueError where those two do not go together."""

    verdict: ReviewVerdict
    policies: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if bool(self.policies) != (self.verdict is ReviewVerdict.VIOLATION):
            raise ValueError(f"the verdict {self.verdict} does not go with {len(self.policies)} policies")


@dataclass(frozen=True, slots=True)
class Review:
    """What one person decided about one case. `decision_id` is the ledger row it wrote, None when nothing changed.

    `decided_together`: how many cases were decided in one go, this one among them; then `batch_id` is theirs.
    """

    review_id: str
    case_id: str
    user_id: str
    verdict: ReviewVerdict
    policies: tuple[str, ...]
    note: str
    claimed_at: datetime
    decided_at: datetime
    decision_id: str | None
    batch_id: str | None = None
    decided_together: int = 1


def write_reviews(
    connection: Connection,
    closed: Sequence[Row[Any]],
    user: User,
    judgement: Judgement,
    now: datetime,
    *,
    batch_id: str | None = None,
    second_reviews: SecondReviews | None = None,
) -> list[Review]:
    """One review for each row of `cases` that was just closed, in their order.

    Where the outcome differs from the one in force, the review overrides it in the ledger; second reviews and those of
    golden items are compared with others, and override nothing. A second review is opened where one shall be, and an
    escalation where two disagree.
    """
    written = _put_into_force(connection, closed, user, judgement, now)
    made = [
        Review(
            review_id=time_ordered_id(now),
            case_id=case.case_id,
            user_id=user.user_id,
            verdict=judgement.verdict,
            policies=judgement.policies,
            note=judgement.note,
            claimed_at=datetime.fromisoformat(case.claimed_at),
            decided_at=now,
            decision_id=written.get(case.case_id),
            batch_id=batch_id,
            decided_together=len(closed),
        )
        for case in closed
    ]
    connection.execute(insert(reviews), [_row_of(review) for review in made])
    again = looked_at_again(connection, [case.decision_id for case in closed])
    for case in closed:
        if second_reviews:
            second_reviews.open_after(connection, case, judgement.policies, now)
        if case.decision_id in again:
            settle_disagreement(connection, case, now)
    return made


def take_back(
    connection: Connection, made: Sequence[Row[Any]], of_cases: Mapping[str, Row[Any]], user: User, now: datetime
) -> dict[str, str]:
    """Take back rows of `reviews`, all of one person: what was in force before each of them is in force again.

    `of_cases` has the case of each, by its id. An escalation of a disagreement goes with the review that is taken back.
    Returns why, by review id, for those that can no longer be taken back; they stand. Raises Conflict when one of them
    was taken back at the same time.
    """
    standing = standing_decisions(connection, [case.decision_id for case in of_cases.values()])
    newer = reviewed_since(connection, made)
    again = looked_at_again(connection, list(standing))
    kept: dict[str, str] = {}
    for review in made:
        case = of_cases[review.case_id]
        overtaken = review.review_id in newer or (case.decision_id in again and _is_settled(connection, case))
        if why := _obstacle(review, case, standing[case.decision_id], overtaken=overtaken):
            kept[review.review_id] = why
    back = [review for review in made if review.review_id not in kept]
    for case in (of_cases[review.case_id] for review in back):
        if case.decision_id in again and _may_be_escalated(case):
            withdraw_escalation(connection, case.decision_id)
    before = _replaced(connection, [review.decision_id for review in back if review.decision_id])
    restored = Ledger.override_all(connection, before, user.actor, now)
    _write_undone(connection, back, {one.overrides: one.decision_id for one in restored}, user, now)
    return kept


def review_of_row(row: Row[Any]) -> Review:
    """The Review in a row of `reviews` that is a verdict."""
    return Review(
        review_id=row.review_id,
        case_id=row.case_id,
        user_id=row.user_id,
        verdict=ReviewVerdict(row.verdict),
        policies=tuple(row.policies),
        note=row.note,
        claimed_at=datetime.fromisoformat(row.claimed_at),
        decided_at=datetime.fromisoformat(row.decided_at),
        decision_id=row.decision_id,
        batch_id=row.batch_id,
        decided_together=row.decided_together,
    )


def _put_into_force(
    connection: Connection, closed: Sequence[Row[Any]], user: User, judgement: Judgement, now: datetime
) -> dict[str, str]:
    """The new decisions by case; of several cases about one chain of decisions the first has it."""
    deciding = [case for case in closed if CaseReason(case.reason) not in COMPARED]
    standing = standing_decisions(connection, [case.decision_id for case in deciding])
    outcome = OUTCOMES[judgement.verdict]
    changing = {one.decision_id for one in standing.values() if one.outcome != outcome}
    overrides = [Override(decision_id, outcome, judgement.policies) for decision_id in changing]
    written = {new.overrides: new.decision_id for new in Ledger.override_all(connection, overrides, user.actor, now)}
    ends = [(case.case_id, standing[case.decision_id].decision_id) for case in deciding]
    return {case_id: written.pop(end) for case_id, end in ends if end in written}


def _is_settled(connection: Connection, case: Row[Any]) -> bool:
    """Whether somebody has settled what a first and a second review of the case's decision said."""
    return _may_be_escalated(case) and standing_review(connection, case.decision_id, SETTLING) is not None


def _may_be_escalated(case: Row[Any]) -> bool:
    return CaseReason(case.reason) not in SETTLING | {CaseReason.GOLDEN}


def _obstacle(review: Row[Any], case: Row[Any], standing: Row[Any], *, overtaken: bool) -> str | None:
    if standing.erased_at:
        return "The seller's data were erased since; it cannot be undone."
    if case.reason == CaseReason.GOLDEN:
        return None
    if overtaken or (CaseReason(case.reason) not in COMPARED and _is_overridden(review, standing)):
        return "Somebody has decided this case since; it cannot be undone."
    return None


def _is_overridden(review: Row[Any], standing: Row[Any]) -> bool:
    if review.decision_id is None:
        return bool(standing.decided_at > review.decided_at)
    return bool(standing.decision_id != review.decision_id)


def _replaced(connection: Connection, decision_ids: Sequence[str]) -> list[Override]:
    """That the outcomes which these decisions replaced are put into force again."""
    if not decision_ids:
        return []
    replaced = decisions.alias("replaced")
    join = decisions.join(replaced, decisions.c.overrides == replaced.c.decision_id)
    query = select(decisions.c.decision_id, replaced.c.outcome).select_from(join)
    found = connection.execute(query.where(decisions.c.decision_id.in_(decision_ids)))
    return [Override(row.decision_id, Outcome(row.outcome)) for row in found]


def _write_undone(
    connection: Connection, back: Sequence[Row[Any]], restored: Mapping[str | None, str], user: User, now: datetime
) -> None:
    rows = [
        {
            "review_id": time_ordered_id(now),
            "case_id": review.case_id,
            "user_id": user.user_id,
            "verdict": "undone",
            "policies": [],
            "claimed_at": iso_utc(now),
            "decided_at": iso_utc(now),
            "decision_id": restored.get(review.decision_id),
            "undoes": review.review_id,
        }
        for review in back
    ]
    if not rows:
        return
    try:
        connection.execute(insert(reviews), rows)
    except IntegrityError as error:
        raise Conflict("This decision was undone already.") from error


def _row_of(review: Review) -> dict[str, Any]:
    return asdict(review) | {
        "policies": list(review.policies),
        "claimed_at": iso_utc(review.claimed_at),
        "decided_at": iso_utc(review.decided_at),
    }
