"""Which of many fingerprints are nearly the same as one another. Where they come from is `clusters`' business."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fairstall.model.fingerprint import BINS, Bins, band_keys, similarities

LEADERS_A_RUN = 8


def groups_alike(prints: Sequence[bytes], threshold: float) -> list[list[int]]:
    """Places in `prints` that are alike, in groups of two and more, the largest first, each in ascending order.

    Single linkage: who is like one of a group belongs to it. Only those that agree in a band are compared, and of those
    with one that leads them, so that a thousand copies cost a thousand comparisons and not a million.
    """
    if not prints:
        return []
    bins = np.frombuffer(b"".join(prints), dtype=np.uint8).reshape(-1, BINS)
    parents = list(range(len(prints)))
    for run in _runs(band_keys(bins)):
        for one, other in _alike_in(run, bins, threshold):
            parents[_root(parents, other)] = _root(parents, one)
    groups: dict[int, list[int]] = {}
    for place in range(len(prints)):
        groups.setdefault(_root(parents, place), []).append(place)
    several = [group for group in groups.values() if len(group) > 1]
    return sorted(several, key=lambda group: (-len(group), group[0]))


def _runs(keys: NDArray[np.uint64]) -> Iterator[NDArray[np.intp]]:
    """For each band, the rows that agree in it, two and more."""
    for band in keys.T:
        order = np.argsort(band, kind="stable")
        changes = np.flatnonzero(np.diff(band[order])) + 1
        starts, ends = np.append(0, changes), np.append(changes, len(order))
        several = ends - starts > 1
        yield from (order[start:end] for start, end in zip(starts[several], ends[several], strict=True))


def _alike_in(run: NDArray[np.intp], bins: Bins, threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs of a leader and a follower; who is not like the first leader has a chance with the next."""
    rest = run
    for _ in range(LEADERS_A_RUN):
        if len(rest) < 2:
            return
        leader, others = rest[0], rest[1:]
        follows = similarities(bins[leader], bins[others]) >= threshold
        yield from ((int(leader), int(other)) for other in others[follows])
        rest = others[~follows]


def _root(parents: list[int], place: int) -> int:
    while parents[place] != place:
        parents[place] = parents[parents[place]]
        place = parents[place]
    return place
