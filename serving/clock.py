"""The time that decisions are given: never a little earlier than that of the decision before."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

log = logging.getLogger("fairstall.serving")

HELD = timedelta(seconds=60)  # a larger step back corrects a clock that was wrong
TICK = timedelta(microseconds=1)


class ForwardClock:
    """A clock that runs forward when the one beneath is set back by up to a minute: microseconds, until it is reached.

    A larger step is followed, and logged. For use by one thread.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._last: datetime | None = None

    def __call__(self) -> datetime:
        now = self._clock()
        if self._last and now <= self._last:
            if self._last - now <= HELD:
                now = self._last + TICK
            else:
                log.warning("the clock was set back by %s; new decisions stand before older ones", self._last - now)
        self._last = now
        return now
