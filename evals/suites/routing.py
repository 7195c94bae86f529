"""Which router finds the most errors at the operator's review budget."""

import json
from dataclasses import asdict

from fairstall.evals.routers import compare_routers
from fairstall.evals.sampling import covered
from fairstall.evals.suite import Subject, Suite, SuiteReport


def run(subject: Subject) -> SuiteReport | None:
    from fairstall.evals.suite_tables import router_table

    bundle = subject.bundle
    rows = covered(subject.rows, bundle.facts.languages)
    found = compare_routers(
        subject.scored.on_rows([row.id for row in rows]),
        bundle.facts.thresholds,
        review_budget=subject.review_budget,
        bootstrap=subject.bootstrap,
    )
    if not found:
        return None
    metrics = {name: value for scope, one in found.items() for name, value in one.metrics(scope).items()}
    metrics["routing/review_budget"] = subject.review_budget
    facts = json.dumps({scope: asdict(one) for scope, one in found.items()}, indent=1, sort_keys=True) + "\n"
    return SuiteReport(metrics, facts, shown=(router_table(found, subject.review_budget),))


SUITE = Suite("routing", "which router finds the most errors at the review budget", run)
