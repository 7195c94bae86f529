"""What runs beside the champion follows the models folder while the service runs: the watch of one role."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from fairstall.model.bundle import Bundle
from fairstall.model.deployed import Beside, Deployments, Role
from fairstall.model.errors import SetupError
from fairstall.serving.reload import Signature, pointer_signature

log = logging.getLogger("fairstall.serving")

T = TypeVar("T")


class BesideWatch(Generic[T]):
    """Looks at the pointer file of a role, and hands what it names to `take_up`, opened aside; None for nothing.

    A bundle that cannot be opened is logged, `on_refused` is told, and then nothing runs in that role.
    """

    def __init__(
        self,
        folder: Path,
        role: Role,
        open_beside: Callable[[Bundle, Beside], T],
        take_up: Callable[[T | None], None],
        on_refused: Callable[[], None],
    ) -> None:
        self._role = role
        self._pointer = folder / role.file
        self._deployments = Deployments(folder)
        self._open_beside = open_beside
        self._take_up = take_up
        self._on_refused = on_refused
        self._seen: Signature = None

    async def look(self) -> bool:
        """Take up what the folder says now; True when something new runs."""
        signature = pointer_signature(self._pointer)
        if signature == self._seen:
            return False
        self._seen = signature
        try:
            beside = self._deployments.beside(self._role)
            opened = await asyncio.to_thread(self._open, beside) if beside else None
        except Exception as error:
            log.error("the %s was refused: %s", self._role, error, exc_info=not isinstance(error, SetupError))
            self._on_refused()
            beside = opened = None
        self._take_up(opened)
        log.info("the %s is %s", self._role, f"{beside.version}, on {beside.share:.4g}" if beside else "none")
        return opened is not None

    def _open(self, beside: Beside) -> T:
        return self._open_beside(self._deployments.bundle(beside), beside)
