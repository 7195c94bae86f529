"""Counts what was decided since, again and again while the service runs. How it is counted is `records.tallies`'."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from time import perf_counter

from sqlalchemy import Engine

from fairstall.records.tallies import Tallying
from fairstall.serving.looking import look_for_ever

COUNT_EVERY_S = 60.0
PAUSE_SHARE = 4  # times what a piece took: a store with a million decisions to count stays in service
FAILED = "counting decisions failed; the trends of the console stay behind until it succeeds"


class TallyPasses:
    """Every process of a store may run them: each decision is counted once, whoever comes first."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    async def run(self) -> None:
        """Count for ever, until cancelled."""
        await look_for_ever(self.look, every_s=COUNT_EVERY_S, on_failure=FAILED)

    async def look(self) -> None:
        """Count all that is settled, 10,000 decisions at a time. Raises StoreUnavailable."""
        tallying = Tallying(self._engine, self._clock)
        begun = perf_counter()
        while await asyncio.to_thread(tallying.next):
            await asyncio.sleep(PAUSE_SHARE * (perf_counter() - begun))
            begun = perf_counter()
