"""The pages of calibration sessions: what two people disagreed on, what is said of it, and the golden items."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from fairstall.labeling.calibration import DISAGREEMENTS_SHOWN, Calibration
from fairstall.labeling.golden import GoldenItems
from fairstall.labeling.permissions import Permission
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.labeling.view_log import ViewedPage, ViewLog
from fairstall.labeling.views import Views
from fairstall.labeling.web import Page, Visit
from fairstall.model.errors import InputError
from fairstall.model.policies import PolicySet

MAX_TEXT_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True)
class DisagreementPages:
    """Calibration and golden items over one store."""

    calibration: Calibration
    golden: GoldenItems
    policies: PolicySet
    log: ViewLog
    views: Views

    def pages(self) -> tuple[Page, ...]:
        calibrate = Permission.CALIBRATE
        return (
            Page("GET", "/disagreements", calibrate, self.show_all),
            Page("GET", "/disagreements/{decision_id}", calibrate, self.show),
            Page("POST", "/disagreements/{decision_id}/comment", calibrate, self.comment),
            Page("POST", "/disagreements/{decision_id}/verdict", calibrate, self.conclude),
            Page("POST", "/disagreements/{decision_id}/example", calibrate, self.add_example),
            Page("GET", "/golden", calibrate, self.show_golden),
            Page("GET", "/golden/new/{decision_id}", calibrate, self.show_new_golden),
            Page("POST", "/golden/new/{decision_id}", calibrate, self.add_golden),
            Page("POST", "/golden/{golden_id}/retire", calibrate, self.retire_golden),
        )

    def show_all(self, visit: Visit) -> Response:
        before = visit.request.query_params.get("before")
        found = self.calibration.newest(before=before)
        self._log(visit, [one.decision_id for one in found])
        older = None
        if len(found) == DISAGREEMENTS_SHOWN:
            older = urlencode({"before": found[-1].found_at.isoformat(timespec="microseconds").replace("+00:00", "Z")})
        return self.views.page("disagreements.html", visit, found=found, older=older, paged=before is not None)

    def show(self, visit: Visit) -> Response:
        held = self.calibration.session(_decision_id(visit))
        self._log(visit, [held.about.decision_id])
        return self.views.page("disagreement.html", visit, held=held, about=held.about, policies=self.policies)

    def comment(self, visit: Visit) -> Response:
        self.calibration.comment(_decision_id(visit), visit.signed_in.user, _text(visit))
        return _back(visit)

    def conclude(self, visit: Visit) -> Response:
        verdict, policies = self._verdict(visit)
        self.calibration.conclude(_decision_id(visit), visit.signed_in.user, verdict, policies, _text(visit))
        return _back(visit)

    def add_example(self, visit: Visit) -> Response:
        verdict, policy = _kind(visit), self._known([visit.field("policy")])[0]
        user, title = visit.signed_in.user, visit.field("title")
        self.calibration.add_example(_decision_id(visit), user, verdict, policy, title=title, why=_text(visit))
        return _back(visit)

    def show_golden(self, visit: Visit) -> Response:
        items = self.golden.all()
        self._log(visit, [item.decision_id for item in items])
        return self.views.page("golden.html", visit, items=items)

    def show_new_golden(self, visit: Visit) -> Response:
        settled = self.golden.settled(_decision_id(visit))
        self._log(visit, [settled.decision_id])
        return self.views.page("golden_new.html", visit, settled=settled, policies=self.policies)

    def add_golden(self, visit: Visit) -> Response:
        verdict, policies = self._verdict(visit)
        self.golden.add(_decision_id(visit), visit.signed_in.user, verdict, policies, _text(visit))
        return visit.go("/golden")

    def retire_golden(self, visit: Visit) -> Response:
        self.golden.retire(str(visit.request.path_params["golden_id"]), visit.signed_in.user)
        return visit.go("/golden")

    def _log(self, visit: Visit, decision_ids: Sequence[str]) -> None:
        self.log.record(visit.signed_in.user, ViewedPage.CALIBRATION, decision_ids)

    def _verdict(self, visit: Visit) -> tuple[ReviewVerdict, Sequence[str]]:
        """What the form says. Raises InputError for a violation of no policy or of one that is not in force."""
        verdict = _kind(visit)
        if verdict is ReviewVerdict.COMPLIANT:
            return verdict, ()
        return verdict, self._known(list(dict.fromkeys(visit.form.get("policy", []))))

    def _known(self, codes: Sequence[str]) -> Sequence[str]:
        if not any(codes):
            raise InputError("Choose the policy that it is about.")
        if unknown := [code for code in codes if code not in self.policies.by_code]:
            raise InputError(f"There is no policy {unknown[0][:80]!r} in force. Reload the page and choose again.")
        return codes


def _decision_id(visit: Visit) -> str:
    return str(visit.request.path_params["decision_id"])


def _back(visit: Visit) -> Response:
    return visit.go(f"/disagreements/{_decision_id(visit)}")


def _kind(visit: Visit) -> ReviewVerdict:
    try:
        return ReviewVerdict(visit.field("verdict"))
    except ValueError as error:
        raise InputError("Choose violation or compliant.") from error


def _text(visit: Visit) -> str:
    text = visit.field("text").strip()
    if len(text) > MAX_TEXT_CHARACTERS:
        raise InputError(f"The text has more than {MAX_TEXT_CHARACTERS} characters. Nothing was stored.")
    return text
