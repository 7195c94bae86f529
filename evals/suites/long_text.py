"""Whether a violation is found wherever it stands in a long description, on a few violations of each policy."""

import json
from dataclasses import asdict

from fairstall.evals.depth import DEPTHS, FILLINGS, WORDS, measure_depth
from fairstall.evals.sampling import covered, few_a_policy
from fairstall.evals.suite import Subject, Suite, SuiteReport

VIOLATIONS = 15  # of each policy


def run(subject: Subject) -> SuiteReport | None:
    from fairstall.evals.suite_tables import kept_table

    rows = few_a_policy(covered(subject.rows, subject.bundle.facts.languages), VIOLATIONS, words=FILLINGS * WORDS)
    progress = subject.begin("long texts", FILLINGS + len(DEPTHS) * sum(bool(row.policies) for row in rows))
    found = measure_depth(
        subject.bundle, rows, policies=subject.policies, bootstrap=subject.bootstrap, progress=progress
    )
    if found is None:
        return None
    kept = {f"{100 * depth:.0f} % deep": of for depth, of in found.kept.items()}
    table = kept_table(f"Recall kept in {found.words} words, of that at the top", {"by score": kept})
    return SuiteReport(found.metrics(), json.dumps(asdict(found), indent=1, sort_keys=True) + "\n", shown=(table,))


SUITE = Suite("long_text", "violations at five depths of a 2,000-word description", run)
