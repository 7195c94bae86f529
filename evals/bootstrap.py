"""How sure a number is: rows reweighted group by group, and the interval that follows. What is measured is passed in.

Groups are drawn by the Bayesian bootstrap (Rubin 1981): each gets an exponential weight, so that a policy with three
violations never loses all of them in a draw. Every draw depends on the seed alone.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from fairstall.evals.arrays import Floats
from fairstall.evals.metric import Metric, Sample
from fairstall.evals.scored import ScoredRows
from fairstall.evals.slices import Slice
from fairstall.model.intervals import wilson_interval

DRAWS_AT_ONCE = 50
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How often groups are drawn, and from which seed."""

    draws: int = 500
    seed: int = 0
    confidence: float = CONFIDENCE


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its two-sided interval."""

    value: float
    low: float
    high: float

    def metrics(self, name: str) -> dict[str, float]:
        """Flat: the number under its name, its interval beside it."""
        return {name: self.value, f"{name}.low": self.low, f"{name}.high": self.high}


Measured = Mapping[str, Mapping[str, Floats]]  # scope -> metric -> (1 + draws,), the value itself first


def measure(
    slices: Mapping[str, Slice], metrics: Sequence[Metric], scored: ScoredRows, bootstrap: Bootstrap
) -> Measured:
    """Every metric of every slice, on the rows as they are and on each draw; what cannot be measured is left out."""
    parts: dict[str, dict[str, list[Floats]]] = {s: {m.name: [] for m in metrics} for s in slices}
    for weights in weightings(scored, bootstrap):
        for scope, cut in slices.items():
            sample = Sample(cut, weights[cut.rows])
            for metric in metrics:
                parts[scope][metric.name].append(metric.compute(sample))
    joined = {scope: {name: np.concatenate(values) for name, values in by.items()} for scope, by in parts.items()}
    return {s: {name: values for name, values in by.items() if np.isfinite(values[0])} for s, by in joined.items()}


def weightings(scored: ScoredRows, bootstrap: Bootstrap) -> Iterator[Floats]:
    """(rows, k) weights: first those of the rows themselves, then fifty draws at a time."""
    names, groups = np.unique(scored.groups, return_inverse=True)
    weights = scored.weights[:, None]
    yield weights
    for drawn in draw_groups(len(names), bootstrap):
        yield weights * drawn[groups]


def draw_groups(groups: int, bootstrap: Bootstrap) -> Iterator[Floats]:
    """(groups, k) weights of groups in all draws, fifty draws at a time."""
    for start in range(0, bootstrap.draws, DRAWS_AT_ONCE):
        size = (groups, min(DRAWS_AT_ONCE, bootstrap.draws - start))
        yield np.random.default_rng([bootstrap.seed, start]).standard_exponential(size)


def mean_over(measured: Measured, scopes: Sequence[str]) -> dict[str, Floats]:
    """Per metric the mean over those of `scopes` in which it was measured, draw by draw."""
    names = dict.fromkeys(name for scope in scopes for name in measured[scope])
    return {
        name: np.nanmean([measured[scope][name] for scope in scopes if name in measured[scope]], axis=0)
        for name in names
    }


def estimate(values: Floats, *, confidence: float, evidence: int) -> Estimate:
    """The interval of a number from its draws, `values[0]` being the number itself, on `evidence` groups.

    Percentiles, moved by the difference between the number and the mean of its draws (a calibration error, for one,
    grows with any reweighting), and widened as Student's t widens the normal (Hesterberg 2015).
    """
    value, draws = float(values[0]), values[1:][np.isfinite(values[1:])]
    if draws.size == 0:
        return Estimate(value, value, value)
    tail = (1 - confidence) / 2
    reach = (np.quantile(draws, [tail, 1 - tail]) - draws.mean()) * _widening(evidence, confidence=confidence)
    return Estimate(value, min(value, value + float(reach[0])), max(value, value + float(reach[1])))


def share_estimate(values: Floats, *, confidence: float, evidence: int, proportion: bool) -> Estimate:
    """As `estimate`, for a number between 0 and 1.

    A proportion is given no narrower an interval than Wilson's for as many observations as there are groups: no
    bootstrap knows that three found of three may be luck (Boyd et al. 2013 on average precision).
    """
    drawn = estimate(values, confidence=confidence, evidence=evidence)
    low, high = max(0.0, drawn.low), min(1.0, drawn.high)
    if proportion:
        least = wilson(drawn.value, evidence, confidence=confidence)
        low, high = min(low, least.low), max(high, least.high)
    return Estimate(drawn.value, min(low, drawn.value), max(high, drawn.value))


def _widening(evidence: int, *, confidence: float) -> float:
    """Student's t over the normal quantile (Abramowitz and Stegun 26.7.5), times what the Bayesian bootstrap lacks."""
    freedom = max(evidence - 1, 2)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    t_over_z = 1 + (z**2 + 1) / (4 * freedom) + (5 * z**4 + 16 * z**2 + 3) / (96 * freedom**2)
    return t_over_z * math.sqrt((freedom + 2) / freedom)


def wilson(share: float, observations: int, *, confidence: float) -> Estimate:
    """The score interval (Wilson 1927) of a share of so many observations; the whole range when there are none."""
    return Estimate(share, *wilson_interval(share, observations, confidence=confidence))


def evidence(metric: Metric, cut: Slice) -> int:
    """How many groups a metric rests on; where it is no proportion, those of the rarer class."""
    if metric.backing is not None:
        return cut.groups_of(metric.backing(cut))
    return min(found for found in (cut.groups_of(cut.truth), cut.groups_of(~cut.truth)) if found)
