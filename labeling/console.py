"""The review console as an ASGI application: which pages there are, and how they are put together."""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from fairstall.labeling.accounts import Accounts
from fairstall.labeling.desk_pages import DeskPages
from fairstall.labeling.queue import LEASE_SECONDS, ReviewQueue
from fairstall.labeling.review_pages import ReviewPages
from fairstall.labeling.sessions import Sessions
from fairstall.labeling.trends.pages import TrendPages
from fairstall.labeling.views import HERE, Views
from fairstall.labeling.web import Gate, Page, SecurityHeaders, Visit
from fairstall.model.errors import NotFound
from fairstall.model.policies import PolicySet


def utc_now() -> datetime:
    return datetime.now(UTC)


def create_console(
    *,
    engine: Engine,
    policies: PolicySet,
    clock: Callable[[], datetime] = utc_now,
    accounts: Accounts | None = None,
    lease_seconds: int = LEASE_SECONDS,
) -> Starlette:
    """The console over one store, to be mounted at a path such as `/console`; the schema must be there."""
    views = Views(policies, clock)
    sessions = Sessions(engine, clock)
    queue = ReviewQueue(engine, clock, lease_seconds=lease_seconds)
    desk = DeskPages(engine, queue, accounts or Accounts(engine, clock), sessions, views, clock)
    review = ReviewPages(engine, queue, policies, views, clock)
    trends = TrendPages(engine, policies, views, clock)
    gate = Gate(sessions, views)

    def missing(request: Request, _error: Exception) -> Response:
        return gate.refuse(Visit(request, {}, None), NotFound("There is no such page."))

    return Starlette(
        routes=[
            Mount("/static", _Static(directory=HERE / "static"), name="static"),
            *(_route(gate, page) for page in (*desk.pages(), *review.pages(), *trends.pages())),
        ],
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={404: missing, 405: missing},
    )


def _route(gate: Gate, page: Page) -> Route:
    return Route(page.path, gate.endpoint(page), methods=[page.method])


class _Static(StaticFiles):
    """Our stylesheet, scripts and mark; browsers ask each time whether they changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response
