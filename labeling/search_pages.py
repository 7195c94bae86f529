"""The page on which a case or a decision is found again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine
from starlette.responses import Response

from fairstall.labeling.permissions import Permission
from fairstall.labeling.search import FOUND_AT_MOST, MAX_QUERY_CHARACTERS, search
from fairstall.labeling.view_log import ViewedPage, ViewLog
from fairstall.labeling.views import Views
from fairstall.labeling.web import Page, Visit
from fairstall.model.wire import iso_utc


@dataclass(frozen=True, slots=True)
class SearchPages:
    engine: Engine
    log: ViewLog
    views: Views
    clock: Callable[[], datetime]

    def pages(self) -> tuple[Page, ...]:
        return (Page("GET", "/search", Permission.SEE_QUEUE, self.show),)

    def show(self, visit: Visit) -> Response:
        query = visit.request.query_params.get("q", "")[:MAX_QUERY_CHARACTERS]
        found = search(self.engine, visit.signed_in.user, query, iso_utc(self.clock()))
        self.log.record(
            visit.signed_in.user,
            ViewedPage.SEARCH,
            (one.decision_id for one in found.decisions),
            of_cases=[one.case_id for one in found.own],
        )
        return self.views.page("search.html", visit, query=query, found=found, at_most=FOUND_AT_MOST)
