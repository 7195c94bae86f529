"""The pages on which administrators look after people: who there is, his role, his way in, his sessions."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from fairstall.labeling.accounts import Accounts, Invitation
from fairstall.labeling.login_pages import WaysIn
from fairstall.labeling.permissions import Permission, Role
from fairstall.labeling.sessions import Sessions
from fairstall.labeling.views import Views
from fairstall.labeling.web import Page, Visit
from fairstall.model.errors import Conflict, InputError, NotFound

BY_PASSWORD = "password"
BY_PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class UserPages:
    """The list of people, and a page for each. `provider_gives_roles`: nobody else may change them."""

    accounts: Accounts
    sessions: Sessions
    views: Views
    ways: WaysIn
    provider_gives_roles: bool

    def pages(self) -> tuple[Page, ...]:
        manage = Permission.MANAGE_USERS
        return (
            Page("GET", "/users", manage, self.show_all),
            Page("POST", "/users", manage, self.create),
            Page("GET", "/users/{name}", manage, self.show),
            Page("POST", "/users/{name}/role", manage, self.change_role),
            Page("POST", "/users/{name}/password", manage, self.reset_password),
            Page("POST", "/users/{name}/single-sign-on", manage, self.use_single_sign_on),
            Page("POST", "/users/{name}/disable", manage, self.disable),
            Page("POST", "/users/{name}/enable", manage, self.enable),
            Page("POST", "/users/{name}/end-sessions", manage, self.end_sessions),
        )

    def show_all(self, visit: Visit, *, refused: str | None = None, status: int = 200) -> Response:
        return self.views.page(
            "users.html",
            visit,
            status=status,
            refused=refused,
            name=visit.field("name")[:64],
            role=visit.field("role") or Role.MODERATOR,
            roles=tuple(Role),
            accounts=self.accounts.all(),
            presence=self.sessions.presence(),
            ways=self.ways,
        )

    def create(self, visit: Visit) -> Response:
        """Make an account, and show its one-time password now, since nobody can read it later."""
        try:
            return self._created(visit)
        except InputError as error:
            return self.show_all(visit, refused=f"Nobody was added: {error}.", status=422)

    def show(self, visit: Visit, *, refused: str | None = None, status: int = 200) -> Response:
        account = self.accounts.get(_name(visit))
        return self.views.page(
            "user.html",
            visit,
            status=status,
            refused=refused,
            account=account,
            roles=tuple(Role),
            role_is_the_providers=self.provider_gives_roles and account.user.single_sign_on,
            sessions=self.sessions.of(account.user),
            ways=self.ways,
        )

    def change_role(self, visit: Visit) -> Response:
        return self._change(visit, lambda: self._set_role(visit))

    def reset_password(self, visit: Visit) -> Response:
        if not self.ways.passwords:
            raise Conflict("Passwords are switched off here.")
        return self._invitation(visit, self.accounts.reset_password(_name(visit)))

    def use_single_sign_on(self, visit: Visit) -> Response:
        if not self.ways.single_sign_on:
            raise Conflict("There is no identity provider here.")
        return self._change(visit, lambda: self.accounts.use_single_sign_on(_name(visit)))

    def disable(self, visit: Visit) -> Response:
        return self._change(visit, lambda: self.accounts.disable(_name(visit)))

    def enable(self, visit: Visit) -> Response:
        return self._change(visit, lambda: self.accounts.enable(_name(visit)))

    def end_sessions(self, visit: Visit) -> Response:
        user = self.accounts.get(_name(visit)).user
        return self._change(visit, lambda: self.sessions.end_all(user))

    def _created(self, visit: Visit) -> Response:
        name, role = visit.field("name"), _role(visit)
        if self.ways.single_sign_on and (visit.field("by") == BY_PROVIDER or not self.ways.passwords):
            return visit.go(f"/users/{self.accounts.admit(name, role).name}")
        return self._invitation(visit, self.accounts.invite(name, role))

    def _invitation(self, visit: Visit, invitation: Invitation) -> Response:
        return self.views.page("invitation.html", visit, invitation=invitation)

    def _set_role(self, visit: Visit) -> None:
        user = self.accounts.get(_name(visit)).user
        if self.provider_gives_roles and user.single_sign_on:
            raise Conflict(f"the role of {user.name} is what the identity provider says at each log in")
        self.accounts.set_role(user.name, _role(visit))

    def _change(self, visit: Visit, change: Callable[[], None]) -> Response:
        """Do it and show the person again, with the reason where it is refused."""
        try:
            change()
        except NotFound:
            raise
        except InputError as error:
            return self.show(visit, refused=f"Nothing was changed: {error}.", status=409)
        return visit.go(f"/users/{_name(visit)}")


def _name(visit: Visit) -> str:
    return str(visit.request.path_params["name"])


def _role(visit: Visit) -> Role:
    try:
        return Role(visit.field("role"))
    except ValueError as error:
        raise InputError("choose a role") from error
