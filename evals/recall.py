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
from fairstall.evals.slices import Thresholds

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
        """Flat and stable names, `SCOPE/recall_kept` with its interval among them."""
        flat = {f"{scope}/recall": self.changed.value, f"{scope}/recall_plain": self.plain.value}
        flat |= {f"{scope}/recall_kept": self.kept.value, f"{scope}/recall_kept.low": self.kept.low}
        return flat | {f"{scope}/recall_kept.high": self.kept.high, f"{scope}/violations": float(self.violations)}


def flagged(scored: ScoredRows, thresholds: Thresholds) -> Bools:
    """(rows, labels): the score of that policy stands in the way of approval."""
    at = np.array([thresholds[label].release.value for label in scored.labels], dtype=np.float64)
    return np.asarray(scored.probabilities >= at, dtype=np.bool_)


def stopped(scored: ScoredRows) -> Bools:
    """(rows, labels): the listing as a whole was not approved, whatever stood in its way."""
    if scored.outcomes is None:
        raise ValueError("these rows were scored without decide(): they have no outcomes")
    return np.repeat((scored.outcomes != "approve")[:, None], len(scored.labels), axis=1)


def recall_kept(scored: ScoredRows, plain: Bools, changed: Bools, *, bootstrap: Bootstrap) -> Kept | None:
    """`plain` and `changed` (rows, labels) say what each reading catches of the violations in `scored.truth`.

    None when no policy has `LEAST_VIOLATIONS`. Groups are drawn for both readings alike.
    """
    truth = scored.truth & scored.known
    columns = np.flatnonzero(truth.sum(axis=0) >= LEAST_VIOLATIONS)
    if not columns.size:
        return None
    both = [_recalls(scored, truth, caught, columns, bootstrap) for caught in (plain, changed)]
    macro = [recalls.mean(axis=0) for recalls in both]
    rows = truth[:, columns].any(axis=1)
    groups = int(np.unique(scored.groups[rows]).size)

    def share(values: Floats) -> Estimate:
        return share_estimate(values, confidence=bootstrap.confidence, evidence=groups, proportion=False)

    shares = _quotient(both[1][:, 0], both[0][:, 0])
    return Kept(
        plain=share(macro[0]),
        changed=share(macro[1]),
        kept=_unbounded(_quotient(macro[1], macro[0]), groups=groups, bootstrap=bootstrap),
        policies={scored.labels[column]: float(share) for column, share in zip(columns, shares, strict=True)},
        violations=int(rows.sum()),
    )


def _recalls(scored: ScoredRows, truth: Bools, caught: Bools, columns: Ints, bootstrap: Bootstrap) -> Floats:
    """(policies, 1 + draws), the recall itself first."""
    parts = []
    for weights in weightings(scored, bootstrap):
        found = (truth & caught)[:, columns].T.astype(np.float64) @ weights
        parts.append(found / (truth[:, columns].T.astype(np.float64) @ weights))
    return np.concatenate(parts, axis=1)


def _quotient(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.ones_like(part), where=whole > 0)


def _unbounded(values: Floats, *, groups: int, bootstrap: Bootstrap) -> Estimate:
    """A quotient of recalls may pass 1: an attack can make a violation easier to see."""
    return estimate(values, confidence=bootstrap.confidence, evidence=groups)
