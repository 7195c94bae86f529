"""What somebody decided together, read for his pages: how many, what became of them, whether it can be undone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, Select, case, func, select

from fairstall.labeling.accounts import User
from fairstall.labeling.case_file import heading_of
from fairstall.labeling.eligible import ALONE
from fairstall.labeling.lanes import lanes_of
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.errors import NotFound
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading
from fairstall.records.history import not_taken_back
from fairstall.records.tables import cases, decisions, listings, reviews

LATEST_SHOWN = 5
HEADINGS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class PastBatch:
    """One verdict on many cases. `decided` counts them all, `standing` those that were not taken back since."""

    batch_id: str
    verdict: ReviewVerdict
    policies: tuple[str, ...]
    note: str
    decided_at: datetime
    decided: int
    standing: int

    @property
    def undone(self) -> int:
        return self.decided - self.standing


def read_batch(engine: Engine, batch_id: str, user: User) -> PastBatch:
    """A batch of the user's own. Raises NotFound."""
    with reading(engine) as connection:
        row = connection.execute(_batches(user).where(reviews.c.batch_id == batch_id)).one_or_none()
        if row is None:
            raise NotFound("You have decided nothing together under this address.")
        return _past_batch(row, connection.execute(_one_review(batch_id)).one())


def latest_batches(engine: Engine, user: User, now: datetime, undo_seconds: int) -> tuple[PastBatch, ...]:
    """The user's newest batches of which something may still be undone."""
    since = iso_utc(now - timedelta(seconds=undo_seconds))
    recent = _batches(user).where(reviews.c.decided_at >= since).having(_STANDING > 0)
    with reading(engine) as connection:
        rows = connection.execute(recent.order_by(reviews.c.batch_id.desc()).limit(LATEST_SHOWN)).all()
        return tuple(_past_batch(row, connection.execute(_one_review(row.batch_id)).one()) for row in rows)


def cases_of_batch(batch_id: str) -> Select[Any]:
    """The ids of its cases."""
    return select(reviews.c.case_id).where(reviews.c.batch_id == batch_id)


def headings_of_batch(engine: Engine, batch_id: str, user: User) -> tuple[str, ...]:
    """The titles of what still stands of a batch, 50 at most."""
    standing = _HEADINGS.join(reviews, reviews.c.case_id == cases.c.case_id).where(
        reviews.c.batch_id == batch_id, reviews.c.user_id == user.user_id, not_taken_back()
    )
    with reading(engine) as connection:
        rows = connection.execute(standing.order_by(reviews.c.review_id).limit(HEADINGS_SHOWN)).all()
    return tuple(heading_of(row.body) for row in rows)


def headings_of_cases(engine: Engine, case_ids: Sequence[str], user: User) -> tuple[str, ...]:
    """The titles of cases in lanes of the user's; of those that are decided alone he is told none."""
    named = _HEADINGS.where(
        cases.c.case_id.in_(case_ids),
        cases.c.lane.in_(lanes_of(user)),
        cases.c.reason.not_in([str(reason) for reason in ALONE]),
    )
    with reading(engine) as connection:
        return tuple(heading_of(row.body) for row in connection.execute(named.limit(HEADINGS_SHOWN)))


_HEADINGS = (
    select(listings.c.body)
    .select_from(cases)
    .join(decisions, cases.c.decision_id == decisions.c.decision_id)
    .join(listings, decisions.c.listing_digest == listings.c.digest)
)
_STANDING = func.sum(case((not_taken_back(), 1), else_=0))


def _batches(user: User) -> Select[Any]:
    columns = (reviews.c.batch_id, func.count().label("decided"), _STANDING.label("standing"))
    mine = select(*columns).where(reviews.c.user_id == user.user_id, reviews.c.batch_id.is_not(None))
    return mine.group_by(reviews.c.batch_id)


def _one_review(batch_id: str) -> Select[Any]:
    return select(reviews).where(reviews.c.batch_id == batch_id).limit(1)


def _past_batch(counts: Row[Any], review: Row[Any]) -> PastBatch:
    return PastBatch(
        batch_id=counts.batch_id,
        verdict=ReviewVerdict(review.verdict),
        policies=tuple(review.policies),
        note=review.note,
        decided_at=datetime.fromisoformat(review.decided_at),
        decided=counts.decided,
        standing=counts.standing,
    )
