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
from fairstall.labeling.claims import reviewed_since, standing_decisions
from fairstall.model.decide import Outcome
from fairstall.model.errors import Conflict
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.wire import iso_utc
from fairstall.records.ledger import Ledger, Override
from fairstall.records.tables import decisions, reviews


class ReviewVerdict(StrEnum):
    VIOLATION = "violation"
    COMPLIANT = "compliant"


OUTCOMES = {ReviewVerdict.VIOLATION: Outcome.BLOCK, ReviewVerdict.COMPLIANT: Outcome.APPROVE}
CLOSED = {"state": "decided", "lease_holder": None, "lease_until": None, "held_at": None}


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
) -> list[Review]:
    """One review for each row of `cases` that was just closed, in their order.

    Where the outcome differs from the one in force, the review overrides it in the ledger.
    """
    standing = standing_decisions(connection, [case.decision_id for case in closed])
    outcome = OUTCOMES[judgement.verdict]
    changing = {one.decision_id for one in standing.values() if one.outcome != outcome}
    overrides = [Override(decision_id, outcome, judgement.policies) for decision_id in changing]
    written = {new.overrides: new.decision_id for new in Ledger.override_all(connection, overrides, user.actor, now)}
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
            # Of several cases about one chain of decisions the first writes the row.
            decision_id=written.pop(standing[case.decision_id].decision_id, None),
            batch_id=batch_id,
            decided_together=len(closed),
        )
        for case in closed
    ]
    connection.execute(insert(reviews), [_row_of(review) for review in made])
    return made


def take_back(
    connection: Connection, made: Sequence[Row[Any]], about: Mapping[str, str], user: User, now: datetime
) -> dict[str, str]:
    """Take back rows of `reviews`, all of one person: what was in force before each of them is in force again.

    `about` has the decision of each case. Returns why, by review id, for those that can no longer be taken back; they
    stand. Raises Conflict when one of them was taken back at the same time.
    """
    standing = standing_decisions(connection, list(about.values()))
    newer = reviewed_since(connection, made)
    kept = {
        review.review_id: why
        for review in made
        if (why := _obstacle(review, standing[about[review.case_id]], reviewed_since=review.review_id in newer))
    }
    back = [review for review in made if review.review_id not in kept]
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


def _obstacle(review: Row[Any], standing: Row[Any], *, reviewed_since: bool) -> str | None:
    if standing.erased_at:
        return "The seller's data were erased since; it cannot be undone."
    overtaken = (
        standing.decided_at > review.decided_at
        if review.decision_id is None
        else standing.decision_id != review.decision_id
    )
    if overtaken or reviewed_since:
        return "Somebody has decided this case since; it cannot be undone."
    return None


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
