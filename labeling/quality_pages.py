"""The pages that tell how well and how fast people review: of all for those who lead, of himself for each reviewer."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Engine
from starlette.responses import Response

from fairstall.labeling.agreement import Agreement
from fairstall.labeling.consensus import Consensus, by_consensus
from fairstall.labeling.permissions import Permission
from fairstall.labeling.quality import (
    LEAST_GOLDEN,
    LEAST_PAIRS,
    PolicyFigures,
    ReviewerFigures,
    Times,
    golden_of,
    judged_of,
    pairs_of,
    policy_figures,
    reviewer_figures,
    time_to_decision,
    time_to_touch,
    verdict_alpha,
)
from fairstall.labeling.review_rows import (
    ReviewRow,
    headings_of,
    others_of,
    probabilities_of,
    read_reviews,
    reviewed_twice,
)
from fairstall.labeling.settling import disagree
from fairstall.labeling.trends.conditions import case_of_market
from fairstall.labeling.trends.scope import check_query, moment_of_query
from fairstall.labeling.view_log import ViewedPage, ViewLog
from fairstall.labeling.views import Views
from fairstall.labeling.web import Page, Visit
from fairstall.model.errors import InputError, MissingExtra
from fairstall.model.intervals import Estimate
from fairstall.records.engine import reading

DAYS = (7, 28, 91)
DEFAULT_DAYS = 28
JUDGED_AT_MOST = 2_000  # the newest decisions that a consensus is made of
LISTED = 200

Chosen = Callable[[ReviewRow], bool]


@dataclass(frozen=True, slots=True)
class QualityPages:
    """Figures over one store."""

    engine: Engine
    log: ViewLog
    views: Views
    clock: Callable[[], datetime]

    def pages(self) -> tuple[Page, ...]:
        see = Permission.SEE_QUALITY
        return (
            Page("GET", "/quality", see, self.show),
            Page("GET", "/quality/policies.csv", see, self.policies_csv),
            Page("GET", "/quality/reviewers.csv", see, self.reviewers_csv),
            Page("GET", "/quality/reviews", see, self.list_reviews),
            Page("GET", "/quality/mine", Permission.REVIEW, self.show_own),
        )

    def show(self, visit: Visit) -> Response:
        days, rows = self._rows(visit)
        pairs = pairs_of(rows)
        consensus, lacking = self._consensus(visit, rows)
        return self.views.page(
            "quality.html",
            visit,
            days=days,
            spans=DAYS,
            alpha=verdict_alpha(pairs),
            pairs=len(pairs),
            agreeing=sum(pair.agrees for pair in pairs),
            least_pairs=LEAST_PAIRS,
            policies=policy_figures(rows, pairs),
            reviewers=reviewer_figures(rows, consensus),
            with_consensus=_with_consensus(visit),
            lacking=lacking,
            to_reviews=partial(_to_reviews, days),
        )

    def policies_csv(self, visit: Visit) -> Response:
        _, rows = self._rows(visit)
        return _csv("policies.csv", _POLICY_COLUMNS, map(_policy_cells, policy_figures(rows, pairs_of(rows))))

    def reviewers_csv(self, visit: Visit) -> Response:
        _, rows = self._rows(visit)
        consensus, _ = self._consensus(visit, rows)
        return _csv("reviewers.csv", _REVIEWER_COLUMNS, map(_reviewer_cells, reviewer_figures(rows, consensus)))

    def list_reviews(self, visit: Visit) -> Response:
        """The reviews behind a figure, newest first: of the last `days`, or `from` and `to` a time."""
        given = visit.request.query_params
        check_query(given)
        days = None if "from" in given else _days(visit)
        now = self.clock()
        since = moment_of_query(given.get("from", ""), now - timedelta(days=days or 0))
        asked: dict[str, Any] = {name: given.get(name, "") for name in ("of", "reviewer", "policy")}
        market = given.get("market")
        of = (case_of_market(market), *((reviewed_twice(),) if asked["of"] in _COMPARED else ()))
        with reading(self.engine) as connection:
            rows = read_reviews(connection, since, moment_of_query(given.get("to", ""), now), of=of)
            found = [row for row in rows if _chosen(rows, **asked)(row)]
            headings = headings_of(connection, {row.decision_id for row in found[:LISTED]})
        self.log.record(visit.signed_in.user, ViewedPage.QUALITY, headings)
        told = {"count": len(found), "days": days, "since": since, "market": market, **asked}
        return self.views.page("quality_reviews.html", visit, rows=found[:LISTED], headings=headings, **told)

    def show_own(self, visit: Visit) -> Response:
        """The visitor's own figures until last midnight: what he did just now must not be told apart by them."""
        user, now = visit.signed_in.user, self.clock()
        midnight = datetime.combine(now.date(), time(), now.tzinfo)
        with reading(self.engine) as connection:
            since = midnight - timedelta(days=DEFAULT_DAYS)
            rows = read_reviews(connection, since, midnight, user_id=user.user_id)
            blind = [row for row in rows if row.blind]
            others = others_of(connection, {row.decision_id for row in blind}, user.user_id)
        compared = [(row, others[row.decision_id][0]) for row in blind if row.decision_id in others]
        return self.views.page(
            "quality_mine.html",
            visit,
            days=DEFAULT_DAYS,
            reviews=len(rows),
            golden=golden_of(rows),
            least_golden=LEAST_GOLDEN,
            compared=len(compared),
            agreeing=sum(not disagree(row, other) for row, other in compared),
            to_touch=time_to_touch(rows),
            to_decision=time_to_decision(rows),
        )

    def _rows(self, visit: Visit) -> tuple[int, tuple[ReviewRow, ...]]:
        days = _days(visit)
        now = self.clock()
        with reading(self.engine) as connection:
            return days, read_reviews(connection, now - timedelta(days=days), now)

    def _consensus(self, visit: Visit, rows: Sequence[ReviewRow]) -> tuple[dict[str, Consensus], str | None]:
        """Everybody's figures, made when asked for since they take seconds, and what is missing to make them."""
        pairs = pairs_of(rows)[:JUDGED_AT_MOST]
        if not _with_consensus(visit) or len(pairs) < LEAST_PAIRS:
            return {}, None
        with reading(self.engine) as connection:
            probabilities = probabilities_of(connection, [pair.first.decision_id for pair in pairs])
        try:
            return by_consensus(judged_of(pairs, probabilities)), None
        except MissingExtra as error:
            return {}, str(error)


