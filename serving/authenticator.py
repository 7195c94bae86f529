"""Who is calling: bearer keys looked up in the store, and remembered for a few seconds."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from time import monotonic

from sqlalchemy import Engine

from fairstall.model.errors import Forbidden, Unauthorized
from fairstall.records.keys import KEY_PREFIX, ApiKey, Scope, find_key, key_digest
from fairstall.serving.lookups import Lookups

MOST_REMEMBERED = 10_000
MAX_KEY_CHARACTERS = 100


class Authenticator:
    """Finds the key of a request. One that expired is refused at once, a revoked one after `remembered_s` at most.

    Keys are compared by their SHA-256, which a caller cannot steer, so the time that it takes tells nothing.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        remembered_s: float,
        lookups: Lookups,
        clock: Callable[[], float] = monotonic,
        now: Callable[[], datetime],
    ) -> None:
        self._engine = engine
        self._remembered_s = remembered_s
        self._lookups = lookups
        self._clock = clock
        self._now = now
        self._known: dict[str, tuple[ApiKey, float]] = {}
        self._asked: dict[str, asyncio.Task[ApiKey | None]] = {}

    async def key(self, authorization: str | None, *, needs: Scope) -> ApiKey:
        """The key in an Authorization header. Raises Unauthorized, Forbidden or StoreUnavailable."""
        scheme, _, secret = (authorization or "").partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret:
            raise Unauthorized("send 'Authorization: Bearer KEY'; `fairstall key create` makes one")
        if not secret.startswith(KEY_PREFIX) or not secret.isascii() or len(secret) > MAX_KEY_CHARACTERS:
            raise Unauthorized("this is no Fairstall key")
        found = await self._find(secret)
        if found is None:
            raise Unauthorized("this key is unknown or was revoked")
        if found.expired(self._now()):
            raise Unauthorized(f"the key {found.name!r} expired: `fairstall key create` makes another")
        if needs is Scope.SCORE and found.scope is not Scope.SCORE:
            raise Forbidden(f"the key {found.name!r} has the scope {found.scope}, this needs {needs}")
        return found

    async def _find(self, secret: str) -> ApiKey | None:
        digest = key_digest(secret)
        known = self._known.get(digest)
        if known and self._clock() < known[1]:
            return known[0]
        found = await self._ask_once(digest, secret)
        if found is None:
            self._known.pop(digest, None)
        elif len(self._known) < MOST_REMEMBERED or digest in self._known:
            self._known[digest] = (found, self._clock() + self._remembered_s)
        return found

    async def _ask_once(self, digest: str, secret: str) -> ApiKey | None:
        """Ask the store, together with everybody who asks for the same key meanwhile."""
        task = self._asked.get(digest)
        if task is None:
            task = asyncio.create_task(self._lookups.ask(find_key, self._engine, secret))
            self._asked[digest] = task
            task.add_done_callback(lambda _task: self._asked.pop(digest, None))
        return await asyncio.shield(task)
