"""The pages on which many cases are decided at once: what belongs together, the preview, and what came of it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from sqlalchemy import Engine
from starlette.responses import Response

from fairstall.labeling.batches import cases_of_batch, headings_of_batch, headings_of_cases, latest_batches, read_batch
from fairstall.labeling.case_forms import MAX_NOTE_CHARACTERS, read_judgement
from fairstall.labeling.clusters import Clusters
from fairstall.labeling.differences import difference
from fairstall.labeling.permissions import Permission
from fairstall.labeling.previews import Previewed, read_previews
from fairstall.labeling.queue import ReviewQueue
from fairstall.labeling.score_bars import score_bars
from fairstall.labeling.score_ranges import read_histograms, read_range
from fairstall.labeling.together import MOST_AT_ONCE, Together
from fairstall.labeling.view_log import ViewedPage, ViewLog
from fairstall.labeling.views import Views, spans_of
from fairstall.labeling.web import Page, Visit
from fairstall.model.certificates import PolicyThresholds
from fairstall.model.errors import Conflict, InputError, NotFound
from fairstall.model.policies import Policy, PolicySet

TEXT_AT_FIRST = 400
TEXT_AT_MOST = 5_000
NAMED_LEFT_OUT = 20


@dataclass(frozen=True, slots=True)
class SharedChoice:
    """A policy in the picker, and in how many of the cases it was found; the most frequent ones come first."""

    code: str
    policy: Policy | None
    found_in: int
    ticked: bool


@dataclass(frozen=True, slots=True)
class TogetherPages:
    """The pages over one store. `thresholds` tells those of the bundle in force, by policy."""

    engine: Engine
    queue: ReviewQueue
    together: Together
    clusters: Clusters
    policies: PolicySet
    thresholds: Callable[[], Mapping[str, PolicyThresholds]]
    log: ViewLog
    views: Views
    clock: Callable[[], datetime]

    def pages(self) -> tuple[Page, ...]:
        many = Permission.DECIDE_TOGETHER
        return (
            Page("GET", "/together", many, self.show),
            Page("GET", "/together/like/{like}", many, self.show_cluster),
            Page("GET", "/together/range", many, self.show_range),
            Page("POST", "/together/decide", many, self.decide),
            Page("GET", "/together/batches/{batch_id}", many, self.show_batch),
            Page("POST", "/together/batches/{batch_id}/undo", many, self.undo),
        )

    def show(self, visit: Visit) -> Response:
        """The clusters, the histograms, and what was decided together lately."""
        user, now = visit.signed_in.user, self.clock()
        histograms, thresholds = read_histograms(self.engine, user, now), self.thresholds()
        clustering = self.clusters.find(user)
        self.log.record(user, ViewedPage.TOGETHER, of_cases=[one.case_ids[0] for one in clustering.clusters])
        return self.views.page(
            "together.html",
            visit,
            clustering=clustering,
            threshold=self.clusters.threshold,
            histograms=histograms,
            charts=[
                score_bars(one, self.policies.by_code.get(one.policy), thresholds.get(one.policy))
                for one in histograms.by_policy
            ],
            batches=latest_batches(self.engine, user, now, self.together.undo_seconds),
            most=MOST_AT_ONCE,
        )

    def show_cluster(self, visit: Visit) -> Response:
        """The preview of a cluster."""
        case_ids = self.clusters.like(str(visit.request.path_params["like"]), visit.signed_in.user)
        return self._preview(visit, case_ids, heading="nearly the same", compared=True)

    def show_range(self, visit: Visit) -> Response:
        """The preview of a range of scores."""
        asked = visit.request.query_params
        policy, low, high = asked.get("policy", ""), _percent(asked.get("low", "")), _percent(asked.get("high", ""))
        found = read_range(self.engine, visit.signed_in.user, self.clock(), policy, low, high)
        if not found.case_ids:
            raise NotFound("No case with such a score waits that you may decide.")
        title = self.policies[policy].title if policy in self.policies.by_code else policy
        heading = f"with {low} to {high} % for {title}"
        return self._preview(visit, found.case_ids, heading=heading, total=found.total, policy=policy)

    def decide(self, visit: Visit) -> Response:
        """Decide what is ticked and go on to what came of it. The same form again leads there too."""
        user, case_ids = visit.signed_in.user, visit.form.get("case", [])
        try:
            judgement = read_judgement(visit, self.policies)
            batch = self.together.decide(case_ids, user, judgement)
        except Conflict:
            earlier = self.queue.review_of(case_ids[0], user)
            if earlier is None or earlier.batch_id is None:
                raise
            return visit.go(f"/together/batches/{earlier.batch_id}")
        except InputError as error:
            return self._preview(visit, case_ids[:MOST_AT_ONCE], heading="ticked", refused=str(error))
        left_out = [("left", case_id) for case_id in batch.left_out[:NAMED_LEFT_OUT]]
        query = urlencode([("out", len(batch.left_out)), *left_out]) if left_out else ""
        return visit.go(f"/together/batches/{batch.batch_id}{'?' if query else ''}{query}")

    def show_batch(self, visit: Visit) -> Response:
        """What came of a batch of the visitor's, with what was left out of it when it was decided just now."""
        user, asked = visit.signed_in.user, visit.request.query_params
        batch = read_batch(self.engine, str(visit.request.path_params["batch_id"]), user)
        left = asked.getlist("left")[:NAMED_LEFT_OUT]
        passed = (self.clock() - batch.decided_at).total_seconds()
        self.log.record(user, ViewedPage.TOGETHER, of_cases=cases_of_batch(batch.batch_id))
        return self.views.page(
            "together_batch.html",
            visit,
            batch=batch,
            headings=headings_of_batch(self.engine, batch.batch_id, user),
            left_out=max(len(left), _count(asked.get("out", "")) or 0) if left else 0,
            left_headings=headings_of_cases(self.engine, left, user) if left else (),
            undoable=batch.standing and passed <= self.together.undo_seconds,
            undo_minutes=self.together.undo_seconds // 60,
        )

    def undo(self, visit: Visit) -> Response:
        batch_id = str(visit.request.path_params["batch_id"])
        self.together.undo(batch_id, visit.signed_in.user)
        return visit.go(f"/together/batches/{batch_id}")

    def _preview(
        self,
        visit: Visit,
        case_ids: Sequence[str],
        *,
        heading: str,
        compared: bool = False,
        total: int | None = None,
        policy: str | None = None,
        refused: str | None = None,
    ) -> Response:
        shown = read_previews(self.engine, visit.signed_in.user, self.clock(), case_ids)
        if not (shown or refused):
            raise NotFound("These cases were taken or decided meanwhile.")
        self.log.record(visit.signed_in.user, ViewedPage.TOGETHER, of_cases=[one.case_id for one in shown])
        first = shown[0].listing if shown else None
        return self.views.page(
            "together_preview.html",
            visit,
            status=422 if refused else 200,
            shown=shown,
            heading=heading,
            total=total or len(shown),
            choices=self._choices(visit, shown, policy),
            spans={one.case_id: spans_of(one.findings) for one in shown},
            differences={one.case_id: difference(first, one.listing) for one in shown if first and compared},
            ticked=visit.request.query_params.get("ticked") != "none",
            address=visit.request.url.remove_query_params("ticked"),
            refused=refused,
            note=visit.field("note"),
            at_first=TEXT_AT_FIRST,
            at_most=TEXT_AT_MOST,
            note_characters=MAX_NOTE_CHARACTERS,
        )

    def _choices(self, visit: Visit, shown: Sequence[Previewed], policy: str | None) -> tuple[SharedChoice, ...]:
        found = Counter(finding.policy for one in shown for finding in one.findings)
        codes = [code for code, _ in found.most_common()]
        rest = [code for code in self.policies.codes if code not in found]
        ticked = set(visit.form.get("policy", [])) if visit.form else {policy, *_found_in_most(found, len(shown))}
        return tuple(
            SharedChoice(code, self.policies.by_code.get(code), found[code], ticked=code in ticked)
            for code in [*codes, *rest]
        )


def _found_in_most(found: Counter[str], cases: int) -> list[str]:
    """The policy to begin with: one that was found in more than half of the cases, if there is one."""
    return [code for code, count in found.most_common(1) if 2 * count > cases]


def _percent(text: str) -> int:
    number = _count(text)
    if number is None or number > 100:
        raise InputError("A range of scores goes from one whole percentage to another, 0 to 100.")
    return number


def _count(text: str) -> int | None:
    """A whole number from an address; None for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else None
