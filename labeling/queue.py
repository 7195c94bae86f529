"""The review queue: who works on which case. A page is read in `case_file`; what a verdict does is `verdicts`'s.

Each verb is one transaction; a claim is one statement. Decisions go into the ledger in the transaction of the review.
Passing a case on, to a person, a team or the seniors, is `passing`'s; who settles
a disagreement, `settling`'s.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, Row, Update, func, select, update

from fairstall.labeling.accounts import User
from fairstall.labeling.claims import CLOSED, IS_OPEN, Claimant, claim_next, last_review
from fairstall.labeling.golden_cases import GoldenMix
from fairstall.labeling.lanes import lanes_of
from fairstall.labeling.second_reviews import SecondReviews
from fairstall.labeling.settling import lock_decisions
from fairstall.labeling.steps import StepKind, write_step
from fairstall.labeling.verdicts import (
    Judgement,
    Review,
    ReviewVerdict,
    review_of_row,
    take_back,
    write_reviews,
)
from fairstall.model.errors import Conflict
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading, writing
from fairstall.records.ledger import CaseReason
from fairstall.records.tables import case_steps, cases

LEASE_SECONDS = 300
SKIP_SECONDS = 600
UNDO_SECONDS = 900
HOLD = timedelta(hours=24)
HELD_AT_MOST = 10

FREE = {"lease_holder": None, "lease_until": None, "claimed_at": None, "held_at": None}

_LOST = (
    "This case is no longer yours: the lease ran out and somebody else has it, or it was decided. Nothing was stored."
)


class SkipReason(StrEnum):
    """Why somebody leaves a case to others."""

    LANGUAGE = "language"  # he does not read it
    EXPERTISE = "expertise"  # it takes knowledge that he lacks
    POLICY_UNCLEAR = "policy_unclear"
    INVOLVED = "involved"  # he knows the seller
    DISTRESSING = "distressing"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ClaimedCase:
    """A case that somebody holds. The lease may be renewed until someone else takes the case."""

    case_id: str
    decision_id: str
    reason: CaseReason
    policy: str | None
    opened_at: datetime
    due_at: datetime | None
    claimed_at: datetime
    lease_until: datetime


class ReviewQueue:
    """Cases of one store, handed out so that nobody works on another's.

    A lease lasts `lease_seconds` and is renewed by `heartbeat`. Whoever lets it run out may still decide as long as
    nobody else took the case. A skipped case comes back to the same person after `skip_seconds`, or when there is
    nothing else; to everybody else it is offered at once. Without `second_reviews` and `golden` nothing is reviewed
    twice, and nobody is tried.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], datetime],
        *,
        lease_seconds: int = LEASE_SECONDS,
        skip_seconds: int = SKIP_SECONDS,
        undo_seconds: int = UNDO_SECONDS,
        second_reviews: SecondReviews | None = None,
        golden: GoldenMix | None = None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._lease = timedelta(seconds=lease_seconds)
        self._skip = timedelta(seconds=skip_seconds)
        self._undo = timedelta(seconds=undo_seconds)
        self._second_reviews = second_reviews
        self._golden = golden

    @property
    def lease_seconds(self) -> int:
        return int(self._lease.total_seconds())

    def claim(self, user: User, *, after: str | None = None, turns_to_it: bool = False) -> ClaimedCase | None:
        """The case that `user` works on already, or else the most urgent one that he may have; None when there is none.

        With `after`, the case that he is at, it is the one that comes next, but none that he has just skipped: he then
        has both, and when he `turns_to_it` it is claimed from then on. Nobody is given a case about a decision that he
        has reviewed, unless he took that review back.
        """
        now = self._clock()
        until, skipped_since = iso_utc(now + self._lease), iso_utc(now - self._skip)
        claimant = Claimant(user.user_id, lanes_of(user), iso_utc(now), until, skipped_since, after, turns_to_it)
        with writing(self._engine) as connection:
            row = claim_next(connection, claimant)
            if row and self._golden and (golden := self._golden.instead_of(connection, row, claimant)):
                connection.execute(update(cases).where(cases.c.case_id == row.case_id).values(FREE))
                row = golden
        return _claimed(row) if row else None

    def heartbeat(self, case_id: str, user: User) -> ClaimedCase:
        """Renew the lease; a case that was held is taken up again. Raises Conflict when it is no longer the user's."""
        now = self._clock()
        was_held = select(cases.c.held_at).where(cases.c.case_id == case_id)
        with writing(self._engine) as connection:
            resumes = connection.execute(was_held).scalar_one_or_none() is not None
            change = of_user(case_id, user).values(lease_until=iso_utc(now + self._lease), held_at=None)
            case = changed(connection, change)
            if resumes:
                write_step(connection, case_id, user, StepKind.RESUMED, now)
        return _claimed(case)

    def touch(self, case_id: str, user: User) -> None:
        """Note that the user has begun to work on the case, once a claim. Raises Conflict."""
        now = self._clock()
        touched = select(case_steps.c.step_id).where(
            case_steps.c.case_id == case_id,
            case_steps.c.user_id == user.user_id,
            case_steps.c.kind == str(StepKind.TOUCHED),
        )
        with writing(self._engine) as connection:
            case = changed(connection, of_user(case_id, user).values(lease_until=iso_utc(now + self._lease)))
            since = touched.where(case_steps.c.happened_at >= case.claimed_at)
            if connection.execute(since.limit(1)).first() is None:
                write_step(connection, case_id, user, StepKind.TOUCHED, now)

    def skip(self, case_id: str, user: User, reason: SkipReason) -> None:
        """Hand the case to the others, and to this user only after a while. Raises Conflict."""
        now = self._clock()
        # A holder without a claim is the one who skipped the case last, at the end of his lease.
        change = of_user(case_id, user).values(claimed_at=None, held_at=None, lease_until=iso_utc(now))
        with writing(self._engine) as connection:
            changed(connection, change)
            write_step(connection, case_id, user, StepKind.SKIPPED, now, note=str(reason))

    def hold(self, case_id: str, user: User, note: str = "") -> None:
        """Put the case aside for a day at most, for nobody else to take: he waits for an answer, say.

        Then it is free again like any other. Raises Conflict when the case is no longer his, or when he holds too many.
        """
        now = self._clock()
        held = select(func.count()).where(
            IS_OPEN,
            cases.c.lease_holder == user.user_id,
            cases.c.held_at.is_not(None),
            cases.c.lease_until > iso_utc(now),
        )
        change = of_user(case_id, user).values(held_at=iso_utc(now), lease_until=iso_utc(now + HOLD))
        with writing(self._engine) as connection:
            if connection.execute(held).scalar_one() >= HELD_AT_MOST:
                raise Conflict(f"You hold {HELD_AT_MOST} cases already: decide or release one of them first.")
            changed(connection, change)
            write_step(connection, case_id, user, StepKind.HELD, now, note=note)

    def release(self, case_id: str, user: User) -> None:
        """Give the case back as if it had never been taken. Raises Conflict."""
        now = self._clock()
        with writing(self._engine) as connection:
            changed(connection, of_user(case_id, user).values(FREE))
            write_step(connection, case_id, user, StepKind.RELEASED, now)

    def release_all(self, user: User) -> None:
        """Give back every case that the user works on, as on logging out. What he holds stays his."""
        mine = update(cases).where(
            IS_OPEN,
            cases.c.lease_holder == user.user_id,
            cases.c.claimed_at.is_not(None),
            cases.c.held_at.is_(None),
        )
        with writing(self._engine) as connection:
            connection.execute(mine.values(FREE))

    def decide(
        self, case_id: str, user: User, verdict: ReviewVerdict, policies: Sequence[str] = (), note: str = ""
    ) -> Review:
        """Close the case with a review, and put its outcome into the ledger where it differs from the one in force.

        A second review and one of a golden item are compared with others, and put nothing into force. A violation
        names at least one policy and blocks; a compliant listing names none and is approved. Raises Conflict when the
        case is no longer the user's, and ValueError for a verdict without its policies.
        """
        judgement = Judgement(verdict, tuple(policies), note)
        now = self._clock()
        with writing(self._engine) as connection:
            lock_decisions(connection, [case_id])
            case = changed(connection, of_user(case_id, user).values(CLOSED))
            [review] = write_reviews(connection, [case], user, judgement, now, second_reviews=self._second_reviews)
        return review

    def undo(self, user: User, *, review_id: str | None = None) -> ClaimedCase:
        """Take back the user's last review, put the outcome before it into force again and give him the case back.

        With `review_id`, only if that is his last one. Raises Conflict when there is nothing to undo, when it is too
        long ago, or when somebody has decided since.
        """
        now = self._clock()
        with writing(self._engine) as connection:
            last = last_review(connection, user.user_id, since=iso_utc(now - self._undo))
            if last is None or review_id not in (None, last.review_id):
                raise Conflict("There is no decision of yours to undo: it was undone already, or it is too long ago.")
            lock_decisions(connection, [last.case_id])
            case = _reopen(connection, last.case_id, user, now, now + self._lease)
            kept = take_back(connection, [last], {case.case_id: case}, user, now)
            if kept:
                raise Conflict(kept[last.review_id])
        return _claimed(case)

    def review_of(self, case_id: str, user: User) -> Review | None:
        """The user's own review of a case, if it stands."""
        with reading(self._engine) as connection:
            row = last_review(connection, user.user_id, case_id=case_id)
        return review_of_row(row) if row else None

    def undoable(self, user: User) -> Review | None:
        """The review that `undo` would take back, or None."""
        with reading(self._engine) as connection:
            row = last_review(connection, user.user_id, since=iso_utc(self._clock() - self._undo))
        return review_of_row(row) if row else None


