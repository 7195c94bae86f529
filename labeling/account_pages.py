"""The page of one's own account: the password, and where one is logged in."""

from dataclasses import dataclass

from starlette.responses import Response

from fairstall.labeling.accounts import Accounts, User
from fairstall.labeling.passwords import MIN_PASSWORD_CHARACTERS
from fairstall.labeling.permissions import Permission
from fairstall.labeling.sessions import Sessions
from fairstall.labeling.views import Views
from fairstall.labeling.web import Page, Visit, browser_of, keep_session
from fairstall.model.errors import Conflict, InputError, Unauthorized


@dataclass(frozen=True, slots=True)
class AccountPages:
    """What everybody may do with his own account; a one-time password is replaced here before anything else."""

    accounts: Accounts
    sessions: Sessions
    views: Views

    def pages(self) -> tuple[Page, ...]:
        own = Permission.OWN_ACCOUNT
        return (
            Page("GET", "/account", own, self.show),
            Page("POST", "/account/password", own, self.change_password),
            Page("POST", "/account/end-session", own, self.end_session),
            Page("POST", "/account/end-others", own, self.end_others),
        )

    def show(self, visit: Visit, *, refused: str | None = None, status: int = 200) -> Response:
        return self.views.page(
            "account.html",
            visit,
            status=status,
            refused=refused,
            changed="changed" in visit.request.query_params,
            min_characters=MIN_PASSWORD_CHARACTERS,
            own=self.sessions.of(visit.signed_in.user),
        )

    def change_password(self, visit: Visit) -> Response:
        """Replace the password, end every session, and begin a new one here."""
        try:
            user = self._changed(visit)
        except Unauthorized:
            return self.show(visit, refused="That is not your present password. Nothing was changed.", status=422)
        except InputError as error:
            return self.show(visit, refused=f"Nothing was changed: {error}.", status=422)
        token = self.sessions.open(user, browser_of(visit.request))
        answer = visit.go("/account?changed")
        return keep_session(answer, visit.request, token, longest=self.sessions.limits.longest)

    def end_session(self, visit: Visit) -> Response:
        self.sessions.end(visit.signed_in.user, visit.field("session"))
        return visit.go("/account")

    def end_others(self, visit: Visit) -> Response:
        self.sessions.end_all(visit.signed_in.user, but=visit.signed_in.digest)
        return visit.go("/account")

    def _changed(self, visit: Visit) -> User:
        user, new = visit.signed_in.user, visit.field("new")
        if user.single_sign_on:
            raise Conflict("your account has no password: you log in with single sign-on")
        if new != visit.field("again"):
            raise InputError("the two new passwords differ")
        return self.accounts.change_password(user, visit.field("present"), new)
