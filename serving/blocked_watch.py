"""Keeps the index of blocked listings up to date with the store, whichever process blocks or overturns."""

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Engine

from fairstall.model.wire import iso_utc
from fairstall.records.blocked import BlockedPrint, BlockedPrints
from fairstall.serving.blocked import BlockedIndex
from fairstall.serving.looking import look_for_ever
from fairstall.serving.metrics import Telemetry

LOOK_EVERY_S = 1.0
FAILED = "reading the fingerprints of blocked listings failed; those that are known go on"
LOOK_BACK = timedelta(seconds=60)  # clocks of machines differ, and a transaction is seen later than its time says


class BlockedWatch:
    """Reads the newest fingerprints once, and from then on what changed in the minute before the last change seen.

    A change that says it comes from the future is seen, and hides no other.
    """

    def __init__(
        self, engine: Engine, index: BlockedIndex, telemetry: Telemetry, clock: Callable[[], datetime]
    ) -> None:
        self._prints = BlockedPrints(engine)
        self.index = index
        self._telemetry = telemetry
        self._clock = clock
        self._turns = threading.Lock()
        self._last: str | None = None

    async def run(self) -> None:
        """Look for ever, until cancelled."""
        look = partial(asyncio.to_thread, self.look)
        await look_for_ever(look, every_s=LOOK_EVERY_S, on_failure=FAILED)

    def look(self) -> None:
        """Take up what was blocked or overturned since. Raises StoreUnavailable."""
        with self._turns:
            self.index.change(self._read())
        self._telemetry.compares_with(self.index.count)

    def _read(self) -> list[BlockedPrint]:
        if self._last is None:
            self._last = self._prints.last_change()
            return self._prints.newest(self.index.most) if self._last else []
        last = min(datetime.fromisoformat(self._last), self._clock())
        found = self._prints.changed_since(iso_utc(last - LOOK_BACK))
        self._last = max([self._last, *(one.changed_at for one in found)])
        return found
