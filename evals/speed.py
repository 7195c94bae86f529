"""How long a listing takes, alone and on one thread: canonical view, rules, model and decide(). No server, no queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from fairstall.evals.arrays import Floats
from fairstall.evals.bootstrap import Bootstrap, Estimate, estimate
from fairstall.evals.progress import Progress
from fairstall.model.listing import Listing

if TYPE_CHECKING:
    from fairstall.model.bundle import Bundle
    from fairstall.model.policies import PolicySet

LISTINGS, ROUNDS = 200, 3


@dataclass(frozen=True, slots=True)
class Speed:
    """On `listings` listings, each at the fastest of its rounds. The intervals are over listings, not over machines."""

    listings: int
    listings_per_s: Estimate
    p50_ms: Estimate
    p99_ms: Estimate

    def metrics(self) -> dict[str, float]:
        flat = {"speed/listings": float(self.listings)}
        for name in ("listings_per_s", "p50_ms", "p99_ms"):
            flat |= getattr(self, name).metrics(f"speed/{name}")
        return flat


def measure_speed(times_s: Floats, *, bootstrap: Bootstrap) -> Speed:
    """The speed that the times (listings,) of one bundle amount to."""
    draw, count = np.random.default_rng(bootstrap.seed), times_s.size
    drawn = times_s[np.vstack([np.arange(count), draw.integers(count, size=(bootstrap.draws, count))])]

    def found(values: Floats) -> Estimate:
        return estimate(values, confidence=bootstrap.confidence, evidence=count)

    return Speed(
        listings=count,
        listings_per_s=found(1 / drawn.mean(axis=1)),
        p50_ms=found(1000 * np.quantile(drawn, 0.5, axis=1)),
        p99_ms=found(1000 * np.quantile(drawn, 0.99, axis=1)),
    )


def listing_times(
    bundles: "Sequence[Bundle]",
    listings: Sequence[Listing],
    *,
    policies: "PolicySet",
    rounds: int = ROUNDS,
    progress: Progress,
) -> Floats:
    """(bundles, listings) seconds, the fastest of `rounds`. The bundles take turns: a busy moment hits all alike."""
    from fairstall.model.assess import Assessor, assess_listings
    from fairstall.model.scorer import OnnxScorer

    sides = [(Assessor(bundle, policies), [OnnxScorer(bundle)]) for bundle in bundles]
    for assessor, scorers in sides:
        assess_listings(assessor, scorers, listings[:1])  # loads tables that are no part of a listing's time
    times = np.full((rounds, len(sides), len(listings)), np.inf)
    for turn in range(rounds):
        for place, listing in enumerate(listings):
            for side, (assessor, scorers) in enumerate(sides):
                started = perf_counter()
                assess_listings(assessor, scorers, [listing])
                times[turn, side, place] = perf_counter() - started
            progress(1)
    fastest: Floats = times.min(axis=0)
    return fastest
