"""What a metric is, and the weighted sample that it is computed on. The metrics are in `fairstall.evals.metrics`.

To add one, add a module there with a `METRICS` tuple: nothing else changes but its line in docs/evaluating.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fairstall.evals.arrays import Bools, Floats, Ints
from fairstall.evals.slices import Slice


@dataclass(frozen=True)
class Sample:
    """A slice under many weightings at once: `weights` (rows, draws) has one column a draw, and so has what follows."""

    of: Slice
    weights: Floats

    @cached_property
    def total(self) -> Floats:
        """(draws,) weight of all rows."""
        total: Floats = self.weights.sum(axis=0)
        return total

    @cached_property
    def violations(self) -> Floats:
        """(draws,) weight of the violations."""
        return self.mass(self.of.truth)

    @cached_property
    def flagged_at(self) -> Floats:
        """(thresholds, draws) weight of the rows at or above each threshold at which recall grows."""
        ends = self.of.thresholds
        return _running(self.weights[: ends[-1]], ends) if ends.size else self.weights[:0]

    @cached_property
    def found_at(self) -> Floats:
        """(thresholds, draws) weight of the violations among them."""
        ends, truth = self.of.thresholds, self.of.truth
        found = np.cumsum(truth, dtype=np.int64)[ends - 1]
        return _running(self.weights[truth], found) if ends.size else self.weights[:0]

    @cached_property
    def reviewed_at(self) -> Floats:
        """(runs, draws) weight of the rows reviewed after each run of equal certainty, least certain first."""
        return self._review(self.weights)

    @cached_property
    def caught_at(self) -> Floats:
        """(runs, draws) weight of the wrong predictions among them."""
        return self._review(self.weights * self.of.wrong[:, None])

    def _review(self, weights: Floats) -> Floats:
        runs = np.add.reduceat(weights[self.of.doubtful_first], self.of.doubt_starts, axis=0)
        seen: Floats = np.cumsum(runs, axis=0)
        return seen

    def mass(self, mask: Bools) -> Floats:
        """(draws,) weight of the rows under `mask`."""
        mass: Floats = self.weights[mask].sum(axis=0)
        return mass


def _running(weights: Floats, ends: Ints) -> Floats:
    """(len(ends), draws): the sums of the first `ends[i]` rows."""
    starts = np.concatenate(([0], ends[:-1]))
    sums: Floats = np.cumsum(np.add.reduceat(weights, starts, axis=0), axis=0)
    return sums


def share(part: Floats, whole: Floats) -> Floats:
    """part / whole, and not a number where there is no whole: not measured is not zero."""
    empty = np.full(np.broadcast(part, whole).shape, np.nan)
    quotient: Floats = np.divide(part, whole, out=empty, where=whole > 0)
    return quotient


Rows = Callable[[Slice], Bools]


@dataclass(frozen=True, slots=True)
class Metric:
    """One number about a slice.

    `compute` gives it for each draw, shape (draws,), not a number where it cannot be measured. `backing` marks the rows
    that a proportion is taken of, None for what is no proportion. `counted` marks those of them that count, where a
    threshold decides: between two bundles only rows that count for one alone are evidence.
    """

    name: str
    compute: Callable[[Sample], Floats]
    higher_is_better: bool
    backing: Rows | None = None
    counted: Rows | None = None
    headline: bool = False


def violations(of: Slice) -> Bools:
    return of.truth


def compliant(of: Slice) -> Bools:
    return ~of.truth


def flagged(of: Slice) -> Bools:
    return of.flagged


def wrong(of: Slice) -> Bools:
    return of.wrong
