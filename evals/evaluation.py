"""An Evaluation: every metric of every slice with its interval, under names that do not change. It stores nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from fairstall.evals.arrays import Floats
from fairstall.evals.bootstrap import Bootstrap, Estimate, Measured, evidence, mean_over, measure, share_estimate
from fairstall.evals.metric import Metric
from fairstall.evals.metrics import all_metrics
from fairstall.evals.scored import ScoredRows
from fairstall.evals.slices import MACRO, Slice, Thresholds, cut_slices, policy_scope, policy_scopes


@dataclass(frozen=True, slots=True)
class Scope:
    """What was measured on one slice. `groups` are the independent observations among `rows`."""

    rows: int
    violations: int
    groups: int
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`scopes` by name: `macro`, `listing`, `policy/...`, `source/...`.

    `not_measured`: policies without a known violation, which have no number rather than a zero.
    """

    scopes: Mapping[str, Scope]
    not_measured: tuple[str, ...]
    bootstrap: Bootstrap

    def metrics(self) -> dict[str, float]:
        """Every number by its full name, `SCOPE/METRIC`; headline metrics have `.low` and `.high` beside them."""
        headline = {metric.name for metric in all_metrics() if metric.headline}
        flat: dict[str, float] = {}
        for name, scope in self.scopes.items():
            counts = {"rows": scope.rows, "violations": scope.violations, "groups": scope.groups}
            flat |= {f"{name}/{count}": float(number) for count, number in counts.items()}
            for metric, found in scope.metrics.items():
                flat[f"{name}/{metric}"] = found.value
                if metric in headline:
                    flat |= {f"{name}/{metric}.low": found.low, f"{name}/{metric}.high": found.high}
        return flat

    def to_json(self) -> str:
        """All of it with every interval; the same evaluation gives the same bytes."""
        return json.dumps(asdict(self), indent=1, sort_keys=True, allow_nan=False) + "\n"


def evaluate(
    scored: ScoredRows,
    thresholds: Thresholds | None = None,
    *,
    bootstrap: Bootstrap | None = None,
    metrics: Sequence[Metric] | None = None,
) -> Evaluation:
    """Measure everything about `scored`.

    `thresholds` are a bundle's; without them a score flags at even odds, and no automation rate is measured per policy.
    """
    bootstrap, metrics = bootstrap or Bootstrap(), all_metrics() if metrics is None else metrics
    slices = cut_slices(scored, thresholds)
    measured = measure(slices, metrics, scored, bootstrap)
    scopes = {MACRO: _macro(scored, slices, metrics, measured, bootstrap)}
    for name, cut in slices.items():
        scopes[name] = _scope(cut, metrics, measured[name], bootstrap)
    unmeasured = tuple(code for code in scored.labels if policy_scope(code) not in slices)
    return Evaluation(scopes, unmeasured, bootstrap)


def _scope(cut: Slice, metrics: Sequence[Metric], values: Mapping[str, Floats], bootstrap: Bootstrap) -> Scope:
    estimates = {
        metric.name: share_estimate(
            values[metric.name],
            confidence=bootstrap.confidence,
            evidence=evidence(metric, cut),
            proportion=metric.backing is not None,
        )
        for metric in metrics
        if metric.name in values
    }
    return Scope(cut.rows.size, int(cut.truth.sum()), int(np.unique(cut.groups).size), estimates)


def _macro(
    scored: ScoredRows,
    slices: Mapping[str, Slice],
    metrics: Sequence[Metric],
    measured: Measured,
    bootstrap: Bootstrap,
) -> Scope:
    """The mean over policies; its evidence is that of a policy on average."""
    scopes = policy_scopes(slices)
    means = mean_over(measured, scopes)
    found = {}
    for metric in metrics:
        if metric.name in means:
            groups = [evidence(metric, slices[s]) for s in scopes if metric.name in measured[s]]
            found[metric.name] = share_estimate(
                means[metric.name],
                confidence=bootstrap.confidence,
                evidence=round(sum(groups) / len(groups)),
                proportion=False,
            )
    return Scope(len(scored), int(scored.truth.any(axis=1).sum()), int(np.unique(scored.groups).size), found)
