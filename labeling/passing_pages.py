"""Leaving a case to others or to later: skip, hold, release, hand over, escalate, call back."""

from contextlib import suppress
from dataclasses import dataclass

from starlette.responses import Response

from fairstall.labeling.case_forms import read_note, read_skip_reason
from fairstall.labeling.passed_on import read_passed_on, read_skipped
from fairstall.labeling.passing import Passing
from fairstall.labeling.permissions import Permission
from fairstall.labeling.review_pages import ReviewPages, case_of
from fairstall.labeling.view_log import ViewedPage
from fairstall.labeling.web import Page, Visit
from fairstall.model.errors import Conflict


@dataclass(frozen=True, slots=True)
class PassingPages:
    """The verbs beside deciding. All but releasing go on to the next case, as `review` does after a decision."""

    review: ReviewPages
    passing: Passing

    def pages(self) -> tuple[Page, ...]:
        review, settle = Permission.REVIEW, Permission.SETTLE_ESCALATIONS
        return (
            Page("POST", "/cases/{case_id}/skip", review, self.skip),
            Page("POST", "/cases/{case_id}/hold", review, self.hold),
            Page("POST", "/cases/{case_id}/release", review, self.release),
            Page("POST", "/cases/{case_id}/escalate", review, self.escalate),
            Page("POST", "/cases/{case_id}/hand-over", review, self.hand_over),
            Page("POST", "/cases/{case_id}/recall", settle, self.recall),
            Page("GET", "/passed-on", settle, self.show_passed_on),
        )

    def skip(self, visit: Visit) -> Response:
        self.review.queue.skip(case_of(visit), visit.signed_in.user, read_skip_reason(visit))
        return self.review.go_on(visit)

    def hold(self, visit: Visit) -> Response:
        self.review.queue.hold(case_of(visit), visit.signed_in.user, read_note(visit))
        return self.review.go_on(visit)

    def release(self, visit: Visit) -> Response:
        """Give back the case, and the one that was kept ready: the visitor stops here."""
        user, queue = visit.signed_in.user, self.review.queue
        queue.release(case_of(visit), user)
        if ready := visit.field("ready"):
            with suppress(Conflict):
                queue.release(ready, user)
        return visit.go("/queue")

    def escalate(self, visit: Visit) -> Response:
        self.passing.escalate(case_of(visit), visit.signed_in.user, read_note(visit))
        return self.review.go_on(visit)

    def hand_over(self, visit: Visit) -> Response:
        self.passing.hand_over(case_of(visit), visit.signed_in.user, visit.field("to"), read_note(visit))
        return self.review.go_on(visit)

    def recall(self, visit: Visit) -> Response:
        self.passing.recall(case_of(visit), visit.signed_in.user)
        return visit.go("/passed-on")

    def show_passed_on(self, visit: Visit) -> Response:
        review = self.review
        now = review.clock()
        passed_on, skipped = read_passed_on(review.engine, now), read_skipped(review.engine, now)
        shown = [one.case_id for one in passed_on] + [one.case_id for one in skipped]
        review.log.record(visit.signed_in.user, ViewedPage.PASSED_ON, of_cases=shown)
        return review.views.page("passed_on.html", visit, cases=passed_on, skipped=skipped)
