"""Passing a case on: to a person, to a team, to those who settle escalations, and back to everybody."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, Engine, select, update

from fairstall.labeling.accounts import User, user_of
from fairstall.labeling.claims import IS_OPEN, reviewed_by
from fairstall.labeling.lanes import SENIOR, SHARED, lane_of_person, lane_of_team
from fairstall.labeling.permissions import Permission, may
from fairstall.labeling.queue import FREE, changed, of_user
from fairstall.labeling.steps import StepKind, write_step
from fairstall.model.errors import Conflict, InputError
from fairstall.records.engine import reading, writing
from fairstall.records.tables import cases, users


class Passing:
    """Moves cases between lanes. Each verb is one transaction and leaves a step with a note for whoever comes next."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def escalate(self, case_id: str, user: User, note: str) -> None:
        """To the lane of those who settle escalations. Raises InputError without a note, and Conflict."""
        if not note:
            raise InputError("Write a note first: what makes it a case for a senior?")
        with writing(self._engine) as connection:
            self._move(connection, case_id, user, StepKind.ESCALATED, SENIOR, note)

    def hand_over(self, case_id: str, user: User, to: str, note: str) -> None:
        """To `@NAME`, a person, or to a team by its name.

        Raises InputError when there is nobody of that name who may have the case, and Conflict when it is not his.
        """
        with writing(self._engine) as connection:
            lane = self._lane_for(connection, case_id, user, to.strip())
            self._move(connection, case_id, user, StepKind.HANDED_OVER, lane, note)

    def recall(self, case_id: str, user: User) -> None:
        """From whatever lane back to everybody, whoever has it. Raises Conflict when it is decided."""
        change = update(cases).where(IS_OPEN, cases.c.case_id == case_id).values(FREE | {"lane": SHARED})
        with writing(self._engine) as connection:
            changed(connection, change)
            write_step(connection, case_id, user, StepKind.RECALLED, self._clock(), lane=SHARED)

    def takers(self, user: User) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The teams that have somebody else in them, and the other people who review, by name."""
        with reading(self._engine) as connection:
            others = [one for one in _reviewers(connection) if one.user_id != user.user_id]
        teams = {team for one in others for team in one.teams}
        return tuple(sorted(teams)), tuple(sorted(one.name for one in others))

    def _move(self, connection: Connection, case_id: str, user: User, kind: StepKind, lane: str, note: str) -> None:
        changed(connection, of_user(case_id, user).values(FREE | {"lane": lane}))
        write_step(connection, case_id, user, kind, self._clock(), note=note, lane=lane)

    def _lane_for(self, connection: Connection, case_id: str, user: User, to: str) -> str:
        others = [one for one in _reviewers(connection) if one.user_id != user.user_id]
        named = [one for one in others if to == f"@{one.name}" or to in one.teams]
        if not named:
            raise InputError(f"Nobody else who reviews is called, or is in a team called, {to[:80]!r}.")
        if not any(_may_have(connection, case_id, one) for one in named):
            raise Conflict(f"{to} has reviewed this listing before: choose somebody else.")
        return lane_of_person(named[0].user_id) if to.startswith("@") else lane_of_team(to)


def _reviewers(connection: Connection) -> list[User]:
    people = [user_of(row) for row in connection.execute(select(users).where(users.c.disabled.is_(False)))]
    return [one for one in people if may(one.role, Permission.REVIEW)]


def _may_have(connection: Connection, case_id: str, user: User) -> bool:
    seen = select(cases.c.case_id).where(cases.c.case_id == case_id, reviewed_by(user.user_id, cases.c.decision_id))
    return connection.execute(seen).first() is None
