"""The control sample: a small random share of decisions that people review blind, so that quality can be measured.

Other shares of listings are drawn the same way.
"""

import hashlib
import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ControlSample:
    """Draws listings by a keyed hash of their id: the same listing is always in or always out, and sellers cannot tell.

    `rate` is the inclusion probability, 0 to 1.
    """

    key: bytes
    rate: float

    def draws(self, listing_id: str) -> bool:
        return _draws(self.key, listing_id, self.rate)


@dataclass(frozen=True, slots=True)
class ListingShare:
    """Draws a share of listings as the control sample does, for another `purpose` and independently of it."""

    key: bytes
    purpose: str
    share: float

    def draws(self, listing_id: str) -> bool:
        return _draws(hmac.digest(self.key, self.purpose.encode(), "sha256"), listing_id, self.share)


def _draws(key: bytes, listing_id: str, share: float) -> bool:
    digest = hmac.new(key, listing_id.encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


NO_CONTROL = ControlSample(key=b"", rate=0.0)
