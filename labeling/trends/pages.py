"""The page of trends, its charts and files, and the list of cases that its numbers lead to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine
from starlette.responses import Response

from fairstall.labeling.permissions import Permission
from fairstall.labeling.trends.case_list import CASES_SHOWN, WantedCases, read_cases
from fairstall.labeling.trends.decision_figures import decision_figures
from fairstall.labeling.trends.figures import Figure
from fairstall.labeling.trends.quality_figures import quality_figures
from fairstall.labeling.trends.queue_figures import queue_figures
from fairstall.labeling.trends.scope import PERIODS, Asked
from fairstall.labeling.trends.snapshot import TrendReader, Trends
from fairstall.labeling.view_log import ViewedPage, ViewLog
from fairstall.labeling.views import Views
from fairstall.labeling.web import Page, Visit
from fairstall.model.errors import NotFound
from fairstall.model.policies import PolicySet

# A chart has its style within. It is shown as an image, which is no page; opened by itself it may load nothing else.
_CHART_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class Section:
    """Figures under one heading."""

    title: str
    figures: tuple[Figure, ...]


class TrendPages:
    """Trends, and what they lead to."""

    def __init__(
        self, engine: Engine, policies: PolicySet, log: ViewLog, views: Views, clock: Callable[[], datetime]
    ) -> None:
        self._engine = engine
        self._policies = policies
        self._log = log
        self._views = views
        self._reader = TrendReader(engine, clock)

    def pages(self) -> tuple[Page, ...]:
        return (
            Page("GET", "/trends", Permission.SEE_TRENDS, self.show_trends),
            Page("GET", "/trends/{name}.csv", Permission.SEE_TRENDS, self.give_file),
            Page("GET", "/charts/{name}.svg", Permission.SEE_TRENDS, self.draw_chart),
            Page("GET", "/cases", Permission.SEE_DECISIONS, self.list_cases),
        )

    def show_trends(self, visit: Visit) -> Response:
        trends = self._read(visit)
        asked = trends.asked
        periods = {label: replace(asked, period=name, first_day="", last_day="") for name, label in PERIODS.items()}
        return self._views.page(
            "trends.html",
            visit,
            trends=trends,
            asked=asked,
            periods=periods,
            sections=self._sections(trends),
            markets=sorted({*trends.volumes.markets, *filter(None, [asked.market])}),
            codes=sorted({*self._policies.by_code, *trends.volumes.policies, *filter(None, [asked.policy])}),
        )

    def give_file(self, visit: Visit) -> Response:
        figure = self._figure(visit)
        named = {"Content-Disposition": f'attachment; filename="{figure.name}.csv"'}
        return Response(figure.table.csv().encode(), media_type="text/csv; charset=utf-8", headers=named)

    def draw_chart(self, visit: Visit) -> Response:
        figure = self._figure(visit)
        if figure.draw is None:
            raise NotFound("There is nothing to draw in this period.")
        headers = {"Content-Security-Policy": _CHART_POLICY}
        return Response(figure.draw(figure.words).encode(), media_type="image/svg+xml", headers=headers)

    def list_cases(self, visit: Visit) -> Response:
        wanted = WantedCases.of(visit.request.query_params)
        user = visit.signed_in.user
        lines = read_cases(self._engine, user, wanted)
        self._log.record(user, ViewedPage.CASES, of_cases=[line.case_id for line in lines])
        older = wanted.older_than(lines[-1].case_id) if len(lines) == CASES_SHOWN else None
        return self._views.page("cases.html", visit, lines=lines, older=older, paged=bool(wanted.before))

    def _read(self, visit: Visit) -> Trends:
        return self._reader.read(Asked.of(visit.request.query_params))

    def _figure(self, visit: Visit) -> Figure:
        """Raises NotFound for a name that no figure has."""
        found = {one.name: one for section in self._sections(self._read(visit)) for one in section.figures}
        figure = found.get(visit.request.path_params["name"])
        if figure is None:
            raise NotFound("There is no such chart.")
        return figure

    def _sections(self, trends: Trends) -> tuple[Section, ...]:
        return (
            Section("The queue", tuple(queue_figures(trends, self._title))),
            Section("Decisions", tuple(decision_figures(trends, self._title))),
            Section("How good they are", tuple(quality_figures(trends, self._title))),
        )

    def _title(self, code: str) -> str:
        known: Mapping[str, object] = self._policies.by_code
        return self._policies[code].title if code in known else code
