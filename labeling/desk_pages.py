"""The pages around the review: logging in and out, the queue at a glance, the ledger."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine
from starlette.responses import Response

from fairstall.labeling.accounts import Accounts
from fairstall.labeling.overview import read_overview, read_own_work
from fairstall.labeling.permissions import Permission
from fairstall.labeling.queue import ReviewQueue
from fairstall.labeling.sessions import Sessions
from fairstall.labeling.trends.decision_list import DECISIONS_SHOWN, WantedDecisions, read_decisions
from fairstall.labeling.views import Views
from fairstall.labeling.web import Page, Visit, drop_session, keep_session, session_token
from fairstall.model.errors import Unauthorized


@dataclass(frozen=True, slots=True)
class DeskPages:
    """Log in and out, overview, decisions."""

    engine: Engine
    queue: ReviewQueue
    accounts: Accounts
    sessions: Sessions
    views: Views
    clock: Callable[[], datetime]

    def pages(self) -> tuple[Page, ...]:
        return (
            Page("GET", "/", None, self.start),
            Page("GET", "/login", None, self.show_login),
            Page("POST", "/login", None, self.log_in),
            Page("POST", "/logout", Permission.SEE_QUEUE, self.log_out),
            Page("GET", "/queue", Permission.SEE_QUEUE, self.show_queue),
            Page("GET", "/decisions", Permission.SEE_DECISIONS, self.show_decisions),
        )

    def start(self, visit: Visit) -> Response:
        return visit.go("/queue" if visit.session else "/login")

    def show_login(self, visit: Visit) -> Response:
        if visit.session:
            return visit.go("/queue")
        return self.views.page("login.html", visit, name="", refused=None)

    def log_in(self, visit: Visit) -> Response:
        name = visit.field("name")
        try:
            user = self.accounts.log_in(name, visit.field("password"))
        except Unauthorized as error:
            return self.views.page("login.html", visit, status=401, name=name[:64], refused=str(error))
        if old := session_token(visit.request):
            self.sessions.close(old)
        return keep_session(visit.go("/queue"), visit.request, self.sessions.open(user))

    def log_out(self, visit: Visit) -> Response:
        """End the session; cases that are still held go back to the queue."""
        self.queue.release_all(visit.signed_in.user)
        if token := session_token(visit.request):
            self.sessions.close(token)
        return drop_session(visit.go("/login"), visit.request)

    def show_queue(self, visit: Visit) -> Response:
        user = visit.signed_in.user
        return self.views.page(
            "queue.html",
            visit,
            overview=read_overview(self.engine, user, self.clock()),
            nothing_free="note" in visit.request.query_params,
            own=read_own_work(self.engine, user, self.clock()),
            undoable=self.queue.undoable(user),
        )

    def show_decisions(self, visit: Visit) -> Response:
        wanted = WantedDecisions.of(visit.request.query_params)
        lines = read_decisions(self.engine, wanted)
        older = wanted.older_than(lines[-1].decision_id) if len(lines) == DECISIONS_SHOWN else None
        return self.views.page("decisions.html", visit, lines=lines, older=older, wanted=wanted)