def _days(visit: Visit) -> int:
    asked = visit.request.query_params.get("days", str(DEFAULT_DAYS))
    if asked not in map(str, DAYS):
        raise InputError(f"Figures are made of the last {', '.join(map(str, DAYS))} days.")
    return int(asked)


def _with_consensus(visit: Visit) -> bool:
    return "consensus" in visit.request.query_params


def _to_reviews(days: int, of: str, **more: str | None) -> str:
    """Where the reviews behind a figure are listed."""
    named = {name: value for name, value in more.items() if value}
    return f"/quality/reviews?{urlencode({'days': days, 'of': of, **named})}"


def _chosen(rows: Sequence[ReviewRow], *, of: str, reviewer: str, policy: str) -> Chosen:
    """Which reviews a figure counts: `of` all, those of golden items, of decisions that two reviewed, or that two
    disagree on. A `policy` is the case's own, and for two reviews one that either of them names."""
    pairs = pairs_of(rows) if of in _COMPARED else []
    if policy:
        pairs = [pair for pair in pairs if pair.names(policy)]
    compared = {
        one.review_id for pair in pairs if of == "second" or not pair.agrees for one in (pair.first, pair.second)
    }

    def chosen(row: ReviewRow) -> bool:
        if reviewer and row.reviewer != reviewer:
            return False
        if of in _COMPARED:
            return row.review_id in compared
        if of == "golden" and row.right is None:
            return False
        return not policy or row.policy == policy

    return chosen


_COMPARED = ("second", "disagreed")
_POLICY_COLUMNS = (
    "policy",
    "reviews",
    "second_reviewed",
    "naming_it",
    "kappa",
    "kappa_low",
    "kappa_high",
    "observed_agreement",
    *(f"{what}_{name}" for what in ("to_touch", "to_decision") for name in ("median_s", "p90_s", "reviews")),
)
_REVIEWER_COLUMNS = (
    "reviewer",
    "reviews",
    "golden_right",
    "golden_reviewed",
    "golden_accuracy",
    "golden_low",
    "golden_high",
    "consensus_quality",
    "consensus_agreement",
    "consensus_decisions",
    *(f"{what}_{name}" for what in ("to_touch", "to_decision") for name in ("median_s", "p90_s", "reviews")),
)


def _policy_cells(one: PolicyFigures) -> list[object]:
    observed = one.kappa.observed if one.kappa else None
    figures = _estimate_cells(_figure(one.kappa))
    return [one.policy, one.reviews, one.pairs, one.named, *figures, observed, *_time_cells(one)]


def _reviewer_cells(one: ReviewerFigures) -> list[object]:
    golden = [one.golden.right, one.golden.answered, *_estimate_cells(one.golden.accuracy)]
    consensus = [one.consensus.quality, one.consensus.agreeing] if one.consensus else [None, None]
    return [one.reviewer, one.reviews, *golden, *consensus, one.judged, *_time_cells(one)]


def _figure(agreement: Agreement | None) -> Estimate | None:
    return agreement.figure if agreement else None


def _estimate_cells(estimate: Estimate | None) -> list[object]:
    return [estimate.value, estimate.low, estimate.high] if estimate else [None, None, None]


def _time_cells(one: PolicyFigures | ReviewerFigures) -> list[object]:
    def cells(times: Times | None) -> list[object]:
        return [times.median_s, times.p90_s, times.count] if times else [None, None, None]

    return [*cells(one.to_touch), *cells(one.to_decision)]


def _csv(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """A table as RFC 4180 has it; a figure that rests on too little is empty."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)
