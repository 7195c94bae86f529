"""The pages around the review: the queue at a glance, the ledger."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine
from starlette.responses import Response

from fairstall.labeling.overview import read_overview, read_own_work
from fairstall.labeling.passed_on import read_held
from fairstall.labeling.permissions import Permission
from fairstall.labeling.queue import ReviewQueue
from fairstall.labeling.trends.decision_list import DECISIONS_SHOWN, WantedDecisions, read_decisions
from fairstall.labeling.view_log import ViewedPage, ViewLog
from fairstall.labeling.views import Views
from fairstall.labeling.web import Page, Visit


@dataclass(frozen=True, slots=True)
class DeskPages:
    """Overview, decisions."""

    engine: Engine
    queue: ReviewQueue
    log: ViewLog
    views: Views
    clock: Callable[[], datetime]

    def pages(self) -> tuple[Page, ...]:
        return (
            Page("GET", "/queue", Permission.SEE_QUEUE, self.show_queue),
            Page("GET", "/decisions", Permission.SEE_DECISIONS, self.show_decisions),
        )

    def show_queue(self, visit: Visit) -> Response:
        user = visit.signed_in.user
        own, held = read_own_work(self.engine, user, self.clock()), read_held(self.engine, user, self.clock())
        if not visit.refreshes:
            shown = (review.reviewed for review in own.newest)
            self.log.record(user, ViewedPage.QUEUE, shown, of_cases=[one.case_id for one in held])
        return self.views.page(
            "queue.html",
            visit,
            overview=read_overview(self.engine, user, self.clock()),
            nothing_free="note" in visit.request.query_params,
            own=own,
            undoable=self.queue.undoable(user),
            held=held,
        )

    def show_decisions(self, visit: Visit) -> Response:
        wanted, user = WantedDecisions.of(visit.request.query_params), visit.signed_in.user
        lines = read_decisions(self.engine, user, wanted)
        self.log.record(user, ViewedPage.DECISIONS, (line.decision_id for line in lines))
        older = wanted.older_than(lines[-1].decision_id) if len(lines) == DECISIONS_SHOWN else None
        return self.views.page("decisions.html", visit, lines=lines, older=older, wanted=wanted)
