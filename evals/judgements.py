"""What labels say of the outcomes before and after: precision and recall with intervals, and the paired difference.

Labelled rows are kept as sums by group in a table of fixed size, so that a million of them need no more memory. Groups
that share a row of it count as one.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from fairstall.evals.arrays import Bools, Floats
from fairstall.evals.bootstrap import Bootstrap, Estimate, draw_groups, estimate, share_estimate
from fairstall.evals.compare import LEAST_GROUPS, Word, word_for
from fairstall.evals.metric import share
from fairstall.evals.replay import Change
from fairstall.evals.slices import LISTING
from fairstall.model.decide import Outcome

GROUPS = 4096
_PART, _WHOLE, _AFTER, _APART = 0, 1, 2, 4  # what a cell sums: part and whole before, both after, rows that differ


class Question(StrEnum):
    """Precision among what is blocked, precision and recall of what is stopped, that is, not approved."""

    BLOCK_PRECISION = "block_precision"
    STOP_PRECISION = "stop_precision"
    STOP_RECALL = "stop_recall"


@dataclass(frozen=True, slots=True)
class Label:
    """What a listing violates. `known` are the codes whose truth is known, None for all.

    `weight` is how many listings it stands for: one over the probability that it was drawn.
    """

    violated: frozenset[str]
    known: frozenset[str] | None = None
    weight: float = 1.0

    def tells(self, code: str) -> bool:
        return self.known is None or code in self.known or code in self.violated


@dataclass(frozen=True, slots=True)
class Judgement:
    """One question about one policy, or about listings as wholes, before and after.

    A number that rests on fewer than ten groups is None: nothing can be told. `groups` are those that the weaker side
    rests on, `apart` those that tell the two sides from each other.
    """

    scope: str
    question: Question
    old: Estimate | None
    new: Estimate | None
    difference: Estimate | None
    groups: int
    apart: int
    verdict: Word


class Judgements:
    """Labelled rows of both sides, summed. `codes` are the policies by which the listings are judged."""

    def __init__(self, codes: Sequence[str]) -> None:
        self._codes = tuple(codes)
        self._scopes = {name: index for index, name in enumerate((LISTING, *codes))}
        self._sums: Floats = np.zeros((GROUPS, len(self._scopes), len(Question), 5))

    def add(self, change: Change, label: Label, group: str) -> None:
        """Count one labelled row. What its label does not tell takes part in nothing."""
        row = self._sums[_row_of(group)]
        broken = label.violated.intersection(self._codes)
        found = {*change.old.effects, *change.new.effects}
        if broken or all(label.tells(code) for code in found):
            row[self._scopes[LISTING]] += label.weight * _sums(change.move, truth=bool(broken))
        for code in broken | found.intersection(self._codes):
            if label.tells(code):
                asked = (change.old.effect(code), change.new.effect(code))
                row[self._scopes[code]] += label.weight * _sums(asked, truth=code in broken)

    def absorb(self, other: "Judgements") -> None:
        """Add what another one over the same policies has counted."""
        self._sums += other._sums

    def measure(self, bootstrap: Bootstrap) -> tuple[Judgement, ...]:
        """Every question of every policy for which a label was counted; listings as wholes come first."""
        kept = self._sums[self._sums.any(axis=(1, 2, 3))]
        if not len(kept):
            return ()
        drawn = [np.ones((len(kept), 1)), *draw_groups(len(kept), bootstrap)]
        sums: Floats = np.concatenate([np.einsum("gsqc,gk->sqck", kept, draws) for draws in drawn], axis=-1)
        return tuple(
            _judgement(_Cell(scope, question, sums[index, asked], kept[:, index, asked] > 0), bootstrap)
            for scope, index in self._scopes.items()
            if kept[:, index].any()
            for asked, question in enumerate(Question)
        )


@dataclass(frozen=True, slots=True)
class _Cell:
    """`sums` (5, 1 + draws), `present` (groups, 5): which groups have any weight in them."""

    scope: str
    question: Question
    sums: Floats
    present: Bools


def _judgement(cell: _Cell, bootstrap: Bootstrap) -> Judgement:
    counts = cell.present.sum(axis=0).tolist()
    groups, apart = min(counts[_WHOLE], counts[_AFTER + _WHOLE]), counts[_APART]
    old, new = share(cell.sums[_PART], cell.sums[_WHOLE]), share(cell.sums[_AFTER], cell.sums[_AFTER + _WHOLE])
    difference = None
    if groups >= LEAST_GROUPS:
        difference = estimate(new - old, confidence=bootstrap.confidence, evidence=apart)
    return Judgement(
        cell.scope,
        cell.question,
        old=_share_or_nothing(old, bootstrap, groups=counts[_WHOLE]),
        new=_share_or_nothing(new, bootstrap, groups=counts[_AFTER + _WHOLE]),
        difference=difference,
        groups=groups,
        apart=apart,
        verdict=word_for(difference, higher_is_better=True, groups=apart) if difference else Word.CANNOT_TELL,
    )


def _share_or_nothing(values: Floats, bootstrap: Bootstrap, *, groups: int) -> Estimate | None:
    if groups < LEAST_GROUPS:
        return None
    return share_estimate(values, confidence=bootstrap.confidence, evidence=groups, proportion=True)


def _sums(asked: tuple[Outcome, Outcome], *, truth: bool) -> Floats:
    """(questions, 5) zeros and ones for one row."""
    before, after = _parts(asked[0], truth=truth), _parts(asked[1], truth=truth)
    sums: Floats = np.array(
        [[*old, *new, old != new] for old, new in zip(before, after, strict=True)], dtype=np.float64
    )
    return sums


def _parts(outcome: Outcome, *, truth: bool) -> tuple[tuple[bool, bool], ...]:
    """Part and whole of each question."""
    blocked, stopped = outcome is Outcome.BLOCK, outcome is not Outcome.APPROVE
    return ((blocked and truth, blocked), (stopped and truth, stopped), (stopped and truth, truth))


def _row_of(group: str) -> int:
    return int.from_bytes(hashlib.blake2b(group.encode(), digest_size=8).digest()) % GROUPS
