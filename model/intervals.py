"""How sure a share is that was counted on a sample."""

import math
from statistics import NormalDist


def wilson_interval(share: float, observations: float, *, confidence: float) -> tuple[float, float]:
    """The score interval (Wilson 1927) of a share of so many observations; from 0 to 1 when there are none.

    `observations` need not be whole: with unequal weights it is their effective number.
    """
    if observations <= 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    shrunk = z * z / observations
    centre = (share + shrunk / 2) / (1 + shrunk)
    half = z / (1 + shrunk) * math.sqrt(share * (1 - share) / observations + shrunk / (4 * observations))
    return max(0.0, centre - half), min(1.0, centre + half)
