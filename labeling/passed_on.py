"""Lists of open cases that somebody has put aside, passed on or left to others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, ScalarSelect, Select, and_, func, select

from fairstall.labeling.accounts import User
from fairstall.labeling.case_file import heading_of, shown_reason
from fairstall.labeling.claims import IS_OPEN
from fairstall.labeling.lanes import SHARED, lane_of_any_person, told_lane
from fairstall.labeling.queue import SkipReason
from fairstall.labeling.steps import StepKind
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading
from fairstall.records.ledger import BLIND_REASONS, CaseReason
from fairstall.records.tables import case_steps, cases, decisions, listings, users

SHOWN = 100
SKIPS_SINCE = timedelta(days=7)
SKIPS_READ = 500


@dataclass(frozen=True, slots=True)
class HeldCase:
    """A case that its reader holds, until when, and what he waits for."""

    case_id: str
    heading: str
    note: str
    held_at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class PassedOnCase:
    """A case that somebody holds or that is in a lane of its own. `kind`, `by`, `note` and `since` are of the last step
    that put it there; in a blind case the note is left out. `at_work`: who has it open now."""

    case_id: str
    heading: str
    reason: CaseReason
    kind: StepKind
    to: str
    by: str
    note: str
    since: datetime
    due_at: datetime | None
    at_work: str | None


@dataclass(frozen=True, slots=True)
class SkippedCase:
    """A case that waits although people had it: who skipped it, the latest first, and why unless it is blind."""

    case_id: str
    heading: str
    reason: CaseReason
    skips: tuple[tuple[str, SkipReason | None], ...]
    last: datetime


def read_held(engine: Engine, user: User, now: datetime) -> tuple[HeldCase, ...]:
    """What the user holds, the longest first."""
    note = (
        select(case_steps.c.note)
        .where(case_steps.c.case_id == cases.c.case_id, case_steps.c.kind == str(StepKind.HELD))
        .order_by(case_steps.c.step_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = _with_listing(cases.c.case_id, cases.c.held_at, cases.c.lease_until, note.label("note"))
    query = query.where(IS_OPEN, cases.c.lease_holder == user.user_id, _is_held(now)).order_by(cases.c.held_at)
    with reading(engine) as connection:
        return tuple(
            HeldCase(row.case_id, heading_of(row.body), row.note or "", _moment(row.held_at), _moment(row.lease_until))
            for row in connection.execute(query)
        )


def read_passed_on(engine: Engine, now: datetime) -> tuple[PassedOnCase, ...]:
    """The 100 cases that were put aside or passed on the longest ago."""
    holder, addressee = users.alias("holder"), users.alias("addressee")
    query = (
        _with_listing(
            cases,
            case_steps.c.kind,
            case_steps.c.note,
            case_steps.c.happened_at,
            users.c.name.label("by"),
            holder.c.name.label("holder"),
            addressee.c.name.label("addressee"),
        )
        .join(case_steps, case_steps.c.step_id == _last_step())
        .join(users, case_steps.c.user_id == users.c.user_id)
        .outerjoin(holder, and_(cases.c.lease_holder == holder.c.user_id, cases.c.lease_until > iso_utc(now)))
        .outerjoin(addressee, cases.c.lane == lane_of_any_person(addressee.c.user_id))
        .where(IS_OPEN, cases.c.case_id.in_(_elsewhere(now)))
        .order_by(case_steps.c.happened_at)
        .limit(SHOWN)
    )
    with reading(engine) as connection:
        return tuple(_passed_on(row) for row in connection.execute(query))


def read_skipped(engine: Engine, now: datetime) -> tuple[SkippedCase, ...]:
    """The cases that wait for everybody and were skipped within a week, the most often skipped first."""
    skipped = (case_steps.c.kind == str(StepKind.SKIPPED), case_steps.c.happened_at >= iso_utc(now - SKIPS_SINCE))
    query = (
        _with_listing(
            cases.c.case_id, cases.c.reason, case_steps.c.note, case_steps.c.happened_at, users.c.name.label("by")
        )
        .join(case_steps, case_steps.c.case_id == cases.c.case_id)
        .join(users, case_steps.c.user_id == users.c.user_id)
        .where(IS_OPEN, cases.c.lane == SHARED, *skipped)
        .order_by(case_steps.c.step_id.desc())
        .limit(SKIPS_READ)
    )
    with reading(engine) as connection:
        rows = sorted(connection.execute(query), key=lambda row: str(row.case_id))
    found = [_skipped(list(of_case)) for _, of_case in groupby(rows, key=lambda row: row.case_id)]
    return tuple(sorted(found, key=lambda case: (-len(case.skips), case.last)))


def _with_listing(*columns: Any) -> Select[Any]:
    return (
        select(*columns, listings.c.body)
        .select_from(cases)
        .join(decisions, cases.c.decision_id == decisions.c.decision_id)
        .join(listings, decisions.c.listing_digest == listings.c.digest)
    )


def _is_held(now: datetime) -> ColumnElement[bool]:
    return and_(cases.c.held_at.is_not(None), cases.c.lease_until > iso_utc(now))


def _elsewhere(now: datetime) -> Any:
    """Two searches of an index instead of a walk through all that is open: every other lane sorts after everybody's."""
    in_a_lane = select(cases.c.case_id).where(IS_OPEN, cases.c.lane > SHARED)
    held = select(cases.c.case_id).where(cases.c.lease_holder.is_not(None), _is_held(now))
    return in_a_lane.union(held)


def _last_step() -> ScalarSelect[Any]:
    kinds = [str(kind) for kind in (StepKind.HELD, StepKind.HANDED_OVER, StepKind.ESCALATED)]
    steps = case_steps.alias("passing")
    last = select(func.max(steps.c.step_id)).where(steps.c.case_id == cases.c.case_id, steps.c.kind.in_(kinds))
    return last.correlate(cases).scalar_subquery()


def _passed_on(row: Row[Any]) -> PassedOnCase:
    reason = shown_reason(row.reason)
    held = row.held_at is not None and row.holder is not None
    return PassedOnCase(
        case_id=row.case_id,
        heading=heading_of(row.body),
        reason=reason,
        kind=StepKind(row.kind),
        to=f"@{row.holder}" if held else told_lane(row.lane, row.addressee),
        by=row.by,
        note="" if reason in BLIND_REASONS else row.note,
        since=_moment(row.happened_at),
        due_at=_moment(row.due_at) if row.due_at else None,
        at_work=None if held else row.holder,
    )


def _skipped(rows: Sequence[Row[Any]]) -> SkippedCase:
    latest, reason = rows[0], shown_reason(rows[0].reason)
    return SkippedCase(
        case_id=latest.case_id,
        heading=heading_of(latest.body),
        reason=reason,
        skips=tuple(_why(rows, tells=reason not in BLIND_REASONS)),
        last=max(_moment(row.happened_at) for row in rows),
    )


def _why(rows: Iterable[Row[Any]], *, tells: bool) -> Iterable[tuple[str, SkipReason | None]]:
    for row in rows:
        yield row.by, SkipReason(row.note) if tells and row.note else None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
