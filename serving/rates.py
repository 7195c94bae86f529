"""How fast each key may score: listings a second, with some seconds saved up. Each process counts for itself.

The generic cell rate algorithm (ITU-T I.371): one number a key, the moment at which its allowance is whole again.
"""

from collections.abc import Callable
from time import monotonic

from fairstall.records.keys import ApiKey
from fairstall.serving.problems import RateLimited

SAVED_S = 10.0  # of its rate a key may use at once after a pause
MOST_KEYS = 10_000


class Rates:
    """What every key has used of its rate. A key without a rate is not counted."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._whole_at: dict[str, float] = {}

    def check(self, key: ApiKey) -> None:
        """Raises RateLimited, which says when to come again, while the key has nothing left."""
        over_s = self._whole_at.get(key.key_id, 0.0) - self._clock() - SAVED_S
        if key.listings_per_s and over_s > 0:
            raise RateLimited(
                f"the key {key.name!r} may score {key.listings_per_s:g} listings a second, and has used"
                f" {SAVED_S:g} seconds of that in advance; nothing was stored",
                retry_after_s=over_s,
            )

    def charge(self, key: ApiKey, listings: int = 1) -> None:
        """Take `listings` off. Raises RateLimited; a batch that begins within the rate is taken whole, on credit."""
        if not key.listings_per_s:
            return
        self.check(key)
        now = self._clock()
        if len(self._whole_at) >= MOST_KEYS and key.key_id not in self._whole_at:
            self._whole_at = {key_id: at for key_id, at in self._whole_at.items() if at > now}
        self._whole_at[key.key_id] = max(self._whole_at.get(key.key_id, now), now) + listings / key.listings_per_s
