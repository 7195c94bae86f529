"""Whether a probability means what it says."""

import numpy as np

from fairstall.evals.arrays import Floats, Ints
from fairstall.evals.metric import Metric, Sample, share
from fairstall.evals.slices import Slice

BINS = 15


def equal_mass_starts(of: Slice) -> Ints:
    """Where each of up to `BINS` bins of equally many rows begins; equal probabilities are never parted."""
    probabilities = -of.probabilities  # ascending
    rank = np.searchsorted(probabilities, probabilities, side="left")
    bins = rank * BINS // max(1, rank.size)
    starts: Ints = np.flatnonzero(np.append(True, np.diff(bins) != 0)) if rank.size else np.zeros(0, dtype=np.int64)
    return starts


def expected_calibration_error(sample: Sample) -> Floats:
    """Mean distance between probability and share of violations over equal-mass bins (Naeini et al. 2015)."""
    gaps = sample.weights * (sample.of.truth - sample.of.probabilities)[:, None]
    return share(np.abs(np.add.reduceat(gaps, equal_mass_starts(sample.of), axis=0)).sum(axis=0), sample.total)


def brier(sample: Sample) -> Floats:
    """Mean squared distance between probability and truth (Brier 1950)."""
    squares = (sample.of.truth - sample.of.probabilities) ** 2
    return share((sample.weights * squares[:, None]).sum(axis=0), sample.total)


METRICS = (
    Metric("ece", expected_calibration_error, higher_is_better=False, headline=True),
    Metric("brier", brier, higher_is_better=False, headline=True),
)
