"""The statements behind the review queue: which case comes next, whose review is the last, which decision stands."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    String,
    UpdateBase,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    union_all,
    update,
)

from fairstall.records.history import not_taken_back
from fairstall.records.ledger import CaseReason
from fairstall.records.tables import cases, decisions, reviews

# A literal and no parameter: otherwise neither database would use its index of open cases.
IS_OPEN = cases.c.state == literal_column("'open'")
# Literals too: how few rows are wanted has to stand in the statement for PostgreSQL to plan it once and keep the plan.
_ONE: ColumnElement[int] = literal_column("1")
_NONE: ColumnElement[int] = literal_column("0")
CLOSED = {"state": "decided", "lease_holder": None, "lease_until": None, "held_at": None}


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who asks for a case, and what he may have. Times are those of `iso_utc`.

    `but_for`: the case that he is at, when he asks for the one after it. A case that he skipped later than
    `skipped_since` is the last that he gets, and none that he gets ahead: it is his colleagues' turn. `turns_to_it`: a
    case that he has already, as one kept ready for him, counts as claimed now.
    """

    user_id: str
    lanes: Sequence[str]
    now: str
    lease_until: str
    skipped_since: str
    but_for: str | None = None
    turns_to_it: bool = False


def claim_next(connection: Connection, claimant: Claimant) -> Row[Any] | None:
    """Lease a case to the claimant, by the first statement that finds one. None when there is none.

    Of the cases that he works on already the oldest claim comes first, then the most urgent free case of all his lanes,
    then one that he skipped a short while ago. Who asks for a case most often has one ready, which a short statement
    finds in half the time; what was skipped has a statement of its own. On PostgreSQL rows that another claim has
    locked are passed over; SQLite has one writer at a time.
    """
    values = {
        "user": claimant.user_id,
        "moment": claimant.now,
        "until": claimant.lease_until,
        "since": claimant.skipped_since,
        "but_for": claimant.but_for or "",
        "keeps_claim": not claimant.turns_to_it,
        **{f"lane_{number}": lane for number, lane in enumerate(claimant.lanes)},
    }
    lanes = len(claimant.lanes)
    if claimant.but_for is not None:
        return connection.execute(_claim(lanes), values).one_or_none()
    statements = (_claim_own(), _claim(lanes), _claim(lanes, skipped=True))
    return next((row for one in statements if (row := connection.execute(one, values).one_or_none())), None)


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


def reviewed_since(connection: Connection, made: Sequence[Row[Any]]) -> set[str]:
    """The ids of those reviews of whose case a newer review stands."""
    of_cases = _standing_reviews().where(reviews.c.case_id.in_([review.case_id for review in made]))
    standing = connection.execute(of_cases).all()
    return {
        review.review_id
        for review in made
        for other in standing
        if other.case_id == review.case_id
        and other.review_id != review.review_id
        and other.decided_at >= review.decided_at
    }


def standing_review(connection: Connection, decision_id: str, reasons: Collection[CaseReason]) -> Row[Any] | None:
    """The newest review of a decision in a case with one of these reasons that was not taken back."""
    query = (
        _standing_reviews()
        .join(cases, reviews.c.case_id == cases.c.case_id)
        .where(cases.c.decision_id == decision_id, cases.c.reason.in_(sorted(reasons)))
        .order_by(reviews.c.decided_at.desc(), reviews.c.review_id.desc())
    )
    return connection.execute(query.limit(1)).one_or_none()


def standing_decisions(connection: Connection, decision_ids: Sequence[str]) -> dict[str, Row[Any]]:
    """The end of each decision's chain of overrides: `decision_id`, `outcome`, `decided_at`, `erased_at`."""
    ends = connection.execute(_ends_of_chains(), {"decision_ids": decision_ids})
    return {row.first: row for row in ends}


