"""What the recipe does on sources that it has never seen: each row is scored by the fold that lacks its source."""

import json
from dataclasses import asdict

from fairstall.evals.evaluation import Evaluation, Scope, evaluate
from fairstall.evals.leave_out import score_unseen, stacked, unseen_rows
from fairstall.evals.slices import LISTING, SOURCE_PREFIX
from fairstall.evals.suite import Subject, Suite, SuiteReport

PREFIX = "leave_one_source_out"
METRICS = (
    "automation_rate",
    "automated_error_rate",
    "errors_captured_at_review_10",
    "errors_captured_at_review_20",
)
AT_A_THRESHOLD = ("precision", "recall", "false_positive_rate")  # each fold has its own: they have no sum


def run(subject: Subject) -> SuiteReport | None:
    from fairstall.evals.tables import source_table

    rows = [row for row in subject.rows if row.language is None or row.language in subject.bundle.facts.languages]
    progress = subject.begin("unseen sources", sum(len(unseen_rows(fold, rows)) for fold in subject.folds))
    parts = [(fold, score_unseen(fold, rows, policies=subject.policies, progress=progress)) for fold in subject.folds]
    scored = [(fold, part) for fold, part in parts if part is not None]
    if not scored:
        return None
    scopes: dict[str, Scope] = {}
    for fold, part in scored:
        found = evaluate(part, fold.facts.thresholds, bootstrap=subject.bootstrap).scopes
        scopes |= {name: scope for name, scope in found.items() if name.startswith(SOURCE_PREFIX)}
    together = evaluate(stacked([part for _, part in scored]), bootstrap=subject.bootstrap).scopes[LISTING]
    kept = {name: found for name, found in together.metrics.items() if name not in AT_A_THRESHOLD}
    scopes = {LISTING: Scope(together.rows, together.violations, together.groups, kept), **scopes}
    evaluation = Evaluation(scopes, (), subject.bootstrap)
    metrics = {f"{PREFIX}/{name}": value for name, value in evaluation.metrics().items()}
    facts = json.dumps({name: asdict(scope) for name, scope in scopes.items()}, indent=1, sort_keys=True) + "\n"
    shown = source_table(evaluation, "Sources that the recipe has not seen", METRICS)
    return SuiteReport(metrics, facts, shown=(shown,))


SUITE = Suite("leave_one_source_out", "the recipe on sources that it has never seen", run)
