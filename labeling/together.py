"""Many cases decided by one verdict, and undone together. Which ones belong together is found by others.

Each verb is one transaction, and no case is ever half-decided: each has a review and a row of the ledger of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, case, select, update

from fairstall.labeling.accounts import User
from fairstall.labeling.claims import CLOSED
from fairstall.labeling.eligible import is_own, may_decide_together
from fairstall.labeling.queue import FREE, UNDO_SECONDS
from fairstall.labeling.second_reviews import SecondReviews
from fairstall.labeling.settling import lock_decisions
from fairstall.labeling.verdicts import Judgement, Review, take_back, write_reviews
from fairstall.model.errors import Conflict, InputError
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.wire import iso_utc
from fairstall.records.engine import writing
from fairstall.records.history import not_taken_back
from fairstall.records.tables import cases, reviews

MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Batch:
    """What was decided together. `left_out`: the cases that somebody took or decided meanwhile."""

    batch_id: str
    reviews: tuple[Review, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undone:
    """The cases that wait again, and those that stay decided since somebody has decided them anew, or erased them."""

    reopened: tuple[str, ...]
    kept: tuple[str, ...]


class Together:
    """Decides and undoes many cases of one store at once; a batch can be undone for `undo_seconds`."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], datetime],
        *,
        undo_seconds: int = UNDO_SECONDS,
        second_reviews: SecondReviews | None = None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._second_reviews = second_reviews
        self._undo = timedelta(seconds=undo_seconds)

    @property
    def undo_seconds(self) -> int:
        return int(self._undo.total_seconds())

    def decide(self, case_ids: Sequence[str], user: User, judgement: Judgement) -> Batch:
        """Give all of the cases that the user may decide together the same verdict; of two about one decision, one.

        Raises InputError for none or more than `MOST_AT_ONCE`, and Conflict when there is none left to decide.
        """
        wanted = tuple(dict.fromkeys(case_ids))
        if not wanted:
            raise InputError("Tick the cases first that you want to decide.")
        if len(wanted) > MOST_AT_ONCE:
            raise InputError(f"{len(wanted)} cases are more than the {MOST_AT_ONCE} that can be decided at once.")
        now = self._clock()
        batch_id = time_ordered_id(now)
        with writing(self._engine) as connection:
            lock_decisions(connection, wanted)
            closed = _close(connection, wanted, user, now)
            if not closed:
                raise Conflict("All of these were taken or decided meanwhile. Nothing was stored.")
            made = write_reviews(
                connection, closed, user, judgement, now, batch_id=batch_id, second_reviews=self._second_reviews
            )
        decided = {review.case_id for review in made}
        return Batch(batch_id, tuple(made), tuple(one for one in wanted if one not in decided))

    def undo(self, batch_id: str, user: User) -> Undone:
        """Take back all reviews of a batch of the user's that still stand and that nobody has overtaken.

        Their cases wait again in the lanes that they were in, for anybody. Raises Conflict when there is nothing left
        to take back, or when it is too long ago.
        """
        now = self._clock()
        with writing(self._engine) as connection:
            made = _standing(connection, batch_id, user, since=now - self._undo)
            its_cases = [review.case_id for review in made]
            lock_decisions(connection, its_cases)
            kept = take_back(connection, made, _locked(connection, its_cases), user, now) if made else {}
            back = [review.case_id for review in made if review.review_id not in kept]
            if not back:
                raise Conflict(next(iter(kept.values()), "It was undone already, or it is too long ago."))
            connection.execute(update(cases).where(cases.c.case_id.in_(back)).values(FREE | {"state": "open"}))
        return Undone(tuple(back), tuple(review.case_id for review in made if review.review_id in kept))


def _close(connection: Connection, wanted: Sequence[str], user: User, now: datetime) -> list[Row[Any]]:
    """Close what may be closed, in the order of `wanted`."""
    # Locked in one order everywhere, so that two of these never wait for each other.
    free = select(cases.c.case_id, cases.c.decision_id).where(
        cases.c.case_id.in_(wanted), may_decide_together(user, now)
    )
    rows = connection.execute(free.order_by(cases.c.case_id).with_for_update(of=cases)).all()
    one_each = {row.decision_id: row.case_id for row in reversed(rows)}
    claimed_at = case((is_own(user), cases.c.claimed_at), else_=iso_utc(now))
    change = update(cases).where(cases.c.case_id.in_(one_each.values())).values(CLOSED | {"claimed_at": claimed_at})
    places = {case_id: place for place, case_id in enumerate(wanted)}
    closed = connection.execute(change.returning(cases)).all()
    return sorted(closed, key=lambda row: places[row.case_id])


def _standing(connection: Connection, batch_id: str, user: User, *, since: datetime) -> list[Row[Any]]:
    query = select(reviews).where(
        reviews.c.batch_id == batch_id,
        reviews.c.user_id == user.user_id,
        reviews.c.decided_at >= iso_utc(since),
        not_taken_back(),
    )
    return list(connection.execute(query.order_by(reviews.c.review_id)))


def _locked(connection: Connection, case_ids: Sequence[str]) -> dict[str, Row[Any]]:
    query = select(cases).where(cases.c.case_id.in_(case_ids)).order_by(cases.c.case_id)
    return {row.case_id: row for row in connection.execute(query.with_for_update())}
