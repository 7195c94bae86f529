"""The pages on which auditors see who looked at what, and take it away as CSV."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from starlette.responses import Response, StreamingResponse

from fairstall.labeling.accounts import Accounts
from fairstall.labeling.permissions import Permission
from fairstall.labeling.view_log import LINES_SHOWN, View, ViewFilter, ViewLog
from fairstall.labeling.views import Views
from fairstall.labeling.web import Page, Visit
from fairstall.model.errors import InputError

FILTERS = ("user", "about", "since", "until")


@dataclass(frozen=True, slots=True)
class ViewPages:
    """The log of views: a page at a time, or all of it."""

    log: ViewLog
    accounts: Accounts
    views: Views

    def pages(self) -> tuple[Page, ...]:
        return (
            Page("GET", "/views", Permission.SEE_VIEWS, self.show),
            Page("GET", "/views.csv", Permission.SEE_VIEWS, self.download),
        )

    def show(self, visit: Visit) -> Response:
        asked, before = _asked(visit), visit.request.query_params.get("before")
        lines = self.log.look(_filter(asked), before=before)
        older = asked | {"before": lines[-1].view_id} if len(lines) == LINES_SHOWN else None
        return self.views.page(
            "views.html",
            visit,
            lines=lines,
            asked=asked,
            people=[account.user.name for account in self.accounts.all()],
            narrowed=any(asked.values()) or before is not None,
            as_csv=urlencode(asked),
            older=urlencode(older) if older else None,
        )

    def download(self, visit: Visit) -> Response:
        rows = self.log.read(_filter(_asked(visit)))
        headers = {"Content-Disposition": 'attachment; filename="views.csv"'}
        return StreamingResponse(_as_csv(rows), media_type="text/csv", headers=headers)


def _asked(visit: Visit) -> dict[str, str]:
    return {name: visit.request.query_params.get(name, "").strip() for name in FILTERS}


def _filter(asked: dict[str, str]) -> ViewFilter:
    """What the fields of the form ask for; both days belong to it. Raises InputError."""
    since, until = (_day(asked[name]) for name in ("since", "until"))
    end = until + timedelta(days=1) if until else None
    return ViewFilter(asked["user"] or None, asked["about"] or None, since, end)


def _day(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) if text else None
    except ValueError as error:
        raise InputError(f"{text[:40]!r} is no day: write it as in 2026-11-22") from error


def _as_csv(rows: Iterator[View]) -> Iterator[str]:
    """Lines of RFC 4180. Every value is an id, a time, or a name of ours: none begins a formula."""
    yield _line(field.name for field in fields(View))
    for row in rows:
        yield _line(astuple(row))


def _line(values: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue()
