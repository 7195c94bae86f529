"""Looking at something again and again while the service runs. What is looked at is the caller's."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger("fairstall.serving")


async def look_for_ever(look: Callable[[], Awaitable[object]], *, every_s: float, on_failure: str) -> None:
    """Look at once and every `every_s` seconds, until cancelled. A look that fails is logged in the words given."""
    while True:
        try:
            await look()
        except Exception:
            log.exception(on_failure)
        await asyncio.sleep(every_s)
