"""What becomes of a case on its way to a decision: steps are added, never changed, in the transaction of the verb."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from fairstall.labeling.accounts import User
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
    """`lane`: where the case went, None where it stayed. `note`: what the person wrote to whoever comes next."""

    kind: StepKind
    by: str
    note: str
    lane: str | None
    happened_at: datetime


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
    query = (
        select(case_steps, users.c.name)
        .join(users, case_steps.c.user_id == users.c.user_id)
        .where(case_steps.c.case_id == case_id)
        .order_by(case_steps.c.happened_at, case_steps.c.step_id)
    )
    return tuple(_step(row) for row in connection.execute(query))


def _step(row: Row[Any]) -> Step:
    return Step(StepKind(row.kind), row.name, row.note, row.lane, datetime.fromisoformat(row.happened_at))
