"""From a raw score to a probability. Fitting lives in training; this only applies what a bundle carries."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlattCalibration:
    """probability = sigmoid(slope * logit + intercept); slope > 0, so that order is kept (Platt 1999).

    `slope` = 1/T with `intercept` = 0 is temperature scaling (Guo et al. 2017).
    """

    slope: float = 1.0
    intercept: float = 0.0

    def probability(self, logit: float) -> float:
        return sigmoid(self.slope * logit + self.intercept)


def sigmoid(value: float) -> float:
    """The logistic function, without overflow at either end."""
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    growth = math.exp(value)
    return growth / (1 + growth)
