"""What the language gate does with rows in languages that the bundle does not read."""

import json
from dataclasses import asdict

from fairstall.evals.languages import language_metrics, measure_languages
from fairstall.evals.suite import Subject, Suite, SuiteReport


def run(subject: Subject) -> SuiteReport | None:
    from fairstall.evals.suite_tables import language_table

    rows = [row for row in subject.rows if row.language and row.language not in subject.bundle.facts.languages]
    if not rows:
        return None
    found = measure_languages(subject.bundle, rows, policies=subject.policies)
    facts = json.dumps({code: asdict(one) for code, one in found.items()}, indent=1, sort_keys=True) + "\n"
    return SuiteReport(language_metrics(found), facts, shown=(language_table(found),))


SUITE = Suite("languages", "what the gate does with languages that the bundle does not read", run)
