"""From a candidate's folder to a verdict, and from a verdict to a deployment. What the rules are is for `gate`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.compare import Comparison, Contender, compare
from fairstall.evals.gate import GateVerdict, ModelFacts, judge, model_facts
from fairstall.evals.gate_rules import GateRules
from fairstall.evals.progress import Begin, Progress, unwatched
from fairstall.evals.rows import eval_row
from fairstall.evals.scored import score_rows
from fairstall.evals.slices import MACRO
from fairstall.evals.trials import try_both
from fairstall.model.bundle import Bundle, open_bundle
from fairstall.model.deployed import Deployment, Deployments
from fairstall.model.errors import BundleError, Conflict, InputError
from fairstall.model.policies import PolicySet


@dataclass(frozen=True, slots=True)
class Examination:
    """What the gate saw and said. `candidate` is None when it does not open; `comparison` when there is no champion."""

    candidate: Bundle | None
    champion: Bundle | None
    comparison: Comparison | None
    verdict: GateVerdict

    def summary(self) -> str:
        """One line for the record: the headline difference, and what the gate said."""
        found = self.comparison.find(MACRO, "average_precision") if self.comparison else None
        if found is None or self.champion is None:
            return self.verdict.reason()
        by = found.difference
        shown = f"{found.first:.3f} to {found.second:.3f}, {by.value:+.3f} [{by.low:+.3f}, {by.high:+.3f}]"
        return f"macro average precision against {self.champion.version}: {shown}; {self.verdict.reason()}"


def examine(
    folder: Path,
    champion: Bundle | None,
    rows: Sequence[object],
    rules: GateRules,
    *,
    policies: PolicySet | None = None,
    bootstrap: Bootstrap | None = None,
    begin: Begin = unwatched,
) -> Examination:
    """Score the candidate in `folder` and the champion on the same rows, compare, try both further, and judge.

    `rows` are as `score_rows` takes them. Raises InputError when there is a champion but no row to compare on.
    """
    from fairstall.model.policy_file import starter_policies
    from fairstall.model.scorer import OnnxScorer

    policies, bootstrap = policies or starter_policies(), bootstrap or Bootstrap(draws=1000)
    progress = begin("scoring", 2 * len(rows)) if champion else None
    try:
        candidate = open_bundle(folder)
        OnnxScorer(candidate)
        second = contender(candidate, rows, policies=policies, progress=progress) if champion else None
    except BundleError as error:
        facts = ModelFacts(version=folder.name, problem=str(error))
        return Examination(None, champion, None, judge(None, None, candidate=facts, champion=None, rules=rules))
    comparison = trials = None
    if champion and second:
        first = contender(champion, rows, policies=policies, progress=progress)
        comparison = compare(first, second, bootstrap=bootstrap)
        kept = [eval_row(row) for row in rows]
        trials = try_both(champion, candidate, kept, policies=policies, bootstrap=bootstrap, begin=begin)
    verdict = judge(
        comparison,
        trials,
        candidate=model_facts(candidate),
        champion=model_facts(champion) if champion else None,
        rules=rules,
    )
    return Examination(candidate, champion, comparison, verdict)


def deploy_examined(
    examination: Examination, deployments: Deployments, *, deployed_at: str, override: str | None = None
) -> Deployment:
    """Put an examined candidate into service, with the reason on record.

    Raises Conflict, which names the failing rules, when the gate refused it and no `override` gives a reason. A
    candidate that does not open is never deployed.
    """
    verdict, candidate = examination.verdict, examination.candidate
    if candidate is None or (override is None and not verdict.passed):
        raise Conflict(verdict.reason())
    reason = examination.summary() if override is None else f"override: {override}; {examination.summary()}"
    return deployments.deploy(candidate, reason=reason, deployed_at=deployed_at)


def contender(
    bundle: Bundle, rows: Sequence[object], *, policies: PolicySet | None = None, progress: Progress | None = None
) -> Contender:
    """A bundle scored on rows, under its version and with its thresholds. Raises InputError when there are no rows."""
    if not rows:
        raise InputError("there are no rows to compare on")
    scored = score_rows(bundle, rows, policies=policies, progress=progress)
    return Contender(bundle.version, scored, bundle.facts.thresholds)
