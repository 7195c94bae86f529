"""The review console as an ASGI application: which pages there are, and how they are put together."""

from collections.abc import Callable, Mapping
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
from fairstall.labeling.calibration import Calibration
from fairstall.labeling.clusters import Clusters
from fairstall.labeling.desk_pages import DeskPages
from fairstall.labeling.disagreement_pages import DisagreementPages
from fairstall.labeling.golden import GoldenItems
from fairstall.labeling.golden_cases import GoldenMix
from fairstall.labeling.quality_pages import QualityPages
from fairstall.labeling.queue import LEASE_SECONDS, ReviewQueue
from fairstall.labeling.review_pages import ReviewPages
from fairstall.labeling.second_reviews import SecondReviews
from fairstall.labeling.sessions import Sessions
from fairstall.labeling.together import Together
from fairstall.labeling.together_pages import TogetherPages
from fairstall.labeling.views import HERE, Views
from fairstall.labeling.web import Gate, Page, SecurityHeaders, Visit
from fairstall.model.certificates import PolicyThresholds
from fairstall.model.errors import NotFound
from fairstall.model.fingerprint import NEARLY_THE_SAME
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
    near_duplicates: float = NEARLY_THE_SAME,
    thresholds: Callable[[], Mapping[str, PolicyThresholds]] = dict,
    key: bytes = b"",
    golden_share: float = 0.0,
) -> Starlette:
    """The console over one store, to be mounted at a path such as `/console`; the schema must be there.

    `near_duplicates` is the similarity from which cases are decided together. `thresholds` tells those of the bundle
    in force, by policy, for the pages that draw scores; it is asked at each. `key`: what second reviews and golden
    items are drawn with. `golden_share`: of the cases that somebody claims, how many a golden item comes before.
    """
    views = Views(policies, clock)
    sessions = Sessions(engine, clock)
    second_reviews = SecondReviews(policies, key)
    queue = ReviewQueue(
        engine,
        clock,
        lease_seconds=lease_seconds,
        second_reviews=second_reviews,
        golden=GoldenMix(key, golden_share),
    )
    desk = DeskPages(engine, queue, accounts or Accounts(engine, clock), sessions, views, clock)
    review = ReviewPages(engine, queue, policies, views, clock)
    together = Together(engine, clock, second_reviews=second_reviews)
    clusters = Clusters(engine, clock, threshold=near_duplicates)
    many = TogetherPages(engine, queue, together, clusters, policies, thresholds, views, clock)
    quality = QualityPages(engine, views, clock)
    disagreements = DisagreementPages(Calibration(engine, clock), GoldenItems(engine, clock), policies, views)
    groups = (desk, review, many, quality, disagreements)
    gate = Gate(sessions, views)

    def missing(request: Request, _error: Exception) -> Response:
        return gate.refuse(Visit(request, {}, None), NotFound("There is no such page."))

    return Starlette(
        routes=[
            Mount("/static", _Static(directory=HERE / "static"), name="static"),
            *(_route(gate, page) for group in groups for page in group.pages()),
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
