"""Whether the words that are marked for reviewers are what the model went by, on a few findings of each policy."""

import json
from dataclasses import asdict

from fairstall.evals.faithfulness import measure_faithfulness
from fairstall.evals.sampling import covered
from fairstall.evals.suite import Subject, Suite, SuiteReport

FINDINGS = 30  # of each policy


def run(subject: Subject) -> SuiteReport | None:
    from fairstall.evals.suite_tables import faithfulness_table
    from fairstall.model.assess import Assessor
    from fairstall.model.scorer import OnnxScorer

    facts = subject.bundle.facts
    rows = covered(subject.rows, facts.languages)
    probabilities = subject.scored.on_rows([row.id for row in rows]).probabilities
    findings = {
        code: [row.listing() for row, p in zip(rows, probabilities[:, column], strict=True) if p >= release][:FINDINGS]
        for column, code in enumerate(facts.labels)
        for release in (facts.thresholds[code].release.value,)
    }
    found = measure_faithfulness(
        Assessor(subject.bundle, subject.policies),
        OnnxScorer(subject.bundle),
        findings,
        bootstrap=subject.bootstrap,
        progress=subject.begin("evidence", sum(map(len, findings.values()))),
    )
    if not found:
        return None
    metrics = {name: value for scope, one in found.items() for name, value in one.metrics(scope).items()}
    facts_of_it = json.dumps({scope: asdict(one) for scope, one in found.items()}, indent=1, sort_keys=True) + "\n"
    return SuiteReport(metrics, facts_of_it, shown=(faithfulness_table(found),))


SUITE = Suite("evidence", "what is left of a score without the words marked for reviewers", run)
