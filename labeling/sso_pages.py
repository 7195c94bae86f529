"""The way to the identity provider and back. What its answer has to hold is `oidc`'s, whose account it opens
`single_sign_on`'s."""

from dataclasses import dataclass
from typing import Literal, TypedDict

from starlette.responses import RedirectResponse, Response

from fairstall.labeling.login_pages import LoginPages
from fairstall.labeling.oidc import Attempt, Provider
from fairstall.labeling.single_sign_on import Identity, SingleSignOn
from fairstall.labeling.views import Views
from fairstall.labeling.web import Page, Visit, is_https
from fairstall.model.errors import FairstallError, Forbidden, InputError

COOKIE = "fairstall_login"
COOKIE_S = 600


class _Kept(TypedDict):
    secure: bool
    httponly: bool
    samesite: Literal["lax"]


@dataclass(frozen=True, slots=True)
class SsoPages:
    """Three addresses that are opened by a link and not by a form: a form may lead to this console alone."""

    provider: Provider
    accounts: SingleSignOn
    login: LoginPages
    views: Views

    def pages(self) -> tuple[Page, ...]:
        return (
            Page("GET", "/sso", None, self.leave),
            Page("GET", "/sso/callback", None, self.come_back),
            Page("GET", "/sso/logout", None, self.log_out),
        )

    def leave(self, visit: Visit) -> Response:
        """Send the browser to the provider, with a cookie that its answer has to fit."""
        attempt = Attempt.new()
        try:
            address = self.provider.address(attempt, _address(visit, "/sso/callback"))
        except FairstallError as error:
            return self._refuse(visit, error)
        answer = RedirectResponse(address, status_code=303)
        # Lax, not strict: the provider's redirect comes from another site, and has to bring it along.
        answer.set_cookie(_cookie(visit), attempt.cookie(), max_age=COOKIE_S, path="/", **_kept(visit))
        return answer

    def come_back(self, visit: Visit) -> Response:
        """Log in whom the provider sent back.

        The answer is a page that goes on by itself: a redirect would still be the other site's, and the session's
        strict cookie would not go with it.
        """
        attempt = Attempt.from_cookie(visit.request.cookies.get(_cookie(visit)))
        try:
            user = self.accounts.log_in(self._identity(visit, attempt))
        except FairstallError as error:
            answer = self._refuse(visit, error)
        else:
            answer = self.login.begin(visit, user, self.views.page("logged_in.html", visit, name=user.name))
        answer.delete_cookie(_cookie(visit), path="/", **_kept(visit))
        return answer

    def log_out(self, visit: Visit) -> Response:
        """End the session at the provider, after the one here has ended."""
        try:
            address = self.provider.log_out_address(_address(visit, "/login"))
        except FairstallError as error:
            return self._refuse(visit, error)
        return RedirectResponse(address, status_code=303) if address else visit.go("/login")

    def _identity(self, visit: Visit, attempt: Attempt | None) -> Identity:
        if attempt is None:
            raise Forbidden("This log in was begun elsewhere, or is over. Begin again.")
        answer = dict(visit.request.query_params)
        return self.provider.identity(attempt, answer, _address(visit, "/sso/callback"))

    def _refuse(self, visit: Visit, error: FairstallError) -> Response:
        return self.login.show(visit, refused=str(error), status=403 if isinstance(error, InputError) else 503)


def _address(visit: Visit, path: str) -> str:
    """A page of the console as the provider has to name it."""
    return str(visit.request.url.replace(path=f"{visit.base}{path}", query=""))


def _cookie(visit: Visit) -> str:
    return f"__Host-{COOKIE}" if is_https(visit.request) else COOKIE


def _kept(visit: Visit) -> _Kept:
    return {"secure": is_https(visit.request), "httponly": True, "samesite": "lax"}
