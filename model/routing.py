"""Which listings people should look at first when they cannot look at all: four readings of a score as a doubt.

A doubt is between 0 and 1; the higher, the likelier is it that the decision which the score would take is wrong, or so
the router supposes. Which router serves is measured in training; how it is measured is for evals.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fairstall.model.calibration import sigmoid

FURTHEST = 12.0  # of a logit from zero
KNOTS = (-8.0, -6.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0)
FEATURES = 3 + len(KNOTS)


class Router(StrEnum):
    SCORE = "score"  # the likeliest violations first
    UNCERTAINTY = "uncertainty"  # nearest to even odds first
    MARGIN = "margin"  # nearest to the release threshold first, in log-odds
    LEARNED = "learned"  # by a predictor of errors


@dataclass(frozen=True, slots=True)
class ErrorPredictor:
    """Log-odds that the side of the release threshold on which a score lies is the wrong one: linear between `KNOTS` of
    the score's logit and of its distance to the threshold, with an offset for each policy.
    """

    weights: tuple[float, ...]
    intercept: float
    offsets: Mapping[str, float] = field(default_factory=dict)

    def error(self, code: str, probability: float, threshold: float) -> float:
        """The probability of an error, 0 to 1."""
        score = sum(w * x for w, x in zip(self.weights, features(probability, threshold), strict=True))
        return sigmoid(score + self.intercept + self.offsets.get(code, 0.0))


@dataclass(frozen=True, slots=True)
class Routing:
    """The router in force, and the share of listings for which it was found to be the best."""

    router: Router = Router.SCORE
    review_budget: float | None = None
    predictor: ErrorPredictor | None = None

    def doubt(self, code: str, probability: float, threshold: float) -> float:
        """How doubtful a policy's score is at that release threshold."""
        if self.router is Router.LEARNED and self.predictor is not None:
            return self.predictor.error(code, probability, threshold)
        if self.router is Router.UNCERTAINTY:
            return 1 - abs(2 * probability - 1)
        if self.router is Router.MARGIN:
            return 2 * sigmoid(-abs(log_odds(probability) - log_odds(threshold)))
        return probability


def routing_from_json(value: Mapping[str, Any]) -> Routing:
    """A Routing from its `bundle.json` form (`dataclasses.asdict`). Raises KeyError, TypeError or ValueError."""
    found = value["predictor"]
    predictor = ErrorPredictor(tuple(found["weights"]), found["intercept"], found["offsets"]) if found else None
    return Routing(Router(value["router"]), value["review_budget"], predictor)


def log_odds(probability: float) -> float:
    """Bounded at both ends."""
    if probability <= 0 or probability >= 1:
        return math.copysign(FURTHEST, probability - 0.5)
    return max(-FURTHEST, min(FURTHEST, math.log(probability / (1 - probability))))


def features(probability: float, threshold: float) -> tuple[float, ...]:
    """The `FEATURES` numbers that an ErrorPredictor reads: the logit, its distance to the threshold and on which side
    it lies, and how far the logit is above each knot.
    """
    logit = log_odds(probability)
    distance = logit - log_odds(threshold)
    return (logit, abs(distance), float(distance >= 0), *(max(0.0, logit - knot) for knot in KNOTS))
