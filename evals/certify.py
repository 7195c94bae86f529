"""Block and release thresholds with the evidence they rest on. Whether they may act is decide()'s business.

Bounds are exact and one-sided (Clopper and Pearson 1934). A threshold is chosen by fixed-sequence testing from the safe
end of a grid that was laid before the labels were seen, stopping at the first failure, so that choosing costs no
confidence (Bauer 1991; Angelopoulos et al. 2021, "Learn then Test").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fairstall.model.certificates import Certificate, PolicyThresholds, Threshold
from fairstall.model.policies import Targets

Vector = npt.NDArray[np.float64]
# Even in log-odds: from 0.0003 to 0.9997 in 161 steps. Fixed, hence independent of the rows.
GRID: tuple[float, ...] = tuple(float(1 / (1 + np.exp(-x))) for x in np.linspace(-8.0, 8.0, 161))


@dataclass(frozen=True, slots=True)
class CertifyConfig:
    """`confidence` is one-sided. `least_positives` is what a policy's own calibration needs; below it, it shares one.

    A certified release threshold stands only when it stops at most `release_stops` of the compliant rows; otherwise the
    threshold is the one that stops `best_effort_stops` of them. Its certificate then does not hold. Where real rows
    calibrated the policy it is never above `release_ceiling`: what is more likely than that is looked at, whatever it
    costs. Among authored rows every other one is a violation, so odds learned from them are no reason to look.
    A block threshold is never below `block_floor`, and must also keep the upper bound of blocked compliant rows at or
    below `wrong_blocks`. `review_budget`: the share of listings that people can look at; the router is chosen for it.
    """

    confidence: float = 0.95
    least_positives: int = 30
    release_stops: float = 0.01
    best_effort_stops: float = 0.0015
    release_ceiling: float = 0.35
    wrong_blocks: float = 0.001
    block_floor: float = 0.95
    review_budget: float = 0.1


def lower_bound(successes: int, trials: int, *, confidence: float) -> float:
    """The one-sided Clopper-Pearson lower bound of a share."""
    from scipy.stats import beta

    return 0.0 if successes <= 0 else float(beta.ppf(1 - confidence, successes, trials - successes + 1))


def upper_bound(successes: int, trials: int, *, confidence: float) -> float:
    """The one-sided Clopper-Pearson upper bound of a share."""
    from scipy.stats import beta

    return 1.0 if successes >= trials else float(beta.ppf(confidence, successes + 1, trials - successes))


@dataclass(frozen=True, slots=True)
class Evidence:
    """The certification rows of one policy, one a group, whose label is known.

    `violations`, `compliant`: probabilities of real rows that do and do not break this policy; `compliant` has those
    that break another. `clean`: real rows in a covered language that break nothing. `look_alikes`: authored rows that
    do not break it, which count against a block threshold and never for one. `ceiling`: whether
    `release_ceiling` binds.
    """

    violations: Vector
    compliant: Vector
    clean: Vector
    look_alikes: Vector
    ceiling: bool = True


def certify(evidence: Evidence, targets: Targets, config: CertifyConfig) -> PolicyThresholds:
    """The thresholds of one policy; `block` is None when the evidence carries none."""
    release = release_threshold(evidence, targets, config)
    block = block_threshold(evidence, targets, config)
    if block is not None and block.value < release.value:
        release = Threshold(block.value, _release_certificate(evidence, block.value, targets, config))
    return PolicyThresholds(release=release, block=block)


def block_threshold(
    evidence: Evidence, targets: Targets, config: CertifyConfig, *, grid: Sequence[float] = GRID
) -> Threshold | None:
    """The lowest threshold that the fixed sequence, from 1 downwards, certifies for `targets.precision`.

    The sequence starts where there are as many rows as a certificate with two errors needs, or with fewer when there
    are not that many: a start on the least rows would end at the first mislabelled one. That looks at scores, never at
    labels, given which the errors are a sum of independent trials, so the bound stays valid.
    """
    scores = np.concatenate([evidence.violations, evidence.compliant])
    steps = sorted((value for value in grid if value >= config.block_floor), reverse=True)
    needed = _rows_to_start(max((_at_or_above(scores, value) for value in steps), default=0), targets, config)
    best = None
    for value in steps:
        if needed is None or _at_or_above(scores, value) < needed:
            continue
        certificate = _block_certificate(evidence, value, targets, config)
        blocked = upper_bound(_at_or_above(evidence.clean, value), len(evidence.clean), confidence=config.confidence)
        if not certificate.holds or blocked > config.wrong_blocks:
            break
        best = Threshold(value, certificate)
    return best


def _rows_to_start(available: int, targets: Targets, config: CertifyConfig) -> int | None:
    """The rows that a certificate with two errors, one or none needs, whichever first is `available`."""
    for errors in (2, 1, 0):
        if lower_bound(available - errors, available, confidence=config.confidence) >= targets.precision:
            rows = range(errors + 1, available + 1)
            return next(
                n for n in rows if lower_bound(n - errors, n, confidence=config.confidence) >= targets.precision
            )
    return None


def release_threshold(
    evidence: Evidence, targets: Targets, config: CertifyConfig, *, grid: Sequence[float] = GRID
) -> Threshold:
    """The highest threshold that the fixed sequence, from 0 upwards, certifies for `targets.missed`.

    When none holds, or the highest still stops more than `release_stops` of the clean rows, it is the lowest
    threshold that stops `best_effort_stops` of them at most, or the ceiling when that binds and is lower, and
    its certificate says that it does not hold.
    """
    best = None
    for value in sorted(grid):
        certificate = _release_certificate(evidence, value, targets, config)
        if not certificate.holds:
            break
        best = Threshold(value, certificate)
    if best is not None and stopped_share(evidence.clean, best.value) <= config.release_stops:
        return best
    return _best_effort(evidence, targets, config, grid)


def stopped_share(clean: Vector, value: float) -> float:
    """The share of clean rows at or above a release threshold."""
    return _at_or_above(clean, value) / max(1, len(clean))


def _best_effort(evidence: Evidence, targets: Targets, config: CertifyConfig, grid: Sequence[float]) -> Threshold:
    affordable = [v for v in grid if stopped_share(evidence.clean, v) <= config.best_effort_stops]
    value = min(affordable, default=max(grid))
    if evidence.ceiling:
        value = min(value, config.release_ceiling)
    return Threshold(value, _release_certificate(evidence, value, targets, config))


def _block_certificate(evidence: Evidence, value: float, targets: Targets, config: CertifyConfig) -> Certificate:
    caught = _at_or_above(evidence.violations, value)
    errors = _at_or_above(evidence.compliant, value) + _at_or_above(evidence.look_alikes, value)
    bound = lower_bound(caught, caught + errors, confidence=config.confidence)
    return Certificate(targets.precision, bound, caught + errors, errors, holds=bound >= targets.precision)


def _release_certificate(evidence: Evidence, value: float, targets: Targets, config: CertifyConfig) -> Certificate:
    rows = len(evidence.violations)
    errors = rows - _at_or_above(evidence.violations, value)
    bound = upper_bound(errors, rows, confidence=config.confidence)
    return Certificate(targets.missed, bound, rows, errors, holds=bound <= targets.missed)


def _at_or_above(probabilities: Vector, value: float) -> int:
    return int((probabilities >= value).sum())
