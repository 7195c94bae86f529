"""Which shadow is at work: what the models folder names takes its place while the service runs."""

from collections.abc import Callable
from pathlib import Path

from fairstall.model.bundle import Bundle
from fairstall.model.deployed import Beside, Role
from fairstall.serving.besides import BesideWatch
from fairstall.serving.metrics import Telemetry
from fairstall.serving.reload import CLOSE_WITHIN_S
from fairstall.serving.shadow import Decided, Shadow


class Shadowing:
    """The shadow at work, if any; `look` takes up what the pointer file in `folder` says now.

    `open_shadow` opens a bundle on a share of listings.
    """

    def __init__(self, folder: Path, open_shadow: Callable[[Bundle, Beside], Shadow], telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._shadow: Shadow | None = None
        self._watch = BesideWatch(
            folder, Role.SHADOW, open_shadow, self._replace, on_refused=lambda: telemetry.shadow_failed("load")
        )

    def offer(self, decided: Decided) -> None:
        """Let the shadow score it, if there is one. It returns at once."""
        if self._shadow:
            self._shadow.offer(decided)

    async def look(self) -> bool:
        """Take up another shadow, or none; True when there is another one now."""
        return await self._watch.look()

    def close(self) -> None:
        """End the shadow, with what it compared stored; one that hangs is left behind."""
        shadow = self._shadow
        self._replace(None)
        if shadow:
            shadow.join(timeout_s=CLOSE_WITHIN_S)

    def _replace(self, shadow: Shadow | None) -> None:
        old, self._shadow = self._shadow, shadow
        if old:
            old.close()
        self._telemetry.serves(shadow.assessor.versions if shadow else None, role=Role.SHADOW)
