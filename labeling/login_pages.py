"""Logging in with a password, and out. The identity provider's way in is `sso_pages`'."""

from dataclasses import dataclass

from starlette.responses import Response

from fairstall.labeling.accounts import Accounts, User
from fairstall.labeling.permissions import Permission
from fairstall.labeling.queue import ReviewQueue
from fairstall.labeling.sessions import Sessions
from fairstall.labeling.view_log import ViewLog
from fairstall.labeling.views import Views
from fairstall.labeling.web import Page, Visit, browser_of, drop_session, keep_session, session_token
from fairstall.model.errors import Forbidden, Unauthorized


@dataclass(frozen=True, slots=True)
class WaysIn:
    """How people may log in here."""

    passwords: bool = True
    single_sign_on: bool = False


@dataclass(frozen=True, slots=True)
class LoginPages:
    """The log-in page, and what begins and ends a session."""

    queue: ReviewQueue
    accounts: Accounts
    sessions: Sessions
    log: ViewLog
    views: Views
    ways: WaysIn

    def pages(self) -> tuple[Page, ...]:
        return (
            Page("GET", "/", None, self.start),
            Page("GET", "/login", None, self.show_login),
            Page("POST", "/login", None, self.log_in),
            Page("POST", "/logout", Permission.OWN_ACCOUNT, self.log_out),
        )

    def start(self, visit: Visit) -> Response:
        return visit.go("/queue" if visit.session else "/login")

    def show_login(self, visit: Visit) -> Response:
        return visit.go("/queue") if visit.session else self.show(visit)

    def show(self, visit: Visit, *, name: str = "", refused: str | None = None, status: int = 200) -> Response:
        """The log-in page, with what went wrong."""
        left = "left" in visit.request.query_params
        return self.views.page(
            "login.html", visit, status=status, name=name[:64], refused=refused, ways=self.ways, left=left
        )

    def log_in(self, visit: Visit) -> Response:
        if not self.ways.passwords:
            raise Forbidden("Passwords are switched off here: log in with single sign-on.")
        name = visit.field("name")
        try:
            user = self.accounts.log_in(name, visit.field("password"))
        except Unauthorized as error:
            return self.show(visit, name=name, refused=str(error), status=401)
        return self.begin(visit, user, visit.go("/queue"))

    def begin(self, visit: Visit, user: User, answer: Response) -> Response:
        """Begin a session in the place of the one that the browser may have."""
        if old := session_token(visit.request):
            self.sessions.close(old)
        self.log.forget_old()
        token = self.sessions.open(user, browser_of(visit.request))
        return keep_session(answer, visit.request, token, longest=self.sessions.limits.longest)

    def log_out(self, visit: Visit) -> Response:
        """End the session; cases that are still held go back to the queue."""
        user = visit.signed_in.user
        self.queue.release_all(user)
        if token := session_token(visit.request):
            self.sessions.close(token)
        return drop_session(visit.go("/login?left" if user.single_sign_on else "/login"), visit.request)
