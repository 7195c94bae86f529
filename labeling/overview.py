"""Numbers and lists for the pages around the review: what waits, what was decided, and by whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Engine, Row, and_, bindparam, case, func, or_, select

from fairstall.labeling.accounts import User
from fairstall.labeling.case_file import heading_of, shown_reason
from fairstall.labeling.claims import IS_OPEN
from fairstall.labeling.lanes import lanes_of
from fairstall.labeling.permissions import Permission, may
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.decide import Outcome
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading
from fairstall.records.history import not_taken_back
from fairstall.records.ledger import BLIND_REASONS, CaseReason
from fairstall.records.tables import cases, decisions, listings, reviews

Key = TypeVar("Key")

OWN_REVIEWS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Overview:
    """What waits for the reader to take it, or for anybody when he takes none; golden items do not count.

    `by_policy` counts under None the cases that have no finding or must not show one; `with_others` are the cases that
    colleagues hold.
    """

    by_reason: Mapping[CaseReason, int]
    by_policy: Mapping[str | None, int]
    oldest: datetime | None
    with_others: int

    @property
    def total(self) -> int:
        return sum(self.by_reason.values())


@dataclass(frozen=True, slots=True)
class OwnReview:
    """One's own review; `reviewed` is the decision that it is about."""

    review_id: str
    case_id: str
    reviewed: str
    heading: str
    verdict: ReviewVerdict
    policies: tuple[str, ...]
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class OwnWork:
    """A reviewer's standing reviews: how many since midnight UTC, and the newest few."""

    today: int
    newest: tuple[OwnReview, ...]


def read_overview(engine: Engine, user: User, now: datetime) -> Overview:
    leased = func.coalesce(cases.c.lease_until > iso_utc(now), False)
    his = func.coalesce(cases.c.lease_holder == user.user_id, False)
    counted = (IS_OPEN, cases.c.reason != str(CaseReason.GOLDEN))
    groups = (cases.c.reason, _outcome_of_second().label("decided"), cases.c.policy)
    columns = (*groups, func.count(), func.min(cases.c.opened_at))
    free = or_(~leased, and_(his, cases.c.held_at.is_(None)))
    if may(user.role, Permission.REVIEW):
        free = and_(free, cases.c.lane.in_(lanes_of(user)))
    waiting = select(*columns).where(*counted, free).group_by(*groups)
    taken = select(func.count()).select_from(cases).where(*counted, leased, ~his)
    with reading(engine) as connection:
        rows = connection.execute(waiting).all()
        with_others = connection.execute(taken).scalar_one()
    by_reason: dict[CaseReason, int] = {}
    by_policy: dict[str | None, int] = {}
    for name, decided, code, count, _ in rows:
        reason = shown_reason(name, decided or Outcome.REVIEW)
        shown = None if reason in BLIND_REASONS else code
        by_reason[reason] = by_reason.get(reason, 0) + count
        by_policy[shown] = by_policy.get(shown, 0) + count
    oldest = min((opened for *_, opened in rows), default=None)
    return Overview(_largest_first(by_reason), _largest_first(by_policy), _moment(oldest), with_others)


def read_own_work(engine: Engine, user: User, now: datetime) -> OwnWork:
    about = {"user": user.user_id, "midnight": iso_utc(datetime.combine(now.date(), time(), now.tzinfo))}
    with reading(engine) as connection:
        return OwnWork(
            today=connection.execute(_REVIEWED_SINCE, about).scalar_one(),
            newest=tuple(_own_review(row) for row in connection.execute(_OWN_REVIEWS, about)),
        )


def _outcome_of_second() -> ColumnElement[str]:
    """The outcome of the decision that a second review is about, which tells what it is shown as; null for others."""
    outcome = select(decisions.c.outcome).where(decisions.c.decision_id == cases.c.decision_id).scalar_subquery()
    return case((cases.c.reason == str(CaseReason.SECOND_OPINION), outcome))


def _own_review(row: Row[Any]) -> OwnReview:
    return OwnReview(
        review_id=row.review_id,
        case_id=row.case_id,
        reviewed=row.reviewed,
        heading=heading_of(row.body),
        verdict=ReviewVerdict(row.verdict),
        policies=tuple(row.policies),
        decided_at=datetime.fromisoformat(row.decided_at),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _largest_first(counts: dict[Key, int]) -> dict[Key, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0] or "~"))))


# Made once: making a statement takes longer than running it.
_MINE = and_(reviews.c.user_id == bindparam("user"), not_taken_back())
_REVIEWED_SINCE = select(func.count()).select_from(reviews).where(_MINE, reviews.c.decided_at >= bindparam("midnight"))
_OWN_REVIEWS = (
    select(reviews, listings.c.body, cases.c.decision_id.label("reviewed"))
    .join(cases, reviews.c.case_id == cases.c.case_id)
    .join(decisions, cases.c.decision_id == decisions.c.decision_id)
    .join(listings, decisions.c.listing_digest == listings.c.digest)
    .where(_MINE)
    .order_by(reviews.c.decided_at.desc(), reviews.c.review_id.desc())
    .limit(OWN_REVIEWS_SHOWN)
)
