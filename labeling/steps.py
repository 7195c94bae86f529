"""What becomes of a case on its way to a decision: steps are added, never changed, in the transaction of the verb."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from fairstall.labeling.accounts import User
from fairstall.labeling.lanes import lane_of_any_person
from fairstall.labeling.permissions import Permission, may
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.wire import iso_utc
from fairstall.records.tables import case_steps, users


class StepKind(StrEnum):
    TOUCHED = "touched"  # the first sign of a person at work on it: a key, a pointer, a scroll
    SKIPPED = "skipped"
    HELD = "held"
    RESUMED = "resumed"
    RELEASED = "released"
    HANDED_OVER = "handed_over"
    ESCALATED = "escalated"
    RECALLED = "recalled"


@dataclass(frozen=True, slots=True)
class Step:
    """`lane`: where the case went, None where it stayed, and `addressee` the name of the person whose lane that is.

    `note`: what the person wrote to whoever comes next, or why he skipped the case.
    """

    kind: StepKind
    by: str
    note: str
    lane: str | None
    addressee: str | None
    happened_at: datetime


# What whoever comes next may know of a case's way. Skips are for those who look after the queue.
_TOLD = frozenset({StepKind.HELD, StepKind.HANDED_OVER, StepKind.ESCALATED, StepKind.RECALLED})


def write_step(
    connection: Connection,
    case_id: str,
    user: User,
    kind: StepKind,
    now: datetime,
    *,
    note: str = "",
    lane: str | None = None,
) -> None:
    connection.execute(
        insert(case_steps).values(
            step_id=time_ordered_id(now),
            case_id=case_id,
            user_id=user.user_id,
            kind=str(kind),
            lane=lane,
            note=note,
            happened_at=iso_utc(now),
        )
    )


def steps_of(connection: Connection, case_id: str) -> tuple[Step, ...]:
    """All steps of a case, the oldest first."""
    addressee = users.alias("addressee")
    query = (
        select(case_steps, users.c.name, addressee.c.name.label("addressee"))
        .join(users, case_steps.c.user_id == users.c.user_id)
        .outerjoin(addressee, case_steps.c.lane == lane_of_any_person(addressee.c.user_id))
        .where(case_steps.c.case_id == case_id)
        .order_by(case_steps.c.happened_at, case_steps.c.step_id)
    )
    return tuple(_step(row) for row in connection.execute(query))


def steps_for(steps: Iterable[Step], reader: User, *, blind: bool) -> tuple[Step, ...]:
    """What a person who decides the case may read of its way.

    In a blind case that leaves out what others wrote: it may say what they made of the listing.
    """
    told = _TOLD | {StepKind.SKIPPED} if may(reader.role, Permission.SETTLE_ESCALATIONS) else _TOLD
    return tuple(
        replace(step, note="") if blind and step.by != reader.name else step for step in steps if step.kind in told
    )


def _step(row: Row[Any]) -> Step:
    kind, happened_at = StepKind(row.kind), datetime.fromisoformat(row.happened_at)
    return Step(kind, row.name, row.note, row.lane, row.addressee, happened_at)
