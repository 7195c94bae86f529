"""Who looked at which listing, when and on which page: one row for each listing that a page showed, and no text.

Rows are only added, and deleted when they are older than they are kept.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, delete, func, insert, or_, select, tuple_

from fairstall.labeling.accounts import User
from fairstall.model.identifiers import earliest_id, time_ordered_id
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading, writing
from fairstall.records.tables import cases, users, views

KEEP_FOR_EVER = 0
LINES_SHOWN = 50
ROWS_AT_ONCE = 1_000
FORGOTTEN_AT_ONCE = 10_000


class ViewedPage(StrEnum):
    """The pages that show listings."""

    CASE = "case"
    CASES = "cases"
    QUEUE = "queue"
    DECISIONS = "decisions"
    PASSED_ON = "passed on"
    SEARCH = "search"
    TOGETHER = "together"
    QUALITY = "quality"
    CALIBRATION = "calibration"


@dataclass(frozen=True, slots=True)
class ViewFilter:
    """Which views: of one person, of one case or decision, from `since` on and before `until`."""

    user: str | None = None
    about: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ViewLine:
    """A page that somebody looked at, and how many listings it showed."""

    view_id: str
    user: str
    seen_at: datetime
    page: ViewedPage
    case_id: str | None
    listings: int


@dataclass(frozen=True, slots=True)
class View:
    """A listing that somebody looked at; `decision_id` names it, and `case_id` the case that the page was about."""

    view_id: str
    seen_at: str
    user: str
    page: str
    case_id: str | None
    decision_id: str


class ViewLog:
    """The views table of one store; `keep_days` 0 keeps its rows for ever."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime], keep_days: int = KEEP_FOR_EVER) -> None:
        self._engine = engine
        self._clock = clock
        self._keep_days = keep_days

    def record(
        self,
        user: User,
        page: ViewedPage,
        shown: Iterable[str] = (),
        *,
        case_id: str | None = None,
        of_cases: Sequence[str] | Select[Any] = (),
    ) -> None:
        """Store that a page is about to show the listings of these decisions, and of these cases, to somebody."""
        now = self._clock()
        view = {
            "view_id": time_ordered_id(now),
            "user_id": user.user_id,
            "seen_at": iso_utc(now),
            "page": str(page),
            "case_id": case_id,
        }
        seen = [*shown, *self._decisions_of(of_cases)]
        rows = [view | {"decision_id": decision_id} for decision_id in dict.fromkeys(seen)]
        if rows:
            with writing(self._engine) as connection:
                connection.execute(insert(views), rows)

    def _decisions_of(self, case_ids: Sequence[str] | Select[Any]) -> Sequence[str]:
        if not isinstance(case_ids, Select) and not case_ids:
            return ()
        about = select(cases.c.decision_id).where(cases.c.case_id.in_(case_ids))
        with reading(self._engine) as connection:
            return connection.execute(about).scalars().all()

    def look(self, which: ViewFilter, *, before: str | None = None) -> list[ViewLine]:
        """The newest 50 views, or those before the view named."""
        columns = (func.max(users.c.name), func.max(views.c.seen_at), func.max(views.c.page), func.max(views.c.case_id))
        query = (
            select(views.c.view_id, *columns, func.count())
            .join(users, views.c.user_id == users.c.user_id)
            .where(*_conditions(which))
            .group_by(views.c.view_id)
            .order_by(views.c.view_id.desc())
            .limit(LINES_SHOWN)
        )
        if before is not None:
            query = query.where(views.c.view_id < before)
        with reading(self._engine) as connection:
            return [
                ViewLine(view_id, name, datetime.fromisoformat(seen_at), ViewedPage(page), case_id, count)
                for view_id, name, seen_at, page, case_id, count in connection.execute(query)
            ]

    def read(self, which: ViewFilter) -> Iterator[View]:
        """Every view in the order of time, a row for each listing."""
        place = tuple_(views.c.view_id, views.c.decision_id)
        query = (
            select(views, users.c.name)
            .join(users, views.c.user_id == users.c.user_id)
            .where(*_conditions(which))
            .order_by(views.c.view_id, views.c.decision_id)
            .limit(ROWS_AT_ONCE)
        )
        rows = self._rows(query)
        while rows:
            yield from (_view(row) for row in rows)
            rows = self._rows(query.where(place > (rows[-1].view_id, rows[-1].decision_id)))

    def forget_old(self) -> None:
        """Delete what is older than it is kept, up to ten thousand rows."""
        if self._keep_days == KEEP_FOR_EVER:
            return
        end = earliest_id(self._clock() - timedelta(days=self._keep_days))
        place = tuple_(views.c.view_id, views.c.decision_id)
        old = select(views.c.view_id, views.c.decision_id).where(views.c.view_id < end).limit(FORGOTTEN_AT_ONCE)
        with writing(self._engine) as connection:
            connection.execute(delete(views).where(place.in_(old)))

    def _rows(self, query: Select[Any]) -> list[Row[Any]]:
        with reading(self._engine) as connection:
            return list(connection.execute(query))


def _conditions(which: ViewFilter) -> Iterator[ColumnElement[bool]]:
    if which.user:
        yield views.c.user_id == select(users.c.user_id).where(users.c.name == which.user).scalar_subquery()
    if which.about:
        yield views.c.view_id.in_(_views_about(which.about))
    if which.since:
        yield views.c.view_id >= earliest_id(which.since)
    if which.until:
        yield views.c.view_id < earliest_id(which.until)


def _views_about(case_or_decision: str) -> Select[Any]:
    """The views that were about a case or showed its listing, wherever that was."""
    decision = select(cases.c.decision_id).where(cases.c.case_id == case_or_decision)
    return select(views.c.view_id).where(
        or_(
            views.c.case_id == case_or_decision,
            views.c.decision_id == case_or_decision,
            views.c.decision_id.in_(decision),
        )
    )


def _view(row: Row[Any]) -> View:
    return View(row.view_id, row.seen_at, row.name, row.page, row.case_id, row.decision_id)
