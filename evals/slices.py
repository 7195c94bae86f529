"""The slices that numbers are given for: every policy, the listing as a whole, every source. Metrics read them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fairstall.evals.arrays import Bools, Floats, Ints
from fairstall.evals.scored import ScoredRows
from fairstall.model.certificates import PolicyThresholds
from fairstall.model.decide import Outcome

MACRO = "macro"
LISTING = "listing"
POLICY_PREFIX, SOURCE_PREFIX = "policy/", "source/"
KINDS = (MACRO, LISTING, POLICY_PREFIX, SOURCE_PREFIX)  # how scopes begin, in the order in which people read them
EVEN = 0.5  # a probability at or above it predicts a violation

Thresholds = Mapping[str, PolicyThresholds]


def policy_scope(code: str) -> str:
    """`policy/prohibited.drugs` for prohibited/drugs: a slash parts scope and metric, so that a code has none."""
    return f"{POLICY_PREFIX}{_plain(code)}"


def policy_scopes(scopes: Iterable[str]) -> list[str]:
    return [scope for scope in scopes if scope.startswith(POLICY_PREFIX)]


def source_scope(source: str) -> str:
    return f"{SOURCE_PREFIX}{_plain(source)}"


def _plain(name: str) -> str:
    """`name` in characters that MLflow takes in a metric's name."""
    return re.sub(r"[^A-Za-z0-9_.\- ]", "_", name.replace("/", "."))


@dataclass(frozen=True, slots=True)
class Automation:
    """What happened without a person, (rows,) each: it was decided so, that can be judged, and it was wrong."""

    decided: Bools
    judged: Bools
    wrong: Bools


@dataclass(frozen=True)
class Slice:
    """Some rows under one question, most probable first. Arrays of shape (rows,).

    `rows` index the scored rows that it was cut from. `truth` is known for all of them. `flagged`: the model's score
    stands in the way of approval.
    """

    rows: Ints
    groups: Ints
    probabilities: Floats
    truth: Bools
    flagged: Bools
    automation: Automation | None

    def groups_of(self, mask: Bools) -> int:
        """How many groups the rows under `mask` belong to."""
        return int(np.unique(self.groups[mask]).size)

    @cached_property
    def wrong(self) -> Bools:
        """Predicted at even odds, and predicted wrong."""
        wrong: Bools = (self.probabilities >= EVEN) != self.truth
        return wrong

    @cached_property
    def thresholds(self) -> Ints:
        """How many rows are flagged at each threshold at which recall grows; equal scores fall together."""
        ends = np.flatnonzero(np.append(np.diff(self.probabilities) != 0, True)) + 1
        found = np.cumsum(self.truth)[ends - 1]
        grows: Ints = ends[np.diff(found, prepend=0) > 0]
        return grows

    @cached_property
    def doubtful_first(self) -> Ints:
        """The rows in the order of review: least certain first."""
        order: Ints = np.argsort(np.abs(self.probabilities - EVEN), kind="stable")
        return order

    @cached_property
    def doubt_starts(self) -> Ints:
        """Where runs of equal certainty begin in `doubtful_first`."""
        certainty = np.abs(self.probabilities - EVEN)[self.doubtful_first]
        starts: Ints = np.flatnonzero(np.append(True, np.diff(certainty) != 0))
        return starts


def cut_slices(scored: ScoredRows, thresholds: Thresholds | None = None) -> dict[str, Slice]:
    """All slices by scope. A policy without a known violation has none; a source without a known label has none.

    `thresholds` say where scores act; without them a score flags at even odds and nothing is automated.
    """
    groups = np.unique(scored.groups, return_inverse=True)[1].astype(np.int64)
    cells = _Cells(scored, groups, flagged(scored, thresholds), thresholds)
    slices = {LISTING: cells.listing(np.ones(len(scored), dtype=np.bool_))}
    for column, code in enumerate(scored.labels):
        if scored.truth[:, column].any():
            slices[policy_scope(code)] = cells.policy(column)
    scopes = np.array([source_scope(source) for source in scored.sources.tolist()], dtype=np.str_)
    for scope in np.unique(scopes).tolist():
        slices[scope] = cells.listing(scopes == scope)
    return {scope: cut for scope, cut in slices.items() if cut.rows.size}


def flagged(scored: ScoredRows, thresholds: Thresholds | None = None) -> Bools:
    """(rows, labels): at or above the release threshold, at even odds without thresholds."""
    at = [thresholds[label].release.value if thresholds else EVEN for label in scored.labels]
    stopped: Bools = scored.probabilities >= np.array(at, dtype=np.float64)
    return stopped


@dataclass(frozen=True, slots=True)
class _Cells:
    scored: ScoredRows
    groups: Ints
    flagged: Bools
    thresholds: Thresholds | None

    def policy(self, column: int) -> Slice:
        scored = self.scored
        kept = np.flatnonzero(scored.known[:, column])
        probabilities: Floats = scored.probabilities[kept, column]
        truth: Bools = scored.truth[kept, column]
        flagged: Bools = self.flagged[kept, column]
        automation = None
        if self.thresholds:
            blocked = _blocked(probabilities, self.thresholds[scored.labels[column]])
            wrong = np.where(blocked, ~truth, truth)
            automation = Automation(~flagged | blocked, np.ones_like(truth), wrong)
        return self._sorted(kept, probabilities, truth, flagged, automation)

    def listing(self, mask: Bools) -> Slice:
        """The rows under `mask` as wholes: the worst of the policies whose truth is known."""
        scored = self.scored
        kept = np.flatnonzero(mask & scored.known.any(axis=1))
        known = scored.known[kept]
        probabilities = np.where(known, scored.probabilities[kept], 0.0).max(axis=1, initial=0.0)
        truth = np.any(scored.truth[kept] & known, axis=1)
        flagged = np.any(self.flagged[kept] & known, axis=1)
        return self._sorted(kept, probabilities, truth, flagged, self._outcomes(kept))

    def _outcomes(self, kept: Ints) -> Automation | None:
        if self.scored.outcomes is None:
            return None
        outcomes, violating = self.scored.outcomes[kept], self.scored.violating[kept]
        blocked = outcomes == str(Outcome.BLOCK)
        judged = ~blocked | violating | self.scored.known[kept].all(axis=1)
        return Automation(outcomes != str(Outcome.REVIEW), judged, np.where(blocked, ~violating, violating))

    def _sorted(
        self, kept: Ints, probabilities: Floats, truth: Bools, flagged: Bools, automation: Automation | None
    ) -> Slice:
        order = np.argsort(-probabilities, kind="stable")
        if automation:
            automation = Automation(automation.decided[order], automation.judged[order], automation.wrong[order])
        rows = kept[order]
        return Slice(rows, self.groups[rows], probabilities[order], truth[order], flagged[order], automation)


def _blocked(probabilities: Floats, thresholds: PolicyThresholds) -> Bools:
    if thresholds.block is None or not thresholds.block.certificate.holds:
        return np.zeros(probabilities.shape, dtype=np.bool_)
    blocked: Bools = probabilities >= thresholds.block.value
    return blocked
