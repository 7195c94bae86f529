"""Scores of texts that were read before. It decides nothing: rules, thresholds and sampling are gone through each time.

A listing is a repeat when the model would read the same tokens: the canonical view has undone case, disguises and white
space by then. A batcher has one of these and one bundle, so that no score outlives its model.
"""

import threading
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

from fairstall.model.scorer import Logits

KEY_BYTES = 16


class Repeats:
    """The pooled logits of the last `most` texts, safe for use by many threads; some 400 bytes each."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, Logits] = OrderedDict()

    def find(self, windows: Sequence[Sequence[int]]) -> Logits | None:
        """What `keep` was given for the same windows, shape (1, labels), or None."""
        key = _key(windows)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, windows: Sequence[Sequence[int]], logits: Logits) -> None:
        """Remember the logits of windows, shape (windows, labels), pooled as they are concluded from."""
        pooled = logits.max(axis=0, keepdims=True)
        with self._lock:
            self._kept[_key(windows)] = pooled
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


def _key(windows: Sequence[Sequence[int]]) -> bytes:
    digest = blake2b(digest_size=KEY_BYTES)
    for window in windows:
        digest.update(len(window).to_bytes(4))
        digest.update(array("i", window).tobytes())
    return digest.digest()
