"""Whether certificates keep their word, over two hundred draws of certification rows."""

import json
from dataclasses import asdict

from fairstall.evals.certify import CertifyConfig
from fairstall.evals.guarantees import RESAMPLES, measure_guarantees
from fairstall.evals.sampling import covered
from fairstall.evals.suite import Subject, Suite, SuiteReport


def run(subject: Subject) -> SuiteReport | None:
    from fairstall.evals.tables import guarantee_table

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
    metrics = {name: value for kind, one in found.items() for name, value in one.metrics(kind).items()}
    facts = json.dumps({kind: asdict(one) for kind, one in found.items()}, indent=1, sort_keys=True) + "\n"
    return SuiteReport(metrics, facts, shown=(guarantee_table(found),)) if found else None


SUITE = Suite("guarantees", "how often a certified threshold misses its target, over 200 draws of certification rows", run)
