"""Which shadow is at work: what the models folder names takes its place while the service runs."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from fairstall.model.bundle import Bundle
from fairstall.model.deployed import Beside, Deployments, Role
from fairstall.model.errors import SetupError
from fairstall.serving.metrics import Telemetry
from fairstall.serving.reload import CLOSE_WITHIN_S, Signature, pointer_signature
from fairstall.serving.shadow import Decided, Shadow

log = logging.getLogger("fairstall.serving")


class Shadowing:
    """The shadow at work, if any; `look` takes up what the pointer file in `folder` says now.

    `open_shadow` opens a bundle on a share of listings. One that cannot be opened is logged and counted, and then there
    is no shadow.
    """

    def __init__(self, folder: Path, open_shadow: Callable[[Bundle, Beside], Shadow], telemetry: Telemetry) -> None:
        self._pointer = folder / Role.SHADOW.file
        self._deployments = Deployments(folder)
        self._open_shadow = open_shadow
        self._telemetry = telemetry
        self._seen: Signature = None
        self._shadow: Shadow | None = None

    def offer(self, decided: Decided) -> None:
        """Let the shadow score it, if there is one. It returns at once."""
        if self._shadow:
            self._shadow.offer(decided)

    async def look(self) -> bool:
        """Take up another shadow, or none; True when there is another one now."""
        signature = pointer_signature(self._pointer)
        if signature == self._seen:
            return False
        self._seen = signature
        try:
            shadow = await asyncio.to_thread(self._open)
        except SetupError as error:
            log.error("the shadow was refused: %s", error)
            self._telemetry.shadow_failed("load")
            shadow = None
        self._replace(shadow)
        return shadow is not None

    def close(self) -> None:
        """End the shadow, with what it compared stored; one that hangs is left behind."""
        shadow = self._shadow
        self._replace(None)
        if shadow:
            shadow.join(timeout_s=CLOSE_WITHIN_S)

    def _open(self) -> Shadow | None:
        beside = self._deployments.beside(Role.SHADOW)
        return self._open_shadow(self._deployments.bundle(beside), beside) if beside else None

    def _replace(self, shadow: Shadow | None) -> None:
        old, self._shadow = self._shadow, shadow
        if old:
            old.close()
        self._telemetry.serves(shadow.assessor.versions if shadow else None, role=Role.SHADOW)
        if old or shadow:
            log.info("the shadow is %s", shadow.assessor.versions.model if shadow else "none")
