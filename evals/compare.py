"""Two bundles on the same rows: the paired difference of every compared metric, and what may be concluded from it.

Whether a difference is good enough to ship is for `gate`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from fairstall.evals.arrays import Floats
from fairstall.evals.bootstrap import Bootstrap, Estimate, Measured, estimate, evidence, mean_over, measure
from fairstall.evals.metric import Metric
from fairstall.evals.metrics import all_metrics
from fairstall.evals.scored import ScoredRows
from fairstall.evals.slices import MACRO, Slice, Thresholds, cut_slices, policy_scope, policy_scopes
from fairstall.model.errors import InputError

COMPARED = (
    "average_precision",
    "recall_at_false_positives_1",
    "recall",
    "false_positive_rate",
    "ece",
    "brier",
    "errors_captured_at_review_10",
    "automation_rate",
)
LEAST_GROUPS = 10  # with fewer, even a difference in all of them is too likely by chance


class Word(StrEnum):
    """What may be said of the second against the first."""

    BETTER = "better"
    WORSE = "worse"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Contender:
    """A bundle's scores under its name. `thresholds` are the bundle's own; without them scores flag at even odds."""

    name: str
    scored: ScoredRows
    thresholds: Thresholds | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of one scope. `difference` is the second less the first.

    It rests on `groups` groups, out of the `observations` groups whose truth is known there.
    """

    scope: str
    metric: str
    first: float
    second: float
    difference: Estimate
    groups: int
    observations: int
    verdict: Word
    higher_is_better: bool

    @property
    def smallest_loss(self) -> float:
        """How much the second is worse by, at the kindest end of the interval; negative when it may be better."""
        return -self.difference.high if self.higher_is_better else self.difference.low

    @property
    def largest_loss(self) -> float:
        """The same at the unkindest end."""
        return -self.difference.low if self.higher_is_better else self.difference.high


