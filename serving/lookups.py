"""Asking the store from the event loop: in a thread, and not for ever. What is written goes through the `writer`."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from fairstall.model.errors import StoreUnavailable

Given = ParamSpec("Given")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Lookups:
    """What requests ask of the store before they are answered, each for `within_s` at most.

    The store's own deadline ends a look-up that has a thread; this one also ends those that wait for a thread.
    """

    within_s: float

    async def ask(self, look: Callable[Given, Found], *given: Given.args, **named: Given.kwargs) -> Found:
        """What `look` finds. Raises StoreUnavailable, also when it takes too long."""
        try:
            async with asyncio.timeout(self.within_s):
                return await asyncio.to_thread(look, *given, **named)
        except TimeoutError as error:
            raise StoreUnavailable(f"the database gave no answer within {self.within_s:g} seconds") from error
