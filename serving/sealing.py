"""Seals what was stored since, again and again while the service runs. How rows are sealed is `records.seals`'."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from time import perf_counter

from sqlalchemy import Engine

from fairstall.records.seals import Sealing
from fairstall.serving.looking import look_for_ever

SEAL_EVERY_S = 30.0
PAUSE_S = 0.1  # between two seals of one pass, at least: it has all the time in the world, and listings have not
PAUSE_SHARE = 4  # times what a seal took: a store with a million rows to seal stays in service
FAILED = "sealing failed; rows that wait for a seal are taken up by the next pass"


class SealingPasses:
    """Every process of a store may run them: each row is sealed once, whoever comes first."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    async def run(self) -> None:
        """Seal for ever, until cancelled."""
        await look_for_ever(self.look, every_s=SEAL_EVERY_S, on_failure=FAILED)

    async def look(self) -> None:
        """Seal all that waits, 500 rows at a time. Raises StoreUnavailable."""
        sealing = Sealing(self._engine, self._clock)
        begun = perf_counter()
        while await asyncio.to_thread(sealing.next):
            await asyncio.sleep(max(PAUSE_S, PAUSE_SHARE * (perf_counter() - begun)))
            begun = perf_counter()
