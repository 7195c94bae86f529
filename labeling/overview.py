"""Numbers and lists for the pages around the review: what waits, what was decided, and by whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, TypeVar

from sqlalchemy import Engine, Row, and_, func, select

from fairstall.labeling.accounts import User
from fairstall.labeling.case_file import BLIND_REASONS, heading_of, shown_reason
from fairstall.labeling.claims import IS_OPEN
from fairstall.labeling.queue import ReviewVerdict
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading
from fairstall.records.history import not_taken_back
from fairstall.records.ledger import CaseReason
from fairstall.records.tables import cases, decisions, listings, reviews

Key = TypeVar("Key")

OWN_REVIEWS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Overview:
    """What waits for somebody to take it. `by_policy` counts under None the cases that have no finding or must not
    show one; `with_others` are the cases that colleagues hold."""

    by_reason: Mapping[CaseReason, int]
    by_policy: Mapping[str | None, int]
    oldest: datetime | None
    with_others: int

    @property
    def total(self) -> int:
        return sum(self.by_reason.values())


@dataclass(frozen=True, slots=True)
class OwnReview:
    review_id: str
    case_id: str
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
    taken = and_(cases.c.lease_until > iso_utc(now), cases.c.lease_holder != user.user_id)
    columns = (cases.c.reason, cases.c.policy, func.count(), func.min(cases.c.opened_at))
    free = select(*columns).where(IS_OPEN, ~func.coalesce(taken, False)).group_by(cases.c.reason, cases.c.policy)
    with reading(engine) as connection:
        rows = connection.execute(free).all()
        with_others = connection.execute(select(func.count()).select_from(cases).where(IS_OPEN, taken)).scalar_one()
    by_reason: dict[CaseReason, int] = {}
    by_policy: dict[str | None, int] = {}
    for name, code, count, _ in rows:
        reason = shown_reason(name)
        shown = None if reason in BLIND_REASONS else code
        by_reason[reason] = by_reason.get(reason, 0) + count
        by_policy[shown] = by_policy.get(shown, 0) + count
    oldest = min((opened for *_, opened in rows), default=None)
    return Overview(_largest_first(by_reason), _largest_first(by_policy), _moment(oldest), with_others)


def read_own_work(engine: Engine, user: User, now: datetime) -> OwnWork:
    mine = (reviews.c.user_id == user.user_id, not_taken_back())
    midnight = iso_utc(datetime.combine(now.date(), time(), now.tzinfo))
    today = select(func.count()).select_from(reviews).where(*mine, reviews.c.decided_at >= midnight)
    newest = (
        select(reviews, listings.c.body)
        .join(cases, reviews.c.case_id == cases.c.case_id)
        .join(decisions, cases.c.decision_id == decisions.c.decision_id)
        .join(listings, decisions.c.listing_digest == listings.c.digest)
        .where(*mine)
        .order_by(reviews.c.decided_at.desc(), reviews.c.review_id.desc())
        .limit(OWN_REVIEWS_SHOWN)
    )
    with reading(engine) as connection:
        return OwnWork(
            today=connection.execute(today).scalar_one(),
            newest=tuple(_own_review(row) for row in connection.execute(newest)),
        )


def _own_review(row: Row[Any]) -> OwnReview:
    return OwnReview(
        review_id=row.review_id,
        case_id=row.case_id,
        heading=heading_of(row.body),
        verdict=ReviewVerdict(row.verdict),
        policies=tuple(row.policies),
        decided_at=datetime.fromisoformat(row.decided_at),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _largest_first(counts: dict[Key, int]) -> dict[Key, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0] or "~"))))
