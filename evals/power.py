"""How many more labels would tell two bundles apart. What is known already is for `compare`."""

import math
from statistics import NormalDist

from fairstall.evals.compare import LEAST_GROUPS, Comparison, Difference, Word

POWER = 0.8  # the chance that so many labels would tell, if the difference is the measured one


def labels_needed(found: Difference, comparison: Comparison) -> int | None:
    """How many more labelled listings like those of the scope, near-duplicates counted once.

    0 when they tell already. None when no number can be given: there is no difference, or nothing that it rests on.
    An interval narrows with the square root of the labels, and the chance to miss adds its own quantile to the
    interval's (Cohen 1988).
    """
    if found.verdict is not Word.CANNOT_TELL:
        return 0
    by = found.difference
    reach = by.value - by.low if by.value > 0 else by.high - by.value
    if not by.value or not found.groups:
        return None
    z, more = NormalDist().inv_cdf((1 + comparison.bootstrap.confidence) / 2), NormalDist().inv_cdf(POWER)
    times = max((reach / abs(by.value) * (z + more) / z) ** 2, LEAST_GROUPS / found.groups)
    return max(1, math.ceil(found.observations * (times - 1)))


def needed_shown(found: Difference, comparison: Comparison) -> str:
    """The same to two digits, since no more of it is known: `760`, `28k`, `1.6M`; empty where there is none."""
    needed = float(f"{labels_needed(found, comparison) or 0:.2g}")
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if needed >= unit:
            return f"{needed / unit:g}{letter}"
    return f"{needed:g}" if needed else ""
