"""A verdict as a form sends it: checked against the policies in force before anything is stored."""

from fairstall.labeling.verdicts import Judgement, ReviewVerdict
from fairstall.labeling.web import Visit
from fairstall.model.errors import InputError
from fairstall.model.policies import PolicySet

MAX_NOTE_CHARACTERS = 2_000


def read_judgement(visit: Visit, policies: PolicySet) -> Judgement:
    """Verdict, ticked policies and note. Raises InputError, which says what is missing."""
    verdict = _verdict(visit)
    chosen = _chosen(visit, policies) if verdict is ReviewVerdict.VIOLATION else ()
    note = visit.field("note").strip()
    if len(note) > MAX_NOTE_CHARACTERS:
        raise InputError(f"The note has more than {MAX_NOTE_CHARACTERS} characters. Nothing was stored.")
    strict = [policies[code].title for code in chosen if policies[code].review.reason_required]
    if strict and not note:
        raise InputError(f"Write a note first: whoever decides on {strict[0]} must say why. Nothing was stored.")
    return Judgement(verdict, chosen, note)


def _verdict(visit: Visit) -> ReviewVerdict:
    try:
        return ReviewVerdict(visit.field("verdict"))
    except ValueError as error:
        raise InputError("Choose violation or compliant.") from error


def _chosen(visit: Visit, policies: PolicySet) -> tuple[str, ...]:
    codes = tuple(dict.fromkeys(visit.form.get("policy", [])))
    if not codes:
        raise InputError("Choose the policy that the listing violates, then press violation again.")
    if unknown := [code for code in codes if code not in policies.by_code]:
        raise InputError(f"There is no policy {unknown[0][:80]!r} in force. Reload the page and choose again.")
    return codes
