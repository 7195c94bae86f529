"""How far people agree beyond chance: Krippendorff's alpha, Cohen's kappa, and their intervals. Arrays in, figures out.

Intervals are percentiles over drawn decisions, and no narrower than Wilson's for the share that agreed at the same
agreement by chance: no bootstrap knows that twenty of twenty may be luck.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairstall.model.intervals import Estimate, wilson

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Named = NDArray[np.bool_]

DRAWS = 1_000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Agreement:
    """`figure` is 1 where all agree and 0 where they agree no more than by chance; None where chance cannot be told,
    since all say the same. `observed` is the share of pairs of reviews that agree; it rests on so many `decisions`."""

    figure: Estimate | None
    observed: float
    decisions: int


def krippendorff_alpha(counts: Counts, *, seed: int = 0) -> Agreement:
    """Alpha for nominal data with missing values (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability").

    `counts`: (decisions, labels), how many reviews gave a decision each label. Decisions with a single review say
    nothing and are left out. Raises ValueError when none is left.
    """
    paired = counts[counts.sum(axis=1) > 1].astype(float)
    if not len(paired):
        raise ValueError("no decision has two reviews")
    reviews = paired.sum(axis=1)
    agreeing = (paired * (paired - 1)).sum(axis=1) / (reviews - 1)  # of the reviews of each decision

    def both(weights: Floats) -> tuple[Floats, Floats]:
        labels, all_reviews = weights @ paired, weights @ reviews
        chance = (labels * (labels - 1)).sum(axis=-1) / (all_reviews * (all_reviews - 1))
        return weights @ agreeing / all_reviews, chance

    return _beyond_chance(*both(_weights(len(paired), seed)), len(paired))


def cohen_kappa(first: Named, second: Named, *, seed: int = 0) -> Agreement:
    """Kappa of two reviews of the same decisions (Cohen 1960), each of which says yes or no.

    `first`, `second`: (decisions,). Raises ValueError when there are none.
    """
    if not len(first):
        raise ValueError("no decision has two reviews")
    same = (first == second).astype(float)

    def both(weights: Floats) -> tuple[Floats, Floats]:
        total = weights.sum(axis=-1)
        one, other = weights @ first / total, weights @ second / total
        return weights @ same / total, one * other + (1 - one) * (1 - other)

    return _beyond_chance(*both(_weights(len(first), seed)), len(first))


def _weights(decisions: int, seed: int) -> Floats:
    """(1 + draws, decisions): first those of the decisions as they are, then how often each is drawn."""
    drawn = np.random.default_rng(seed).multinomial(decisions, np.full(decisions, 1 / decisions), DRAWS)
    return np.vstack([np.ones(decisions), drawn]).astype(float)


def _beyond_chance(observed: Floats, chance: Floats, decisions: int) -> Agreement:
    share = float(observed[0])
    if chance[0] >= 1:
        return Agreement(None, share, decisions)
    with np.errstate(divide="ignore", invalid="ignore"):
        figures = (observed - chance) / (1 - chance)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(np.where(np.isfinite(figures[1:]), figures[1:], np.nan), [tail, 1 - tail])
    least = wilson(share, decisions, confidence=CONFIDENCE)
    by_luck = [(bound - chance[0]) / (1 - chance[0]) for bound in (least.low, least.high)]
    figure = Estimate(float(figures[0]), min(float(low), by_luck[0]), min(1.0, max(float(high), by_luck[1])))
    return Agreement(figure, share, decisions)
