"""Which cases somebody may decide together with others, as conditions of SQL: for those who look, and at the deciding.

A case that deserves a look of its own is never among them.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, or_, select, union_all

from fairstall.labeling.accounts import User
from fairstall.labeling.claims import IS_OPEN, reviewed_by
from fairstall.labeling.lanes import lanes_of
from fairstall.model.wire import iso_utc
from fairstall.records.ledger import BLIND_REASONS, COMPARED, CaseReason
from fairstall.records.tables import cases

# Measured by them is how well single listings are judged, or owed to somebody who asked for another look, or two people
# disagree on them, and both are to be read.
ALONE = BLIND_REASONS | COMPARED | {CaseReason.APPEAL, CaseReason.ESCALATION}


def may_decide_together(user: User, now: datetime) -> ColumnElement[bool]:
    """That a case is open, free or the user's own, in a lane of his, new to him, and not one to be decided alone."""
    return and_(cases.c.lane.in_(lanes_of(user)), _is_free(user, now))


def is_own(user: User) -> ColumnElement[bool]:
    """That the user works on a case, or holds it."""
    return and_(cases.c.lease_holder == user.user_id, cases.c.claimed_at.is_not(None))


def most_urgent(user: User, now: datetime, most: int, *conditions: ColumnElement[bool]) -> Subquery:
    """`case_id`, `decision_id`, `policy` and `urgent_at` of the most urgent that he may decide together, in any order.

    Each lane is read in the order of its index, so that a backlog of a million costs no more than `most`.
    """
    of_lane = [_first_of(lane, user, now, most, *conditions) for lane in lanes_of(user)]
    found = union_all(*(select(one.subquery()) for one in of_lane)).subquery()
    return select(found).order_by(found.c.urgent_at).limit(most).subquery()


def _first_of(lane: str, user: User, now: datetime, most: int, *conditions: ColumnElement[bool]) -> Select[Any]:
    columns = (cases.c.case_id, cases.c.decision_id, cases.c.policy, cases.c.urgent_at)
    query = select(*columns).where(cases.c.lane == lane, _is_free(user, now), *conditions)
    return query.order_by(cases.c.urgent_at).limit(most)


def _is_free(user: User, now: datetime) -> ColumnElement[bool]:
    return and_(
        IS_OPEN,
        or_(cases.c.lease_until.is_(None), cases.c.lease_until <= iso_utc(now), is_own(user)),
        cases.c.reason.not_in([str(reason) for reason in ALONE]),
        ~reviewed_by(user.user_id, cases.c.decision_id),
    )
