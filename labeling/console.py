"""The review console as an ASGI application: which pages there are, and how they are put together."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from fairstall.labeling.account_pages import AccountPages
from fairstall.labeling.accounts import Accounts
from fairstall.labeling.calibration import Calibration
from fairstall.labeling.clusters import Clusters
from fairstall.labeling.desk_pages import DeskPages
from fairstall.labeling.disagreement_pages import DisagreementPages
from fairstall.labeling.golden import GoldenItems
from fairstall.labeling.golden_cases import GoldenMix
from fairstall.labeling.login_pages import LoginPages, WaysIn
from fairstall.labeling.passing import Passing
from fairstall.labeling.passing_pages import PassingPages
from fairstall.labeling.quality_pages import QualityPages
from fairstall.labeling.queue import LEASE_SECONDS, ReviewQueue
from fairstall.labeling.review_pages import ReviewPages
from fairstall.labeling.search_pages import SearchPages
from fairstall.labeling.second_reviews import SecondReviews
from fairstall.labeling.sessions import DEFAULT_LIMITS, SessionLimits, Sessions
from fairstall.labeling.single_sign_on import SingleSignOn
from fairstall.labeling.together import Together
from fairstall.labeling.together_pages import TogetherPages
from fairstall.labeling.trends.pages import TrendPages
from fairstall.labeling.user_pages import UserPages
from fairstall.labeling.view_log import KEEP_FOR_EVER, ViewLog
from fairstall.labeling.view_pages import ViewPages
from fairstall.labeling.views import HERE, Views
from fairstall.labeling.web import Gate, Page, SecurityHeaders, Visit
from fairstall.model.certificates import PolicyThresholds
from fairstall.model.errors import NotFound
from fairstall.model.fingerprint import NEARLY_THE_SAME
from fairstall.model.policies import PolicySet

if TYPE_CHECKING:
    from fairstall.labeling.oidc import Provider


def utc_now() -> datetime:
    return datetime.now(UTC)


def create_console(
    *,
    engine: Engine,
    policies: PolicySet,
    clock: Callable[[], datetime] = utc_now,
    accounts: Accounts | None = None,
    lease_seconds: int = LEASE_SECONDS,
    near_duplicates: float = NEARLY_THE_SAME,
    thresholds: Callable[[], Mapping[str, PolicyThresholds]] = dict,
    key: bytes = b"",
    golden_share: float = 0.0,
    session_limits: SessionLimits = DEFAULT_LIMITS,
    keep_views_days: int = KEEP_FOR_EVER,
    provider: "Provider | None" = None,
) -> Starlette:
    """The console over one store, to be mounted at a path such as `/console`; the schema must be there.

    `near_duplicates` is the similarity from which cases are decided together. `thresholds` tells those of the bundle
    in force, by policy, for the pages that draw scores; it is asked at each. `key`: what second reviews and golden
    items are drawn with. `golden_share`: of the cases that somebody claims, how many a golden item comes before. With
    an identity `provider` people log in there, and with passwords too unless its settings say otherwise.
    """
    views = Views(policies, clock)
    accounts = accounts or Accounts(engine, clock)
    sessions = Sessions(engine, clock, session_limits)
    second_reviews = SecondReviews(policies, key)
    golden = GoldenMix(key, golden_share)
    queue = ReviewQueue(engine, clock, lease_seconds=lease_seconds, second_reviews=second_reviews, golden=golden)
    log = ViewLog(engine, clock, keep_views_days)
    ways = WaysIn(passwords=provider.settings.passwords, single_sign_on=True) if provider else WaysIn()
    login = LoginPages(queue, accounts, sessions, log, views, ways)
    gives_roles = bool(provider and provider.settings.roles)
    together = Together(engine, clock, second_reviews=second_reviews)
    clusters = Clusters(engine, clock, threshold=near_duplicates)
    passing = Passing(engine, clock)
    review = ReviewPages(engine, queue, passing, policies, log, views, clock)
    pages = (
        *login.pages(),
        *(_sso_pages(provider, engine, clock, login) if provider else ()),
        *DeskPages(engine, queue, log, views, clock).pages(),
        *review.pages(),
        *PassingPages(review, passing).pages(),
        *SearchPages(engine, log, views, clock).pages(),
        *TogetherPages(engine, queue, together, clusters, policies, thresholds, log, views, clock).pages(),
        *TrendPages(engine, policies, log, views, clock).pages(),
        *QualityPages(engine, log, views, clock).pages(),
        *DisagreementPages(Calibration(engine, clock), GoldenItems(engine, clock), policies, log, views).pages(),
        *AccountPages(accounts, sessions, views).pages(),
        *UserPages(accounts, sessions, views, ways, gives_roles).pages(),
        *ViewPages(log, accounts, views).pages(),
    )
    gate = Gate(sessions, views)

    def missing(request: Request, _error: Exception) -> Response:
        return gate.refuse(Visit(request, {}, None), NotFound("There is no such page."))

    return Starlette(
        routes=[
            Mount("/static", _Static(directory=HERE / "static"), name="static"),
            *(_route(gate, page) for page in pages),
        ],
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={404: missing, 405: missing},
    )


def _sso_pages(
    provider: "Provider", engine: Engine, clock: Callable[[], datetime], login: LoginPages
) -> tuple[Page, ...]:
    from fairstall.labeling.sso_pages import SsoPages  # what it speaks with is an extra of its own

    settings = provider.settings
    accounts = SingleSignOn(engine, clock, roles=settings.roles, new_users=settings.new_users)
    return SsoPages(provider, accounts, login, login.views).pages()


def _route(gate: Gate, page: Page) -> Route:
    return Route(page.path, gate.endpoint(page), methods=[page.method])


class _Static(StaticFiles):
    """Our stylesheet, scripts and mark; browsers ask each time whether they changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response