def reviewed_by(user_id: str | ColumnElement[Any], decision_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a person has reviewed a decision, in this case about it or in another."""
    about = cases.alias("about")
    # coalesce keeps both databases from going through all of this person's reviews for each case: the case has few.
    # The offset of nothing keeps PostgreSQL from joining with all reviews there are.
    by_user = func.coalesce(reviews.c.user_id, "") == user_id
    mine = exists().where(reviews.c.case_id == about.c.case_id, by_user, not_taken_back())
    return select(about.c.case_id).where(about.c.decision_id == decision_id, mine).offset(_NONE).exists()


def _standing_reviews() -> Select[Any]:
    return select(reviews).where(not_taken_back())


@cache
def _ends_of_chains() -> Select[Any]:
    columns = (decisions.c.decision_id, decisions.c.outcome, decisions.c.decided_at, decisions.c.erased_at)
    begin = select(decisions.c.decision_id.label("first"), *columns)
    begin = begin.where(decisions.c.decision_id.in_(bindparam("decision_ids", expanding=True)))
    chain = begin.cte("chain", recursive=True)
    chain = chain.union_all(select(chain.c.first, *columns).where(decisions.c.overrides == chain.c.decision_id))
    newer = decisions.alias("newer")
    return select(chain).where(~exists().where(newer.c.overrides == chain.c.decision_id))


# Made once: SQLAlchemy takes longer to make and to recognise statements as long as these than to run them.
@cache
def _claim_own() -> UpdateBase:
    return _leased(_locked(_own()))


@cache
def _claim(lanes: int, *, skipped: bool = False) -> UpdateBase:
    most_urgent = _most_urgent(lanes, skipped=skipped)
    return _leased(most_urgent if skipped else func.coalesce(_locked(_own()), most_urgent))


def _leased(chosen: Any) -> UpdateBase:
    return (
        update(cases)
        .where(cases.c.case_id == chosen)
        .values(
            lease_holder=_USER,
            lease_until=bindparam("until"),
            claimed_at=case((and_(_works_on(cases), _KEEPS_CLAIM), cases.c.claimed_at), else_=_NOW),
            held_at=None,
        )
        .returning(cases)
    )


def _most_urgent(lanes: int, *, skipped: bool) -> Any:
    """The most urgent free case: of the lane that has it, the first row that no other claim has locked."""
    free = _free(skipped=skipped)
    his = union_all(*(select(bindparam(f"lane_{number}", type_=String).label("lane")) for number in range(lanes)))
    of_his = his.subquery("his")
    first = free.where(_WAITING.c.lane == of_his.c.lane).limit(_ONE).correlate(of_his).scalar_subquery()
    lane = select(of_his.c.lane).order_by(first.nulls_last()).limit(_ONE)
    most_urgent = free.with_only_columns(_WAITING.c.case_id).where(_WAITING.c.lane == lane.scalar_subquery())
    return _locked(most_urgent)


def _free(*, skipped: bool) -> Select[Any]:
    query = select(_WAITING.c.urgent_at).where(
        _WAITING.c.state == literal_column("'open'"),
        or_(_WAITING.c.lease_until.is_(None), _WAITING.c.lease_until <= _NOW),
        _WAITING.c.case_id != _BUT_FOR,
        ~reviewed_by(_USER, _WAITING.c.decision_id),
    )
    if not skipped:
        query = query.where(
            or_(
                _WAITING.c.lease_holder.is_(None),
                _WAITING.c.lease_holder != _USER,
                _WAITING.c.claimed_at.is_not(None),
                _WAITING.c.lease_until <= bindparam("since"),
            )
        )
    return query.order_by(_WAITING.c.urgent_at)


def _own() -> Select[Any]:
    query = select(_WAITING.c.case_id).where(
        _WAITING.c.state == literal_column("'open'"), _works_on(_WAITING), _WAITING.c.case_id != _BUT_FOR
    )
    return query.order_by(_WAITING.c.claimed_at)


def _works_on(table: FromClause) -> ColumnElement[bool]:
    return and_(
        table.c.lease_holder == _USER,
        table.c.claimed_at.is_not(None),
        table.c.held_at.is_(None),
        table.c.lease_until > _NOW,
    )


def _locked(query: Select[Any]) -> Any:
    return query.limit(_ONE).with_for_update(skip_locked=True).scalar_subquery()


_WAITING = cases.alias("waiting")
_USER: ColumnElement[str] = bindparam("user")
_NOW: ColumnElement[str] = bindparam("moment")
_BUT_FOR: ColumnElement[str] = bindparam("but_for")
_KEEPS_CLAIM: ColumnElement[bool] = bindparam("keeps_claim", type_=Boolean)