@dataclass(frozen=True, slots=True)
class Comparison:
    """The second against the first.

    `only_first`, `only_second`: policies that just one of them scores. They are not compared, nor are those of
    `not_measured`, which no row is known to violate.
    """

    first: str
    second: str
    rows: int
    groups: int
    differences: tuple[Difference, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    not_measured: tuple[str, ...]
    bootstrap: Bootstrap

    def find(self, scope: str, metric: str) -> Difference | None:
        """The difference of that name, or None when it was not measured."""
        return next((d for d in self.differences if d.scope == scope and d.metric == metric), None)


def compare(first: Contender, second: Contender, *, bootstrap: Bootstrap | None = None) -> Comparison:
    """Compare on the policies that both score, drawing the same groups for both (paired bootstrap).

    Raises InputError when the two were not scored on the same rows with the same truth, or share no policy.
    """
    bootstrap = bootstrap or Bootstrap(draws=1000)
    common = [label for label in first.scored.labels if label in second.scored.labels]
    first_rows, second_rows = first.scored.on_labels(common), second.scored.on_labels(common)
    _check_pairs(first_rows, second_rows)
    metrics = [metric for metric in all_metrics() if metric.name in COMPARED]
    sides = [
        _Side.of(rows, contender.thresholds, metrics, bootstrap)
        for rows, contender in ((first_rows, first), (second_rows, second))
    ]
    scopes = list(sides[0].slices)
    return Comparison(
        first=first.name,
        second=second.name,
        rows=len(first_rows),
        groups=int(np.unique(first_rows.groups).size),
        differences=tuple(_differences(sides[0], sides[1], metrics, bootstrap)),
        only_first=tuple(label for label in first.scored.labels if label not in common),
        only_second=tuple(label for label in second.scored.labels if label not in common),
        not_measured=tuple(label for label in common if policy_scope(label) not in scopes),
        bootstrap=bootstrap,
    )


def _check_pairs(first: ScoredRows, second: ScoredRows) -> None:
    if not first.labels:
        raise InputError("the two bundles share no policy, so there is nothing to compare")
    if len(first) != len(second) or (first.ids != second.ids).any():
        raise InputError("the two bundles were not scored on the same rows in the same order")
    for name in ("truth", "known", "groups", "weights"):
        if (getattr(first, name) != getattr(second, name)).any():
            raise InputError(f"the two bundles were scored on rows that differ in {name}")


@dataclass(frozen=True, slots=True)
class _Side:
    slices: Mapping[str, Slice]
    measured: Measured

    @classmethod
    def of(
        cls, rows: ScoredRows, thresholds: Thresholds | None, metrics: Sequence[Metric], bootstrap: Bootstrap
    ) -> "_Side":
        slices = cut_slices(rows, thresholds)
        return cls(slices, measure(slices, metrics, rows, bootstrap))

    def macro(self, metric: str, scopes: Sequence[str]) -> Floats:
        return mean_over({s: {metric: self.measured[s][metric]} for s in scopes}, scopes)[metric]

    def observations(self, scopes: Sequence[str]) -> int:
        """How many groups there are in those scopes together."""
        return int(np.unique(np.concatenate([self.slices[scope].groups for scope in scopes])).size)


def _differences(first: _Side, second: _Side, metrics: Sequence[Metric], bootstrap: Bootstrap) -> list[Difference]:
    """Scope by scope, the macro average first."""
    found = {scope: list[Difference]() for scope in (MACRO, *first.slices)}
    for metric in metrics:
        shared = [s for s in first.slices if metric.name in first.measured[s] and metric.name in second.measured[s]]
        groups = {scope: _evidence(metric, first.slices[scope], second.slices[scope]) for scope in shared}
        if policies := policy_scopes(shared):
            pair = (first.macro(metric.name, policies), second.macro(metric.name, policies))
            all_groups = sum(groups[scope] for scope in policies)
            mean = _paired(pair, groups=round(all_groups / len(policies)), confidence=bootstrap.confidence)
            seen = first.observations(policies)
            found[MACRO].append(_difference(MACRO, metric, pair, mean, groups=all_groups, observations=seen))
        for scope in shared:
            pair = (first.measured[scope][metric.name], second.measured[scope][metric.name])
            own = _paired(pair, groups=groups[scope], confidence=bootstrap.confidence)
            seen = first.observations([scope])
            found[scope].append(_difference(scope, metric, pair, own, groups=groups[scope], observations=seen))
    return [difference for scope in found.values() for difference in scope]


def _evidence(metric: Metric, first: Slice, second: Slice) -> int:
    """The groups that tell the two apart; where a threshold decides, those that count for one of them alone."""
    resting = min(evidence(metric, first), evidence(metric, second))
    if metric.counted is None:
        return resting
    only_one = np.setxor1d(first.rows[metric.counted(first)], second.rows[metric.counted(second)])
    return min(resting, first.groups_of(np.isin(first.rows, only_one)))


def _paired(pair: tuple[Floats, Floats], *, groups: int, confidence: float) -> Estimate:
    return estimate(pair[1] - pair[0], confidence=confidence, evidence=groups)


def _difference(
    scope: str,
    metric: Metric,
    pair: tuple[Floats, Floats],
    difference: Estimate,
    *,
    groups: int,
    observations: int,
) -> Difference:
    word = word_for(difference, higher_is_better=metric.higher_is_better, groups=groups)
    first, second = float(pair[0][0]), float(pair[1][0])
    return Difference(
        scope, metric.name, first, second, difference, groups, observations, word, metric.higher_is_better
    )


def word_for(difference: Estimate, *, higher_is_better: bool, groups: int) -> Word:
    """What a difference that rests on `groups` groups lets one say of the second."""
    if groups < LEAST_GROUPS or difference.low <= 0 <= difference.high:
        return Word.CANNOT_TELL
    return Word.BETTER if (difference.low > 0) == higher_is_better else Word.WORSE
