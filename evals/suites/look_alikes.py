"""Words are not deeds: what scores make of compliant listings with a policy's words, and of violations without any."""

import json
from dataclasses import asdict

from fairstall.evals.look_alikes import measure_look_alikes, worded_cells
from fairstall.evals.sampling import covered
from fairstall.evals.suite import Subject, Suite, SuiteReport


def run(subject: Subject) -> SuiteReport | None:
    from fairstall.evals.suite_tables import look_alike_table

    bundle = subject.bundle
    rows = covered(subject.rows, bundle.facts.languages)
    worded = worded_cells(rows, bundle.facts.labels, subject.policies)
    scored = subject.scored.on_rows([row.id for row in rows])
    found = measure_look_alikes(scored, worded, bundle.facts.thresholds, bootstrap=subject.bootstrap)
    if not found:
        return None
    metrics = {name: value for scope, one in found.items() for name, value in one.metrics(scope).items()}
    facts = json.dumps({scope: asdict(one) for scope, one in found.items()}, indent=1, sort_keys=True) + "\n"
    return SuiteReport(metrics, facts, shown=(look_alike_table(found),))


SUITE = Suite("look_alikes", "compliant rows with a policy's words, and violations without them", run)
