"""A listing's fingerprint: what two postings of the same goods have in common. Looking for a known one is `serving`'s.

MinHash over character shingles by one permutation (Broder 1997; Li, Owen and Zhang 2012) with empty bins filled by
rotation (Shrivastava and Li 2014), one byte kept of each minimum (Li and Koenig 2010).
"""

import re
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fairstall.model.view import ListingView

VERSION = 1  # of all that is below: fingerprints of different versions are never compared
BINS = 64
SHINGLE_CHARACTERS = 5
FEWEST_SHINGLES = 40  # different ones; with fewer a text is too common to tell goods apart

Hashes: TypeAlias = NDArray[np.uint64]
Bins: TypeAlias = NDArray[np.uint8]

_SEED = np.uint64(0x9E3779B97F4A7C15)
_MIXERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_BIN_STARTS = np.arange(BINS, dtype=np.uint64) << np.uint64(64 - BINS.bit_length() + 1)
_ROTATION = 101  # added for each bin that a value was borrowed over, so that two borrowings seldom look alike
_NUMBER = re.compile(r"\d+")
_GAP = re.compile(r"[\W_]+")


def fingerprint(view: ListingView) -> bytes | None:
    """64 bytes, or None for a text too short to tell. Linear in the length but for one sort of machine words."""
    shingles = np.sort(_hashes(_plain(f"{view.title.text} {view.description.text}")))
    if np.count_nonzero(np.diff(shingles)) + 1 < FEWEST_SHINGLES:
        return None
    first = np.searchsorted(shingles, _BIN_STARTS)
    filled = np.flatnonzero(np.diff(first, append=len(shingles)))
    bins = np.arange(BINS)
    lender = filled[np.searchsorted(filled, bins) % len(filled)]
    borrowed_over = (lender - bins) % BINS * _ROTATION
    values = shingles[first[lender]].astype(np.uint8) + borrowed_over.astype(np.uint8)
    return values.tobytes()


def similarities(one: Bins, others: Bins) -> NDArray[np.float64]:
    """Estimated Jaccard similarity of shingles, 0 to 1, of `one` (bins,) to each of `others` (rows, bins)."""
    equal = np.count_nonzero(others == one, axis=1) / BINS
    by_chance = 1 / 256
    estimated: NDArray[np.float64] = np.maximum(0.0, (equal - by_chance) / (1 - by_chance))
    return estimated


def _plain(text: str) -> str:
    """Nothing but words in lower case, and all numbers the same: reposts change price, size and quantity."""
    return _GAP.sub(" ", _NUMBER.sub("0", text.casefold())).strip()


def _hashes(text: str) -> Hashes:
    """A well-mixed hash of each shingle (splitmix64 over a polynomial)."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    count = max(0, len(codes) - SHINGLE_CHARACTERS + 1)
    hashes = np.zeros(count, dtype=np.uint64)
    for place in range(SHINGLE_CHARACTERS):
        hashes = hashes * _SEED + codes[place : place + count] + np.uint64(1)
    for shift, mixer in zip((30, 27), _MIXERS, strict=True):
        hashes = (hashes ^ (hashes >> np.uint64(shift))) * mixer
    return hashes ^ (hashes >> np.uint64(31))
