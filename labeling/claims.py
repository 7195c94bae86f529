"""The statements behind the review queue: which case comes next, whose review is the last, which decision stands."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    UpdateBase,
    and_,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)

from fairstall.records.history import not_taken_back
from fairstall.records.tables import cases, decisions, reviews

# A literal and no parameter: otherwise neither database would use its index of open cases.
IS_OPEN = cases.c.state == literal_column("'open'")


def claim_next(user_id: str, *, now: str, lease_until: str, skipped_since: str) -> UpdateBase:
    """One statement that leases a case to the user and returns it; times are those of `iso_utc`.

    His own live lease comes first, then the most urgent free case, then one that he skipped a short while ago. On
    PostgreSQL rows that another claim has locked are passed over; SQLite has one writer at a time.
    """
    waiting = cases.alias("waiting")
    is_open = waiting.c.state == literal_column("'open'")
    held = and_(waiting.c.lease_holder == user_id, waiting.c.claimed_at.is_not(None), waiting.c.lease_until > now)
    free = or_(waiting.c.lease_until.is_(None), waiting.c.lease_until <= now)
    not_skipped = or_(
        waiting.c.lease_holder.is_(None),
        waiting.c.lease_holder != user_id,
        waiting.c.claimed_at.is_not(None),
        waiting.c.lease_until <= skipped_since,
    )
    urgent_first = (waiting.c.priority.desc(), waiting.c.opened_at)
    queue = select(waiting.c.case_id).where(is_open, free, ~_reviewed_by(user_id, waiting.c.case_id))
    queue = queue.order_by(*urgent_first)
    mine = select(waiting.c.case_id).where(is_open, held).order_by(waiting.c.claimed_at.desc())
    chosen = func.coalesce(_first(mine), _first(queue.where(not_skipped)), _first(queue))
    still_mine = and_(cases.c.lease_holder == user_id, cases.c.claimed_at.is_not(None), cases.c.lease_until > now)
    return (
        update(cases)
        .where(cases.c.case_id == chosen)
        .values(
            lease_holder=user_id,
            lease_until=lease_until,
            claimed_at=case((still_mine, cases.c.claimed_at), else_=now),
        )
        .returning(cases)
    )


def last_review(
    connection: Connection, user_id: str, *, since: str | None = None, case_id: str | None = None
) -> Row[Any] | None:
    """The user's newest review that was not taken back: of any case or of one, and not older than `since`."""
    query = _standing_reviews().where(reviews.c.user_id == user_id)
    if since is not None:
        query = query.where(reviews.c.decided_at >= since)
    if case_id is not None:
        query = query.where(reviews.c.case_id == case_id)
    newest = query.order_by(reviews.c.decided_at.desc(), reviews.c.review_id.desc()).limit(1)
    return connection.execute(newest).one_or_none()


def reviewed_since(connection: Connection, review: Row[Any]) -> bool:
    """Whether a newer review of the same case stands."""
    newer = _standing_reviews().where(
        reviews.c.case_id == review.case_id,
        reviews.c.review_id != review.review_id,
        reviews.c.decided_at >= review.decided_at,
    )
    return connection.execute(newer.limit(1)).first() is not None


def standing_decision(connection: Connection, decision_id: str) -> Row[Any]:
    """The end of a decision's chain of overrides: `decision_id`, `outcome`, `decided_at`, `erased_at`."""
    columns = (decisions.c.decision_id, decisions.c.outcome, decisions.c.decided_at, decisions.c.erased_at)
    chain = select(*columns).where(decisions.c.decision_id == decision_id).cte("chain", recursive=True)
    chain = chain.union_all(select(*columns).where(decisions.c.overrides == chain.c.decision_id))
    newer = decisions.alias("newer")
    end = select(chain).where(~exists().where(newer.c.overrides == chain.c.decision_id))
    return connection.execute(end).one()


def _standing_reviews() -> Select[Any]:
    return select(reviews).where(not_taken_back())


def _reviewed_by(user_id: str, case_id: ColumnElement[str]) -> ColumnElement[bool]:
    # coalesce keeps both databases from going through all of this person's reviews for each case: the case has few.
    by_user = func.coalesce(reviews.c.user_id, "") == user_id
    return exists().where(reviews.c.case_id == case_id, by_user, not_taken_back())


def _first(query: Select[Any]) -> Any:
    return query.limit(1).with_for_update(skip_locked=True).scalar_subquery()
