"""The language suite: what the language gate does with listings in languages that a bundle was not trained for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fairstall.evals.bootstrap import CONFIDENCE, Estimate, wilson
from fairstall.evals.rows import EvalRow
from fairstall.evals.scored import SESSIONS

if TYPE_CHECKING:
    from fairstall.model.bundle import Bundle
    from fairstall.model.policies import PolicySet


@dataclass(frozen=True, slots=True)
class LanguageGateReport:
    """Shares of a language's listings. `declared`, `undeclared`: sent to a person for their language, with it named by
    the seller and without. `approved_violations`: of the violations without a named language, those that were approved.
    """

    rows: int
    declared: Estimate
    undeclared: Estimate
    approved_violations: Estimate


def measure_languages(
    bundle: "Bundle", rows: Sequence[EvalRow], *, policies: "PolicySet | None" = None
) -> dict[str, LanguageGateReport]:
    """One report a language. Rows without a language are passed over."""
    languages = sorted({row.language for row in rows if row.language})
    return {code: _report(bundle, [row for row in rows if row.language == code], policies) for code in languages}


def language_metrics(reports: Mapping[str, LanguageGateReport]) -> dict[str, float]:
    """Flat names, `language/de/declared` and so on, with their intervals."""
    flat: dict[str, float] = {}
    for language, report in reports.items():
        scope = f"language/{language}"
        flat |= report.declared.metrics(f"{scope}/declared") | report.undeclared.metrics(f"{scope}/undeclared")
        flat |= report.approved_violations.metrics(f"{scope}/approved_violations")
    return flat


def _report(bundle: "Bundle", rows: Sequence[EvalRow], policies: "PolicySet | None") -> LanguageGateReport:
    from fairstall.model.assess import Assessor, assess_listings
    from fairstall.model.decide import Doubt, Outcome
    from fairstall.model.policy_file import starter_policies
    from fairstall.model.scorer import OnnxScorer

    assessor = Assessor(bundle, policies or starter_policies())
    scorers = [OnnxScorer(bundle) for _ in range(SESSIONS)]
    declared = assess_listings(assessor, scorers, [row.listing() for row in rows])
    undeclared = assess_listings(assessor, scorers, [replace(row, language=None).listing() for row in rows])
    approved = [one.outcome is Outcome.APPROVE for one, row in zip(undeclared, rows, strict=True) if row.policies]
    return LanguageGateReport(
        rows=len(rows),
        declared=_share([Doubt.LANGUAGE in one.doubts for one in declared]),
        undeclared=_share([Doubt.LANGUAGE in one.doubts for one in undeclared]),
        approved_violations=_share(approved),
    )


def _share(found: Sequence[bool]) -> Estimate:
    return wilson(sum(found) / max(1, len(found)), len(found), confidence=CONFIDENCE)
