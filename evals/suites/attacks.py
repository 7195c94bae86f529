"""What is left of recall when sellers disguise their words, on a sample of the rows."""

import json
from dataclasses import asdict

from fairstall.evals.attacks import ATTACKS
from fairstall.evals.robustness import measure_robustness
from fairstall.evals.sampling import both_sides, covered
from fairstall.evals.suite import Subject, Suite, SuiteReport

ROWS = 1200  # violations, and as many compliant rows


def run(subject: Subject) -> SuiteReport | None:
    from fairstall.evals.suite_tables import kept_table

    rows = both_sides(covered(subject.rows, subject.bundle.facts.languages), ROWS)
    violations = sum(bool(row.policies) for row in rows)
    if not violations:
        return None
    progress = subject.begin("attacks", (1 + len(ATTACKS)) * violations + 2 * len(rows))
    found = measure_robustness(
        subject.bundle, rows, policies=subject.policies, bootstrap=subject.bootstrap, progress=progress
    )
    table = kept_table("Recall kept under attack", {"by score": found.scores, "by decision": found.decisions})
    return SuiteReport(found.metrics(), json.dumps(asdict(found), indent=1, sort_keys=True) + "\n", shown=(table,))


SUITE = Suite("attacks", "recall kept when words are disguised", run)
