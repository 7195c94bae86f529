"""The pages on which cases are decided: take the next one, look at it, decide, skip, undo."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine
from starlette.responses import Response

from fairstall.labeling.case_file import CaseFile, read_case
from fairstall.labeling.judgement_form import read_judgement
from fairstall.labeling.overview import OwnReview, read_own_work
from fairstall.labeling.permissions import Permission
from fairstall.labeling.queue import ReviewQueue, SkipReason
from fairstall.labeling.view_log import ViewedPage, ViewLog
from fairstall.labeling.views import Views, spans_of
from fairstall.labeling.web import Page, Visit
from fairstall.model.decide import Finding
from fairstall.model.errors import Conflict, InputError
from fairstall.model.policies import Policy, PolicySet

HEARTBEATS_PER_LEASE = 4

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
    policies: PolicySet
    log: ViewLog
    views: Views
    clock: Callable[[], datetime]

    def pages(self) -> tuple[Page, ...]:
        review = Permission.REVIEW
        return (
            Page("POST", "/next", review, self.next),
            Page("GET", "/cases/{case_id}", review, self.show),
            Page("POST", "/cases/{case_id}/decide", review, self.decide),
            Page("POST", "/cases/{case_id}/skip", review, self.skip),
            Page("POST", "/cases/{case_id}/heartbeat", review, self.heartbeat),
            Page("POST", "/undo", review, self.undo),
        )

    def next(self, visit: Visit) -> Response:
        case = self.queue.claim(visit.signed_in.user)
        return visit.go(f"/cases/{case.case_id}" if case else "/queue?note=nothing")

    def show(self, visit: Visit) -> Response:
        """The case, if it is the visitor's; otherwise what became of it."""
        user, case_id = visit.signed_in.user, _case_id(visit)
        file = read_case(self.engine, case_id)
        last = self._last(visit)
        try:
            self.queue.heartbeat(case_id, user)
        except Conflict:
            mine = self.queue.review_of(case_id, user) if file.decided else None
            if mine:
                self.log.record(user, ViewedPage.CASE, [file.decision_id], case_id=case_id)
            return self.views.page("closed.html", visit, file=file, review=mine, last=last)
        shown = (*file.shown, *([last.reviewed] if last else ()))
        self.log.record(user, ViewedPage.CASE, shown, case_id=case_id)
        return self.views.page(
            "case.html",
            visit,
            file=file,
            choices=self._choices(file),
            spans=spans_of(file.findings, file.model_evidence),
            last=last,
            note=NOTES.get(visit.request.query_params.get("note", "")),
            heartbeat_ms=1_000 * self.queue.lease_seconds // HEARTBEATS_PER_LEASE,
        )

    def decide(self, visit: Visit) -> Response:
        """Store the verdict and go on. The case is named by the address, so a second press decides nothing else."""
        user, case_id = visit.signed_in.user, _case_id(visit)
        judgement = read_judgement(visit, self.policies)
        try:
            self.queue.decide(case_id, user, judgement.verdict, judgement.policies, judgement.note)
        except Conflict:
            if self.queue.review_of(case_id, user) is None:
                raise
        return self.next(visit)

    def skip(self, visit: Visit) -> Response:
        user, case_id = visit.signed_in.user, _case_id(visit)
        self.queue.skip(case_id, user, _skip_reason(visit))
        case = self.queue.claim(user)
        if case is None:
            return visit.go("/queue?note=nothing")
        return visit.go(f"/cases/{case.case_id}{'?note=alone' if case.case_id == case_id else ''}")

    def heartbeat(self, visit: Visit) -> Response:
        self.queue.heartbeat(_case_id(visit), visit.signed_in.user)
        return Response(status_code=204)

    def undo(self, visit: Visit) -> Response:
        case = self.queue.undo(visit.signed_in.user, review_id=visit.field("review_id") or None)
        return visit.go(f"/cases/{case.case_id}?note=undone")

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


def _case_id(visit: Visit) -> str:
    return str(visit.request.path_params["case_id"])


def _skip_reason(visit: Visit) -> SkipReason:
    try:
        return SkipReason(visit.field("reason") or SkipReason.OTHER)
    except ValueError as error:
        raise InputError("Choose why you leave the case to others.") from error
