"""What happens at the thresholds in force: flagged by the release threshold, decided without a person."""

import numpy as np

from fairstall.evals.arrays import Bools, Floats
from fairstall.evals.metric import Metric, Sample, compliant, flagged, share, violations
from fairstall.evals.slices import Slice


def precision(sample: Sample) -> Floats:
    """The share of violations among the flagged rows."""
    return share(sample.mass(sample.of.flagged & sample.of.truth), sample.mass(sample.of.flagged))


def recall(sample: Sample) -> Floats:
    """The share of violations that is flagged."""
    return share(sample.mass(sample.of.flagged & sample.of.truth), sample.violations)


def false_positive_rate(sample: Sample) -> Floats:
    """The share of compliant rows that is flagged."""
    clean = ~sample.of.truth
    return share(sample.mass(sample.of.flagged & clean), sample.mass(clean))


def automation_rate(sample: Sample) -> Floats:
    """The share of rows that is decided without a person."""
    automation = sample.of.automation
    return _nothing(sample) if automation is None else share(sample.mass(automation.decided), sample.total)


def automated_error_rate(sample: Sample) -> Floats:
    """The share of wrong decisions among those taken without a person whose truth is known."""
    automation = sample.of.automation
    if automation is None:
        return _nothing(sample)
    judged = automation.decided & automation.judged
    return share(sample.mass(judged & automation.wrong), sample.mass(judged))


def _nothing(sample: Sample) -> Floats:
    return np.full(sample.weights.shape[1], np.nan)


def _all(of: Slice) -> Bools:
    return np.ones_like(of.truth)


def _hits(of: Slice) -> Bools:
    return of.flagged & of.truth


def _false_alarms(of: Slice) -> Bools:
    return of.flagged & ~of.truth


def _decided(of: Slice) -> Bools:
    return _all(of) if of.automation is None else of.automation.decided


def _judged(of: Slice) -> Bools:
    return _all(of) if of.automation is None else of.automation.decided & of.automation.judged


def _mistaken(of: Slice) -> Bools:
    return _all(of) if of.automation is None else _judged(of) & of.automation.wrong


METRICS = (
    Metric("precision", precision, higher_is_better=True, backing=flagged, counted=flagged),
    Metric("recall", recall, higher_is_better=True, backing=violations, counted=_hits, headline=True),
    Metric(
        "false_positive_rate",
        false_positive_rate,
        higher_is_better=False,
        backing=compliant,
        counted=_false_alarms,
        headline=True,
    ),
    Metric("automation_rate", automation_rate, higher_is_better=True, backing=_all, counted=_decided, headline=True),
    Metric("automated_error_rate", automated_error_rate, higher_is_better=False, backing=_judged, counted=_mistaken),
)
