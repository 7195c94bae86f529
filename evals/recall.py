"""Recall of the same violations read in two ways, and how much of it the second way keeps. Suites name the ways.

Everything is per policy first: a policy's recall is the share of its violations that a reading catches, and the macro
recall is the mean over policies with enough of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fairstall.evals.arrays import Bools, Floats, Ints
from fairstall.evals.bootstrap import Bootstrap, Estimate, estimate, share_estimate, weightings
from fairstall.evals.scored import ScoredRows
from fairstall.model.decide import Outcome

LEAST_VIOLATIONS = 10  # of a policy; with fewer its recall says nothing


@dataclass(frozen=True, slots=True)
class Kept:
    """`plain` and `changed` are macro recalls, `kept` is their quotient, `policies` the same quotient per policy."""

    plain: Estimate
    changed: Estimate
    kept: Estimate
    policies: Mapping[str, float]
    violations: int

    def metrics(self, scope: str) -> dict[str, float]:
        """Flat and stable names under `SCOPE/`, intervals beside them."""
        flat = self.changed.metrics(f"{scope}/recall") | self.plain.metrics(f"{scope}/recall_plain")
        return flat | self.kept.metrics(f"{scope}/recall_kept") | {f"{scope}/violations": float(self.violations)}


def stopped(scored: ScoredRows) -> Bools:
    """(rows, labels): the listing as a whole was not approved, whatever stood in its way."""
    if scored.outcomes is None:
        raise ValueError("these rows were scored without decide(): they have no outcomes")
    return np.repeat((scored.outcomes != str(Outcome.APPROVE))[:, None], len(scored.labels), axis=1)


def recall_kept(scored: ScoredRows, plain: Bools, changed: Bools, *, bootstrap: Bootstrap) -> Kept | None:
    """`plain` and `changed` (rows, labels) say what each reading catches of the violations in `scored.truth`.

    A policy counts when it has `LEAST_VIOLATIONS` and the plain reading catches any: of nothing nothing can be kept.
    None when no policy counts. Groups are drawn for both readings alike.
    """
    truth = scored.truth & scored.known
    columns = np.flatnonzero((truth.sum(axis=0) >= LEAST_VIOLATIONS) & (truth & plain).any(axis=0))
    if not columns.size:
        return None
    before, after = (shares_caught(scored, truth, caught, columns, bootstrap) for caught in (plain, changed))
    groups = [int(np.unique(scored.groups[truth[:, column]]).size) for column in columns]
    evidence = round(sum(groups) / len(groups))  # that of a policy on average, as for any macro number

    def share(values: Floats) -> Estimate:
        return share_estimate(values, confidence=bootstrap.confidence, evidence=evidence, proportion=False)

    kept = after.mean(axis=0) / before.mean(axis=0)  # may pass 1: an attack can make a violation easier to see
    return Kept(
        plain=share(before.mean(axis=0)),
        changed=share(after.mean(axis=0)),
        kept=estimate(kept, confidence=bootstrap.confidence, evidence=evidence),
        policies={scored.labels[column]: float(after[row, 0] / before[row, 0]) for row, column in enumerate(columns)},
        violations=int(truth[:, columns].any(axis=1).sum()),
    )


def shares_caught(scored: ScoredRows, of: Bools, caught: Bools, columns: Ints, bootstrap: Bootstrap) -> Floats:
    """(columns, 1 + draws): per policy the share of the cells under `of` that are caught, the share itself first."""
    parts = []
    for weights in weightings(scored, bootstrap):
        found = (of & caught)[:, columns].T.astype(np.float64) @ weights
        parts.append(found / (of[:, columns].T.astype(np.float64) @ weights))
    return np.concatenate(parts, axis=1)