def of_user(case_id: str, user: User) -> Update:
    """A change to a case as long as the user has it."""
    return update(cases).where(
        IS_OPEN,
        cases.c.case_id == case_id,
        cases.c.lease_holder == user.user_id,
        cases.c.claimed_at.is_not(None),
    )


def changed(connection: Connection, change: Update) -> Row[Any]:
    """The case after the change. Raises Conflict when there was none to change."""
    row = connection.execute(change.returning(cases)).one_or_none()
    if row is None:
        raise Conflict(_LOST)
    return row


def _reopen(connection: Connection, case_id: str, user: User, now: datetime, lease_until: datetime) -> Row[Any]:
    values = {
        "state": "open",
        "lease_holder": user.user_id,
        "claimed_at": iso_utc(now),
        "lease_until": iso_utc(lease_until),
    }
    decided = update(cases).where(cases.c.case_id == case_id, cases.c.state == "decided")
    row = connection.execute(decided.values(values).returning(cases)).one_or_none()
    if row is None:
        raise Conflict("This case was opened again already.")
    return row


def _claimed(row: Row[Any]) -> ClaimedCase:
    return ClaimedCase(
        case_id=row.case_id,
        decision_id=row.decision_id,
        reason=CaseReason(row.reason),
        policy=row.policy,
        opened_at=datetime.fromisoformat(row.opened_at),
        due_at=datetime.fromisoformat(row.due_at) if row.due_at else None,
        claimed_at=datetime.fromisoformat(row.claimed_at),
        lease_until=datetime.fromisoformat(row.lease_until),
    )
