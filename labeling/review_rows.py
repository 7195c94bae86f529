"""The standing reviews of a span of time, as figures are made of them. What they come to is `quality`'s business."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, func, select

from fairstall.labeling.case_file import heading_of
from fairstall.labeling.golden import answers, is_right
from fairstall.labeling.settling import FIRST
from fairstall.labeling.steps import StepKind
from fairstall.model.wire import iso_utc
from fairstall.records.history import not_taken_back
from fairstall.records.ledger import CaseReason
from fairstall.records.tables import case_steps, cases, decisions, listings, reviews, users

REVIEWS_AT_MOST = 50_000
BLIND = FIRST | {CaseReason.SECOND_OPINION}


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One review. `policy`: what its case was about, None without a finding. `touched_at`: the first sign of work.

    `right`: of a golden item, whether he said what was agreed on; None for every other.
    """

    review_id: str
    decision_id: str
    reviewer: str
    reason: CaseReason
    policy: str | None
    verdict: str
    policies: tuple[str, ...]
    claimed_at: datetime
    touched_at: datetime | None
    decided_at: datetime
    right: bool | None = None

    @property
    def blind(self) -> bool:
        """Whether the reviewer knew of nobody else's verdict, and the listing was not chosen by hand."""
        return self.reason in BLIND

    def names(self, policy: str) -> bool:
        return policy in self.policies


def read_reviews(
    connection: Connection,
    since: datetime,
    until: datetime,
    *,
    user_id: str | None = None,
    of: Sequence[ColumnElement[bool]] = (),
) -> tuple[ReviewRow, ...]:
    """The reviews decided from `since` on and before `until`, the newest 50,000, newest first; of all or of one.

    `of`: what their cases must be.
    """
    within = (reviews.c.decided_at >= iso_utc(since), reviews.c.decided_at < iso_utc(until))
    query = (
        select(
            reviews,
            users.c.name,
            cases.c.decision_id.label("reviewed"),
            cases.c.reason,
            cases.c.policy,
            _touched().label("touched_at"),
        )
        .join(cases, reviews.c.case_id == cases.c.case_id)
        .join(users, reviews.c.user_id == users.c.user_id)
        .where(*within, *of, not_taken_back())
        .order_by(reviews.c.decided_at.desc())
        .limit(REVIEWS_AT_MOST)
    )
    golden = answers().where(*within)
    if user_id is not None:
        query, golden = (one.where(reviews.c.user_id == user_id) for one in (query, golden))
    right = {row.review_id: is_right(row) for row in connection.execute(golden)}
    return tuple(_review_row(row, right.get(row.review_id)) for row in connection.execute(query))


def reviewed_twice() -> ColumnElement[bool]:
    """That a case is about a decision of which a second review was asked for."""
    second = cases.alias("second")
    return exists().where(
        second.c.decision_id == cases.c.decision_id, second.c.reason == str(CaseReason.SECOND_OPINION)
    )


def others_of(connection: Connection, decision_ids: Collection[str], user_id: str) -> Mapping[str, list[Row[Any]]]:
    """What others said blindly of these decisions: standing reviews by decision."""
    query = (
        select(reviews, cases.c.decision_id.label("reviewed"))
        .join(cases, reviews.c.case_id == cases.c.case_id)
        .where(
            cases.c.decision_id.in_(decision_ids),
            cases.c.reason.in_(sorted(BLIND)),
            reviews.c.user_id != user_id,
            not_taken_back(),
        )
    )
    found: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.reviewed, []).append(row)
    return found


def headings_of(connection: Connection, decision_ids: Collection[str]) -> Mapping[str, str]:
    """The headings of the listings that decisions are about."""
    query = (
        select(decisions.c.decision_id, listings.c.body)
        .join(listings, decisions.c.listing_digest == listings.c.digest)
        .where(decisions.c.decision_id.in_(decision_ids))
    )
    return {row.decision_id: heading_of(row.body) for row in connection.execute(query)}


def probabilities_of(connection: Connection, decision_ids: Sequence[str]) -> Mapping[str, float]:
    """The model's probability that a listing violates its likeliest policy; a half where there are no scores."""
    query = select(decisions.c.decision_id, decisions.c.assessment).where(decisions.c.decision_id.in_(decision_ids))
    return {row.decision_id: max(row.assessment["scores"].values(), default=0.5) for row in connection.execute(query)}


def _touched() -> Any:
    return (
        select(func.min(case_steps.c.happened_at))
        .where(
            case_steps.c.case_id == reviews.c.case_id,
            case_steps.c.user_id == reviews.c.user_id,
            case_steps.c.kind == str(StepKind.TOUCHED),
            case_steps.c.happened_at.between(reviews.c.claimed_at, reviews.c.decided_at),
        )
        .scalar_subquery()
    )


def _review_row(row: Row[Any], right: bool | None) -> ReviewRow:
    return ReviewRow(
        review_id=row.review_id,
        decision_id=row.reviewed,
        reviewer=row.name,
        reason=CaseReason(row.reason),
        policy=row.policy,
        verdict=row.verdict,
        policies=tuple(row.policies),
        claimed_at=datetime.fromisoformat(row.claimed_at),
        touched_at=datetime.fromisoformat(row.touched_at) if row.touched_at else None,
        decided_at=datetime.fromisoformat(row.decided_at),
        right=right,
    )
