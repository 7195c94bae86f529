"""A listing's fingerprint: what two postings of the same goods have in common. Looking for known ones is not done here.

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
NEARLY_THE_SAME = 0.75  # the similarity from which two listings are, unless the operator sets another
BAND_BINS = 4
BANDS = BINS // BAND_BINS

Hashes: TypeAlias = NDArray[np.uint64]
Bins: TypeAlias = NDArray[np.uint8]

_SEED = np.uint64(0x9E3779B97F4A7C15)
_POWERS = np.array(
    [pow(int(_SEED), SHINGLE_CHARACTERS - 1 - place, 2**64) for place in range(SHINGLE_CHARACTERS)], np.uint64
)
_MIXERS = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
_ONE = np.uint64(1)
_LAST_SHIFT = np.uint64(31)
_BINS = np.arange(BINS, dtype=np.uint64)
_BIN_SHIFT = np.uint64(64 - BINS.bit_length() + 1)
_BIN_STARTS = _BINS << _BIN_SHIFT
_ROTATION = 101  # added for each bin that a value was borrowed over, so that two borrowings seldom look alike
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[^\W_]+")
_BAND_NUMBERS = np.arange(BANDS, dtype=np.uint64) << np.uint64(32)


def fingerprint(view: ListingView) -> bytes | None:
    """64 bytes, or None for a text too short to tell. Linear in the length but for one sort of machine words."""
    text = _plain(f"{view.title.text} {view.description.text}")
    if len(text) < FEWEST_SHINGLES + SHINGLE_CHARACTERS - 1:
        return None
    shingles = _hashes(text)
    shingles.sort()
    if np.count_nonzero(shingles[1:] != shingles[:-1]) + 1 < FEWEST_SHINGLES:
        return None
    # An empty bin borrows the least value of the next that is filled: the first at or above its own start.
    least = shingles.take(shingles.searchsorted(_BIN_STARTS), mode="wrap")
    borrowed_over = ((least >> _BIN_SHIFT) - _BINS) % BINS
    return (least + borrowed_over * _ROTATION).astype(np.uint8).tobytes()


def similarities(one: Bins, others: Bins) -> NDArray[np.float64]:
    """Estimated Jaccard similarity of shingles, 0 to 1, of `one` (bins,) to each of `others` (rows, bins)."""
    equal = np.add.reduce(others == one, axis=1, dtype=np.uint8) / BINS
    by_chance = 1 / 256
    estimated: NDArray[np.float64] = np.maximum(0.0, (equal - by_chance) / (1 - by_chance))
    return estimated


def band_keys(prints: Bins) -> NDArray[np.uint64]:
    """(rows, bands): each band of each fingerprint, its number and its four bytes, as one integer.

    Locality-sensitive hashing: two listings with a similarity of 0.75 agree in a band in all but 1 of 500 cases.
    """
    bands = np.ascontiguousarray(prints).view("<u4").astype(np.uint64).reshape(-1, BANDS)
    return bands | _BAND_NUMBERS


def _plain(text: str) -> str:
    """Nothing but words in lower case, and all numbers the same: reposts change price, size and quantity."""
    return " ".join(_WORD.findall(_NUMBER.sub("0", text.casefold())))


def _hashes(text: str) -> Hashes:
    """A well-mixed hash of each shingle (splitmix64 over a polynomial)."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    codes += _ONE
    hashes = np.correlate(codes, _POWERS)
    for shift, mixer in _MIXERS:
        hashes ^= hashes >> shift
        hashes *= mixer
    hashes ^= hashes >> _LAST_SHIFT
    return hashes
