"""The pages on which cases are decided: take the next one, look at it, decide, undo. `passing_pages` has the rest."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine
from starlette.responses import Response

from fairstall.labeling.case_file import CaseFile, read_case
from fairstall.labeling.case_forms import read_judgement
from fairstall.labeling.overview import OwnReview, read_own_work
from fairstall.labeling.passing import Passing
from fairstall.labeling.permissions import Permission
from fairstall.labeling.queue import ReviewQueue
from fairstall.labeling.steps import steps_for, steps_of
from fairstall.labeling.view_log import ViewedPage, ViewLog
from fairstall.labeling.views import Views, spans_of
from fairstall.labeling.web import Page, Visit
from fairstall.model.decide import Finding
from fairstall.model.errors import Conflict
from fairstall.model.policies import Policy, PolicySet
from fairstall.records.engine import reading

HEARTBEATS_PER_LEASE = 4
NEXT_CASE = "X-Next-Case"

NOTES = {
    "alone": "Nothing else is waiting, so here is the case that you skipped.",
    "undone": "Your decision is undone. Decide again.",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A policy as it stands in the picker; one with a finding comes first and has its number in the text.

    `marks` is how many places in the text are marked for it.
    """

    code: str
    policy: Policy | None
    finding: Finding | None
    ticked: bool
    marks: int


@dataclass(frozen=True, slots=True)
class ReviewPages:
    """The review pages over one queue."""

    engine: Engine
    queue: ReviewQueue
    passing: Passing
    policies: PolicySet
    log: ViewLog
    views: Views
    clock: Callable[[], datetime]

    def pages(self) -> tuple[Page, ...]:
        review = Permission.REVIEW
        return (
            Page("POST", "/next", review, self.next),
            Page("GET", "/cases/{case_id}", review, self.show),
            Page("POST", "/cases/{case_id}/ahead", review, self.ahead),
            Page("POST", "/cases/{case_id}/decide", review, self.decide),
            Page("POST", "/cases/{case_id}/heartbeat", review, self.heartbeat),
            Page("POST", "/cases/{case_id}/touch", review, self.touch),
            Page("POST", "/undo", review, self.undo),
        )

    def next(self, visit: Visit) -> Response:
        case = self.queue.claim(visit.signed_in.user)
        return visit.go(f"/cases/{case.case_id}" if case else "/queue?note=nothing")

    def show(self, visit: Visit) -> Response:
        """The case, if it is the visitor's; otherwise what became of it."""
        user, case_id = visit.signed_in.user, case_of(visit)
        file = read_case(self.engine, case_id)
        try:
            self.queue.heartbeat(case_id, user)
        except Conflict:
            mine = self.queue.review_of(case_id, user) if file.decided else None
            if mine:
                self.log.record(user, ViewedPage.CASE, [file.decision_id], case_id=case_id)
            return self.views.page("closed.html", visit, file=file, review=mine, last=self._last(visit))
        return self._case(visit, file)

    def ahead(self, visit: Visit) -> Response:
        """The page of the case that comes after this one, for the browser to keep until this one is decided.

        The visitor has both cases then. 204 when none waits for him.
        """
        case = self.queue.claim(visit.signed_in.user, after=case_of(visit))
        return self._case(visit, read_case(self.engine, case.case_id)) if case else Response(status_code=204)

    def decide(self, visit: Visit) -> Response:
        """Store the verdict and go on. The case is named by the address, so a second press decides nothing else."""
        user, case_id = visit.signed_in.user, case_of(visit)
        judgement = read_judgement(visit, self.policies)
        try:
            self.queue.decide(case_id, user, judgement.verdict, judgement.policies, judgement.note)
        except Conflict:
            if self.queue.review_of(case_id, user) is None:
                raise
        return self.go_on(visit)

    def go_on(self, visit: Visit) -> Response:
        """From a case that was decided or left to the next one.

        Where the browser has the page of the next one ready (`ready` in the form) the answer is what has changed on
        it since: whose decision its undo button takes back.
        """
        case = self.queue.claim(visit.signed_in.user, turns_to_it=True)
        if case is None:
            return visit.go("/queue?note=nothing")
        if case.case_id == visit.field("ready"):
            answer = self.views.page("_undo.html", visit, last=self._last(visit))
            answer.headers[NEXT_CASE] = case.case_id
            return answer
        alone = case.case_id == visit.request.path_params.get("case_id")
        return visit.go(f"/cases/{case.case_id}{'?note=alone' if alone else ''}")

    def heartbeat(self, visit: Visit) -> Response:
        self.queue.heartbeat(case_of(visit), visit.signed_in.user)
        return Response(status_code=204)

    def touch(self, visit: Visit) -> Response:
        """The first sign of work on the case since it is on the screen."""
        self.queue.touch(case_of(visit), visit.signed_in.user)
        return Response(status_code=204)

    def undo(self, visit: Visit) -> Response:
        case = self.queue.undo(visit.signed_in.user, review_id=visit.field("review_id") or None)
        return visit.go(f"/cases/{case.case_id}?note=undone")

    def _case(self, visit: Visit, file: CaseFile) -> Response:
        user = visit.signed_in.user
        with reading(self.engine) as connection:
            steps = steps_for(steps_of(connection, file.case_id), user, blind=file.blind)
        teams, people = self.passing.takers(user)
        last = self._last(visit)
        shown = (*file.shown, *([last.reviewed] if last else ()))
        self.log.record(user, ViewedPage.CASE, shown, case_id=file.case_id)
        return self.views.page(
            "case.html",
            visit,
            file=file,
            choices=self._choices(file),
            spans=spans_of(file.findings, file.model_evidence),
            steps=steps,
            takers=[*(f"@{name}" for name in people), *teams],
            last=last,
            raw=visit.request.query_params.get("view") == "raw",
            veiled=self._veils(file),
            note=NOTES.get(visit.request.query_params.get("note", "")),
            lease_ms=1_000 * self.queue.lease_seconds,
            heartbeat_ms=1_000 * self.queue.lease_seconds // HEARTBEATS_PER_LEASE,
        )

    def _veils(self, file: CaseFile) -> bool:
        """Whether the text is blurred at first. Of the blind cases all are or none: one alone would say what it is."""
        shown = self.policies.codes if file.blind else [finding.policy for finding in file.findings]
        return any(self.policies[code].review.blur for code in shown if code in self.policies.by_code)

    def _last(self, visit: Visit) -> OwnReview | None:
        """The visitor's last review as long as he may undo it."""
        undoable = self.queue.undoable(visit.signed_in.user)
        if undoable is None:
            return None
        newest = read_own_work(self.engine, visit.signed_in.user, self.clock()).newest
        return next((review for review in newest if review.review_id == undoable.review_id), None)

    def _choices(self, file: CaseFile) -> tuple[Choice, ...]:
        found: Mapping[str, Finding] = {finding.policy: finding for finding in file.findings}
        rest = [code for code in self.policies.codes if code not in found]
        first = next(iter(found), None)
        marks = Counter(span.policy for span in file.model_evidence)
        marks.update({finding.policy: len(finding.evidence) for finding in file.findings})
        return tuple(
            Choice(code, self.policies.by_code.get(code), found.get(code), code == first, marks[code])
            for code in [*found, *rest]
        )


def case_of(visit: Visit) -> str:
    """The case that an address names."""
    return str(visit.request.path_params["case_id"])
