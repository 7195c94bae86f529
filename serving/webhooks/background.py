"""The courier on a thread and an event loop of its own: nothing that an endpoint does reaches the loop that scores."""

import asyncio
import threading

from fairstall.serving.webhooks.courier import Courier

JOIN_WITHIN_S = 10.0


class CourierThread:
    """Runs a courier from `start` to `close`."""

    def __init__(self, courier: Courier) -> None:
        self._courier = courier
        self._ended: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runs = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), name="webhook-courier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Let what is under way finish, within a few seconds, and end. A thread that hangs is left behind."""
        self._runs.wait(JOIN_WITHIN_S)
        if self._loop and self._ended and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(JOIN_WITHIN_S)

    async def _work(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._runs.set()
        await self._courier.run(self._ended)
