"""The rows as they are: every metric per policy and source, the figures, and the errors to read first."""

from fairstall.evals.errors import confusion, worst_errors
from fairstall.evals.evaluation import evaluate
from fairstall.evals.suite import Subject, Suite, SuiteReport


def run(subject: Subject) -> SuiteReport:
    from fairstall.evals.plots import draw_plots
    from fairstall.evals.tables import policy_table, source_table

    bundle, scored, thresholds = subject.bundle, subject.scored, subject.bundle.facts.thresholds
    evaluation = evaluate(scored, thresholds, bootstrap=subject.bootstrap)
    return SuiteReport(
        evaluation.metrics(),
        evaluation.to_json(),
        shown=(policy_table(evaluation), source_table(evaluation)),
        plots=draw_plots(scored, evaluation, thresholds),
        tables={
            "worst_errors.json": worst_errors(bundle, subject.rows, scored, policies=subject.policies),
            "confusion.json": confusion(scored, thresholds),
        },
    )


SUITE = Suite("held_out", "every metric per policy and source", run)
