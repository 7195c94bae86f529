"""Fingerprints of blocked listings in memory, and which of them a new listing resembles. The store is `records`'."""

import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fairstall.model.decide import Likeness, Resemblance
from fairstall.model.fingerprint import BANDS, BINS, Bins, band_keys, similarities

if TYPE_CHECKING:
    from fairstall.records.blocked import BlockedPrint

UNSORTED_AT_MOST = 1_024
CANDIDATES_PER_BAND = 64

Rows: TypeAlias = NDArray[np.int64]
_NO_ROWS: Rows = np.zeros(0, dtype=np.int64)
_NOTHING: Bins = np.zeros((0, BINS), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class _Known:
    decision_id: str
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Fingerprints with every band of each, sorted: two that agree in a band (four bytes) lie side by side.

    `keys` and `owners` (rows * bands,): the band's number and its bytes as one integer, and the row that it is of.
    """

    known: tuple[_Known, ...] = ()
    prints: Bins = field(default_factory=lambda: _NOTHING)
    keys: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    owners: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, dtype=np.uint32))

    def candidates(self, bins: Bins) -> Rows:
        """Rows that share a band with `bins`: for each band the newest few, so that no flood of copies takes long."""
        wanted = band_keys(bins).ravel()
        starts, ends = self.keys.searchsorted(wanted).tolist(), self.keys.searchsorted(wanted, side="right").tolist()
        runs = [
            self.owners[max(start, end - CANDIDATES_PER_BAND) : end]
            for start, end in zip(starts, ends, strict=True)
            if start < end
        ]
        return np.unique(np.concatenate(runs)).astype(np.int64) if runs else _NO_ROWS


@dataclass(frozen=True, slots=True)
class _State:
    """What lanes read, replaced whole: most fingerprints sorted, the newest few not yet, those withdrawn by id."""

    base: _Sorted = field(default_factory=_Sorted)
    known: tuple[_Known, ...] = ()
    prints: Bins = field(default_factory=lambda: _NOTHING)
    withdrawn: frozenset[str] = frozenset()


class BlockedIndex:
    """The newest `most` fingerprints, which lanes read while one other thread changes them.

    100,000 take some 50 MB, and 30 more while they are sorted. Locality-sensitive hashing: 16 bands of 4 bytes find all
    but 1 in 500 of the listings with a similarity of 0.75, and the similarity of what they find is then computed from
    the whole. `threshold` is the similarity from which two listings are nearly the same.
    """

    def __init__(self, *, most: int, threshold: float) -> None:
        self.most = most
        self._threshold = threshold
        self._changes = threading.Lock()
        self._ids: set[str] = set()
        self._state = _State()

    @property
    def count(self) -> int:
        """How many are compared with. Not `__len__`: an index that is still empty would count as none at all."""
        return len(self._ids)

    def change(self, prints: "Sequence[BlockedPrint]") -> None:
        """Take up new fingerprints, oldest first, and let go of withdrawn ones. What is known changes nothing."""
        with self._changes:
            gone = {one.decision_id for one in prints if one.withdrawn and one.decision_id in self._ids}
            new = [one for one in prints if not one.withdrawn and one.decision_id not in self._ids]
            if not (gone or new):
                return
            self._ids = (self._ids | {one.decision_id for one in new}) - gone
            state = _with(self._state, new, gone)
            if len(state.known) + len(state.withdrawn) > UNSORTED_AT_MOST:
                state = _State(base=_sorted(state, self.most))
                self._ids = {known.decision_id for known in state.base.known}
            self._state = state

    def resembled(self, fingerprint: bytes) -> list[Likeness]:
        """For each policy the blocked listing that resembles most, the newest of several."""
        state, bins = self._state, np.frombuffer(fingerprint, dtype=np.uint8)
        rows = state.base.candidates(bins)
        found = chain(
            self._alike(bins, [state.base.known[row] for row in rows], state.base.prints[rows]),
            self._alike(bins, state.known, state.prints),
        )
        best: dict[str, Resemblance] = {}
        for known, similarity in found:
            if known.decision_id in state.withdrawn:
                continue
            for policy in known.policies:
                if policy not in best or similarity >= best[policy].similarity:
                    best[policy] = Resemblance(known.decision_id, similarity)
        return [Likeness(policy, resemblance) for policy, resemblance in best.items()]

    def _alike(self, bins: Bins, known: Sequence[_Known], prints: Bins) -> Iterable[tuple[_Known, float]]:
        if not known:
            return ()
        similar = similarities(bins, prints)
        return [
            (known[row], round(float(similar[row]), 3)) for row in np.flatnonzero(similar >= self._threshold).tolist()
        ]


def _with(state: _State, new: "Sequence[BlockedPrint]", gone: set[str]) -> _State:
    prints = np.concatenate([state.prints, _matrix(new)])
    known = (*state.known, *(_Known(one.decision_id, tuple(map(sys.intern, one.policies))) for one in new))
    return _State(state.base, known, prints, state.withdrawn | gone)


def _sorted(state: _State, most: int) -> _Sorted:
    """All that stand as one sorted whole, the newest `most`."""
    everyone = (*state.base.known, *state.known)
    stand = [row for row, known in enumerate(everyone) if known.decision_id not in state.withdrawn][-most:]
    prints = np.concatenate([state.base.prints, state.prints])[stand]
    keys = band_keys(prints).ravel()
    order = np.argsort(keys, kind="stable")
    owners = (order // BANDS).astype(np.uint32)
    return _Sorted(tuple(everyone[row] for row in stand), prints, keys[order], owners)


def _matrix(prints: "Sequence[BlockedPrint]") -> Bins:
    return np.frombuffer(b"".join(one.fingerprint for one in prints), dtype=np.uint8).reshape(-1, BINS)
