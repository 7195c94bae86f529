"""How well violations are ranked above compliant listings. Thresholds that are in force play no part here."""

import numpy as np

from fairstall.evals.arrays import Floats
from fairstall.evals.metric import Metric, Sample, share, violations

RECALL = 0.80
FALSE_POSITIVES = 0.01
_SLACK = 1e-9  # sums of weights are not exact


def average_precision(sample: Sample) -> Floats:
    """Mean precision over the violations, without interpolation, as scikit-learn has it; needs both classes."""
    found = sample.found_at
    gained = np.diff(found, axis=0, prepend=np.zeros((1, found.shape[1])))
    value = share((share(found, sample.flagged_at) * gained).sum(axis=0), sample.violations)
    return _with_both_classes(sample, value)


def precision_at_recall(sample: Sample) -> Floats:
    """Precision at the highest threshold that reaches `RECALL`; needs both classes."""
    if not sample.of.truth.any():
        return _nothing(sample)
    reached = sample.found_at >= (RECALL - _SLACK) * sample.violations
    first, draws = reached.argmax(axis=0), np.arange(reached.shape[1])
    value = share(sample.found_at[first, draws], sample.flagged_at[first, draws])
    return _with_both_classes(sample, value)


def recall_at_false_positives(sample: Sample) -> Floats:
    """The largest recall with `FALSE_POSITIVES` of the compliant rows flagged at most; needs both classes."""
    if not sample.of.truth.any():
        return _nothing(sample)
    allowed = (FALSE_POSITIVES + _SLACK) * (sample.total - sample.violations)
    fits = sample.flagged_at - sample.found_at <= allowed
    return _with_both_classes(sample, share(np.where(fits, sample.found_at, 0.0).max(axis=0), sample.violations))


def _with_both_classes(sample: Sample, value: Floats) -> Floats:
    truth = sample.of.truth
    return value if truth.any() and not truth.all() else _nothing(sample)


def _nothing(sample: Sample) -> Floats:
    return np.full(sample.weights.shape[1], np.nan)


METRICS = tuple(
    Metric(name, compute, higher_is_better=True, backing=violations, headline=True)
    for name, compute in (
        ("average_precision", average_precision),
        ("precision_at_recall_80", precision_at_recall),
        ("recall_at_false_positives_1", recall_at_false_positives),
    )
)
