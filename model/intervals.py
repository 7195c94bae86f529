"""A number with its interval, and the interval of a share. What is counted is the caller's."""

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its two-sided interval."""

    value: float
    low: float
    high: float

    def metrics(self, name: str) -> dict[str, float]:
        """Flat: the number under its name, its interval beside it."""
        return {name: self.value, f"{name}.low": self.low, f"{name}.high": self.high}


def wilson(share: float, observations: float, *, confidence: float) -> Estimate:
    """The score interval (Wilson 1927) of a share of so many observations; the whole range when there are none.

    `observations` need not be whole: with unequal weights it is their effective number.
    """
    if observations <= 0:
        return Estimate(share, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    shrunk = z * z / observations
    centre = (share + shrunk / 2) / (1 + shrunk)
    half = z / (1 + shrunk) * math.sqrt(share * (1 - share) / observations + shrunk / (4 * observations))
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half))
