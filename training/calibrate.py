"""From logits to probabilities: one Platt line per policy, a shared temperature where evidence is thin."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fairstall.evals.certify import CertifyConfig
from fairstall.model.calibration import PlattCalibration
from fairstall.training.scoring import ScoredRows

Vector = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
SMALLEST_SLOPE = 0.05


def fit_calibration(scored: ScoredRows, codes: Sequence[str], config: CertifyConfig) -> dict[str, PlattCalibration]:
    """A calibration per policy, from the calibration split, real rows where there are enough of them.

    A policy with `least_positives` real violations gets its own line from real rows alone. Any other gets the shared
    slope, fitted over all policies at once (temperature scaling, Guo et al. 2017), and an intercept of its own from
    all of its rows when it has at least a few; so a policy of few rows is never more certain than the others.
    """
    shared = _shared(scored)
    return {code: _for_policy(scored, column, shared, config) for column, code in enumerate(codes)}


def real_odds(scored: ScoredRows, column: int, config: CertifyConfig) -> bool:
    """Whether real rows alone calibrate a policy, so that its probabilities are those of real listings."""
    mine = _known(scored, column) & _real(scored)
    positives = int(scored.labels[mine, column].sum())
    return config.least_positives <= positives < int(mine.sum())


def fit_platt(logits: Vector, labels: Vector, weights: Vector) -> PlattCalibration:
    """Platt's line by weighted maximum likelihood with his smoothed targets (Platt 1999), slope above zero."""
    targets = _smoothed(labels)
    return _fit(logits, targets, weights, start=(1.0, 0.0))


def _shared(scored: ScoredRows) -> PlattCalibration:
    known = scored.trust > 0
    if not known.any():
        return PlattCalibration()
    return _fit(scored.logits[known], scored.labels[known], scored.trust[known], start=(1.0, 0.0))


def _for_policy(scored: ScoredRows, column: int, shared: PlattCalibration, config: CertifyConfig) -> PlattCalibration:
    known = _known(scored, column)
    logits, labels, trust = scored.logits[:, column], scored.labels[:, column], scored.trust[:, column]
    if real_odds(scored, column, config):
        mine = known & _real(scored)
        return fit_platt(logits[mine], labels[mine], trust[mine])
    if labels[known].sum() >= 3:
        return _with_slope(shared.slope, logits[known], labels[known], trust[known])
    return shared


def _known(scored: ScoredRows, column: int) -> Mask:
    return scored.trust[:, column] > 0


def _real(scored: ScoredRows) -> Mask:
    return np.array([row.real for row in scored.rows], dtype=bool)


def _smoothed(labels: Vector) -> Vector:
    positives, negatives = labels.sum(), (1 - labels).sum()
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    targets: Vector = np.where(labels > 0, high, low)
    return targets


def _fit(logits: Vector, targets: Vector, weights: Vector, *, start: tuple[float, float]) -> PlattCalibration:
    from scipy.optimize import minimize

    def loss(line: Vector) -> tuple[float, Vector]:
        score = line[0] * logits + line[1]
        error = weights * (_sigmoid(score) - targets)
        value = float((weights * (np.logaddexp(0, score) - targets * score)).sum())
        return value, np.array([(error * logits).sum(), error.sum()])

    found = minimize(loss, np.array(start), jac=True, method="L-BFGS-B", bounds=[(SMALLEST_SLOPE, None), (None, None)])
    return PlattCalibration(slope=float(found.x[0]), intercept=float(found.x[1]))


def _with_slope(slope: float, logits: Vector, labels: Vector, weights: Vector) -> PlattCalibration:
    from scipy.optimize import minimize_scalar

    targets = _smoothed(labels)

    def loss(intercept: float) -> float:
        score = slope * logits + intercept
        return float((weights * (np.logaddexp(0, score) - targets * score)).sum())

    return PlattCalibration(slope, float(minimize_scalar(loss, bounds=(-20, 20), method="bounded").x))


def _sigmoid(score: Vector) -> Vector:
    value: Vector = 1 / (1 + np.exp(-np.clip(score, -700, 700)))
    return value
