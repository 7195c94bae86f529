"""The control sample: a small random share of decisions that people review blind, so that quality can be measured."""

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
        digest = hmac.new(self.key, listing_id.encode(), hashlib.sha256).digest()
        return int.from_bytes(digest[:8]) < self.rate * 2**64


NO_CONTROL = ControlSample(key=b"", rate=0.0)
