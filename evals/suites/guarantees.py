"""Whether certificates keep their word, over two hundred draws of certification rows."""

import json
from dataclasses import asdict

from fairstall.evals.certify import CertifyConfig
from fairstall.evals.guarantees import RESAMPLES, guarantee_metrics, measure_guarantees
from fairstall.evals.sampling import covered
from fairstall.evals.suite import Subject, Suite, SuiteReport


def run(subject: Subject) -> SuiteReport | None:
    from fairstall.evals.suite_tables import guarantee_table

    bundle = subject.bundle
    rows = covered(subject.rows, bundle.facts.languages)
    if not any(row.policies for row in rows):
        return None
    found = measure_guarantees(
        subject.scored.on_rows([row.id for row in rows]),
        subject.policies,
        CertifyConfig(**bundle.facts.training.get("config", {}).get("certify", {})),
        seed=subject.bootstrap.seed,
        progress=subject.begin("resamples", RESAMPLES),
    )
    if not found:
        return None
    plain = {kind: {code: asdict(one) for code, one in of_kind.items()} for kind, of_kind in found.items()}
    facts = json.dumps(plain, indent=1, sort_keys=True) + "\n"
    return SuiteReport(guarantee_metrics(found), facts, shown=(guarantee_table(found),))


SUITE = Suite("guarantees", "how often a certified threshold misses its target, over 200 draws", run)
