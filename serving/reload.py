"""The model in service, and how a newly promoted one takes its place without a lost request."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from fairstall.model.bundle import Bundle
from fairstall.model.control import ListingShare
from fairstall.model.deployed import POINTER_FILE, Deployments, Role
from fairstall.model.errors import SetupError
from fairstall.serving.batcher import Batcher
from fairstall.serving.metrics import Telemetry

log = logging.getLogger("fairstall.serving")

CLOSE_WITHIN_S = 10.0

Signature: TypeAlias = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Canary:
    """A bundle that answers the listings that `sample` draws."""

    batcher: Batcher
    sample: ListingShare


class ModelInService:
    """Which batcher takes new listings, the champion's or a canary's. A replaced one finishes those that it has."""

    def __init__(self, batcher: Batcher, telemetry: Telemetry) -> None:
        self._batcher = batcher
        self._canary: Canary | None = None
        self._telemetry = telemetry
        telemetry.watch_queue(lambda: sum(one.waiting_tokens for one in self._batchers()))
        telemetry.serves(batcher.assessor.versions)

    @property
    def batcher(self) -> Batcher:
        """The champion's."""
        return self._batcher

    @property
    def admitted(self) -> int:
        """How many listings those in service have taken: another number whenever one has come."""
        return sum(one.admitted for one in self._batchers())

    def by_version(self, version: str) -> Batcher | None:
        """The one in service with that bundle, the champion's or the canary's."""
        return next((one for one in self._batchers() if one.assessor.versions.model == version), None)

    def canary_for(self, listing_id: str) -> Batcher | None:
        """The canary's, for a listing of its share."""
        canary = self._canary
        return canary.batcher if canary and canary.sample.draws(listing_id) else None

    def set_canary(self, canary: Canary | None) -> None:
        """Let another canary answer, or none. Call it on the event loop, as `replace`."""
        old, self._canary = self._canary, canary
        if old:
            old.batcher.close()
        self._telemetry.serves(canary.batcher.assessor.versions if canary else None, role=Role.CANARY)

    def replace(self, batcher: Batcher) -> None:
        """Call it on the event loop: between two awaits of a request, so that none meets a closed batcher."""
        old, self._batcher = self._batcher, batcher
        old.close()
        self._telemetry.serves(batcher.assessor.versions)

    def wait_until_idle(self) -> None:
        """Wait until no listing waits or is scored. Not for the event loop."""
        while busy := [one for one in self._batchers() if one.waiting_tokens]:
            busy[0].wait_until_idle()

    def close(self) -> None:
        """Finish what waits and end the lanes; one that hangs is left behind."""
        for batcher in self._batchers():
            batcher.close()
        for batcher in self._batchers():
            batcher.join(timeout_s=CLOSE_WITHIN_S)

    def _batchers(self) -> list[Batcher]:
        canary = self._canary
        return [self._batcher, canary.batcher] if canary else [self._batcher]


class BundleWatch:
    """Looks at the pointer file of the models folder and puts what it names into service.

    `open_batcher` opens a bundle aside, warmed up. A bundle that is broken is refused and the old one goes on serving.
    """

    def __init__(
        self,
        folder: Path,
        model: ModelInService,
        open_batcher: Callable[[Bundle], Batcher],
        telemetry: Telemetry,
        *,
        seen: Signature,
    ) -> None:
        self._pointer = folder / POINTER_FILE
        self._deployments = Deployments(folder)
        self._model = model
        self._open_batcher = open_batcher
        self._telemetry = telemetry
        self._seen = seen

    async def look(self) -> bool:
        """Put a newly promoted bundle into service; True when one was."""
        signature = pointer_signature(self._pointer)
        if signature == self._seen:
            return False
        self._seen = signature
        try:
            batcher = await asyncio.to_thread(self._open)
        except Exception as error:
            unforeseen = not isinstance(error, SetupError)
            log.error("the promoted bundle was refused, the one in service goes on: %s", error, exc_info=unforeseen)
            self._telemetry.reloaded(accepted=False)
            return False
        if batcher is None:
            return False
        self._model.replace(batcher)
        self._telemetry.reloaded(accepted=True)
        log.info("now serving %s", batcher.assessor.versions.model)
        return True

    def _open(self) -> Batcher | None:
        deployment = self._deployments.current()
        if deployment is None or deployment.version == self._model.batcher.assessor.versions.model:
            return None
        return self._open_batcher(self._deployments.bundle(deployment))


def pointer_signature(pointer: Path) -> Signature:
    """What changes whenever the pointer file is replaced; None while there is none."""
    try:
        found = pointer.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
