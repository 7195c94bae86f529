"""What every request of the console goes through: forms, cookies, origin, session, permission, headers, errors.

Which pages there are is `console`'s business, what they say the pages'.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fairstall.labeling.permissions import Permission, may
from fairstall.labeling.sessions import Session, Sessions
from fairstall.labeling.views import Views
from fairstall.model.errors import (
    Conflict,
    FairstallError,
    Forbidden,
    InputError,
    NotFound,
    Overloaded,
    ServiceError,
    Unauthorized,
)

MAX_FORM_BYTES = 65_536  # 500 ids of cases and the longest note
MAX_FORM_FIELDS = 600
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
REFRESH = "refresh"  # in the address of a page that asks for itself again, without anybody at work

_COOKIE = "fairstall_session"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Not no-referrer: browsers then send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

# The first sign that is there counts: a browser also names those that it wants to be taken for.
_BROWSERS = (("Firefox/", "Firefox"), ("Edg", "Edge"), ("OPR/", "Opera"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)

_STATUS: tuple[tuple[type[FairstallError], int, str], ...] = (
    (Unauthorized, 401, "Please log in"),
    (Forbidden, 403, "This is not allowed"),
    (NotFound, 404, "Not found"),
    (Conflict, 409, "This has changed meanwhile"),
    (InputError, 422, "Something is missing"),
    (Overloaded, 429, "Too busy"),
    (ServiceError, 503, "Not available now"),
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who may be logged in. `base` is the path under which the console is mounted."""

    request: Request
    form: Mapping[str, list[str]]
    session: Session | None

    @property
    def base(self) -> str:
        return str(self.request.scope.get("root_path", ""))

    @property
    def signed_in(self) -> Session:
        """The session. Raises Unauthorized when there is none."""
        if self.session is None:
            raise Unauthorized("You are not logged in, or were logged out.")
        return self.session

    def field(self, name: str) -> str:
        """The first value of a form field, or nothing."""
        return self.form.get(name, [""])[0]

    @property
    def refreshes(self) -> bool:
        """Whether the page asks for itself, and nobody for it."""
        return REFRESH in self.request.query_params

    def go(self, path: str) -> Response:
        """Send the browser to another page of the console."""
        return RedirectResponse(f"{self.base}{path}", status_code=303)


@dataclass(frozen=True, slots=True)
class Page:
    """A route, whom it is for, and what answers it. Without a permission it is for anybody."""

    method: str
    path: str
    permission: Permission | None
    answer: Callable[[Visit], Response]


class Gate:
    """Lets a request through to its page when it comes from our own pages and from somebody who may."""

    def __init__(self, sessions: Sessions, views: Views) -> None:
        self._sessions = sessions
        self._views = views

    def endpoint(self, page: Page) -> Callable[[Request], Any]:
        """The asynchronous endpoint of a page; all its work is done in a thread."""

        async def serve(request: Request) -> Response:
            visit = Visit(request, {}, None)
            try:
                form = await _read_form(request) if request.method == "POST" else {}
                return await run_in_threadpool(self._answer, page, request, form)
            except FairstallError as error:
                return self.refuse(visit, error)

        return serve

    def refuse(self, visit: Visit, error: FairstallError) -> Response:
        """The page that tells of an error; somebody without a session is sent to the log-in page."""
        if isinstance(error, Unauthorized):
            return visit.go("/login")
        status, heading = next((status, heading) for kind, status, heading in _STATUS if isinstance(error, kind))
        case_id = visit.request.path_params.get("case_id")
        back = f"/cases/{case_id}" if case_id and status == 422 else "/"
        return self._views.page("notice.html", visit, status=status, heading=heading, message=str(error), back=back)

    def _answer(self, page: Page, request: Request, form: Mapping[str, list[str]]) -> Response:
        if request.method == "POST":
            _check_origin(request)
        token = session_token(request)
        visit = Visit(request, form, self._sessions.find(token) if token else None)
        if visit.session and not visit.refreshes:
            self._sessions.renew(visit.session)
        if page.permission is not None:
            _check_permission(visit, page.permission)
            if visit.signed_in.user.one_time and page.permission is not Permission.OWN_ACCOUNT:
                return visit.go("/account")
        try:
            return page.answer(visit)
        except FairstallError as error:
            return self.refuse(visit, error)


class SecurityHeaders:
    """ASGI middleware that puts the console's security headers on every answer that has none of its own; pages are
    never cached.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (*_HEADERS.items(), ("Cache-Control", "no-store")):
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def session_token(request: Request) -> str | None:
    return request.cookies.get(_cookie_name(request))


def keep_session(response: Response, request: Request, token: str, *, longest: timedelta) -> Response:
    """Put the session's cookie on an answer: out of reach for scripts, other sites and, on https, for plain http."""
    response.set_cookie(
        _cookie_name(request),
        token,
        max_age=int(longest.total_seconds()),
        path="/",
        secure=is_https(request),
        httponly=True,
        samesite="strict",
    )
    return response


def drop_session(response: Response, request: Request) -> Response:
    response.delete_cookie(_cookie_name(request), path="/", secure=is_https(request), httponly=True, samesite="strict")
    return response


def browser_of(request: Request) -> str:
    """What a browser says that it is, in words that its owner knows: `Firefox on Linux`."""
    agent = request.headers.get("user-agent", "")
    browser = next((name for sign, name in _BROWSERS if sign in agent), "Another browser")
    system = next((name for sign, name in _SYSTEMS if sign in agent), "")
    return f"{browser} on {system}" if system else browser


def _cookie_name(request: Request) -> str:
    return f"__Host-{_COOKIE}" if is_https(request) else _COOKIE


def is_https(request: Request) -> bool:
    return request.url.scheme == "https"


async def _read_form(request: Request) -> Mapping[str, list[str]]:
    """The fields of an URL-encoded form; nothing larger than `MAX_FORM_BYTES` is read."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise InputError(f"The form is larger than {MAX_FORM_BYTES} bytes. Nothing was stored.")
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS)
    except ValueError as error:
        raise InputError("The form cannot be read. Nothing was stored.") from error


def _check_origin(request: Request) -> None:
    """Refuse a form that another site sent. Browsers name the origin in every POST; a client without one has no
    cookies that somebody else could abuse."""
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("This request comes from another site.")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise Forbidden("This request comes from another site.")


def _check_permission(visit: Visit, permission: Permission) -> None:
    session = visit.signed_in
    if visit.request.method == "POST":
        sent = visit.request.headers.get(CSRF_HEADER) or visit.field(CSRF_FIELD)
        if not session.accepts(sent):
            raise Forbidden("This page is from an earlier session. Reload it and try again; nothing was stored.")
    if not may(session.user.role, permission):
        raise Forbidden(f"The role '{session.user.role}' does not allow to {permission}.")
