"""What the forms of a case say, checked: verdict, policies, note, and why a case is skipped."""

from fairstall.labeling.queue import SkipReason
from fairstall.labeling.verdicts import Judgement, ReviewVerdict
from fairstall.labeling.web import Visit
from fairstall.model.errors import InputError
from fairstall.model.policies import PolicySet

MAX_NOTE_CHARACTERS = 2_000


def read_judgement(visit: Visit, policies: PolicySet) -> Judgement:
    """Verdict, ticked policies and note of a form. Raises InputError for what cannot be stored, such as a violation
    without the reason that a policy requires."""
    try:
        verdict = ReviewVerdict(visit.field("verdict"))
    except ValueError as error:
        raise InputError("Choose violation or compliant.") from error
    chosen = _chosen(visit, policies) if verdict is ReviewVerdict.VIOLATION else ()
    note = read_note(visit)
    asking = [policies[code].title for code in chosen if policies[code].review.reason_required]
    if asking and not note:
        raise InputError(f"{' and '.join(asking)}: a violation needs a reason. Write a note, then decide again.")
    return Judgement(verdict, chosen, note)


def read_note(visit: Visit) -> str:
    """The note of a form, which may be empty. Raises InputError for one that is too long."""
    note = visit.field("note").strip()
    if len(note) > MAX_NOTE_CHARACTERS:
        raise InputError(f"The note has more than {MAX_NOTE_CHARACTERS} characters. Nothing was stored.")
    return note


def read_skip_reason(visit: Visit) -> SkipReason:
    """Why somebody skips a case. Raises InputError."""
    try:
        return SkipReason(visit.field("reason"))
    except ValueError as error:
        raise InputError("Choose why you leave the case to others.") from error


def _chosen(visit: Visit, policies: PolicySet) -> tuple[str, ...]:
    codes = tuple(dict.fromkeys(visit.form.get("policy", [])))
    if not codes:
        raise InputError("Choose the policy that the listing violates, then press violation again.")
    if unknown := [code for code in codes if code not in policies.by_code]:
        raise InputError(f"There is no policy {unknown[0][:80]!r} in force. Reload the page and choose again.")
    return codes
