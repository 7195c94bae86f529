"""One answer for each Idempotency-Key, however often the request is repeated. Where answers are kept is `records`'.

After the IETF draft "The Idempotency-Key HTTP Header Field": another body under the same key is refused with 422, and
a request whose twin is still being answered with 409.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from fairstall.model.errors import Conflict, ListingError
from fairstall.records.idempotency import KeyedAnswer
from fairstall.records.ledger import Ledger
from fairstall.serving.lookups import Lookups
from fairstall.serving.problems import KeyReused

HEADER = "Idempotency-Key"
MAX_KEY_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What a caller's key stands for: the same `digest` under the same key is the same request."""

    api_key_id: str
    key: str
    digest: str

    def kept(self, answer: bytes, now: datetime) -> KeyedAnswer:
        return KeyedAnswer(self.api_key_id, self.key, self.digest, answer, now)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of a request; `replayed` when it is the one that was given before."""

    body: bytes
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Produced:
    """A fresh answer; `stored` is False when another request took the key meanwhile and nothing was stored."""

    body: bytes
    stored: bool


def request_key(header: str | None, *, api_key_id: str, target: str, body: bytes) -> RequestKey | None:
    """The key of a request, or None without the header. Raises ListingError when it is no usable key.

    The draft wants a quoted string (RFC 8941); a bare one, as most clients send it, is taken as well.
    """
    if header is None:
        return None
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if not 1 <= len(key) <= MAX_KEY_CHARACTERS or not key.isascii() or not key.isprintable():
        raise ListingError(HEADER, f"1 to {MAX_KEY_CHARACTERS} printable ASCII characters are needed")
    digest = hashlib.sha256(target.encode() + b"\n" + body).hexdigest()
    return RequestKey(api_key_id, key, digest)


class OncePerKey:
    """Lets each key through once, and repeats what it was answered."""

    def __init__(self, ledger: Ledger, lookups: Lookups, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._lookups = lookups
        self._clock = clock
        self._under_way: set[tuple[str, str]] = set()

    async def answer(self, key: RequestKey | None, produce: Callable[[], Awaitable[Produced]]) -> Reply:
        """The answer kept under `key`, or a fresh one. Raises Conflict or KeyReused."""
        if key is None:
            return Reply((await produce()).body)
        identity = (key.api_key_id, key.key)
        if identity in self._under_way:
            raise Conflict("a request with this Idempotency-Key is being answered; repeat this one when it is done")
        self._under_way.add(identity)
        try:
            return await self._find(key) or await self._produce(key, produce)
        finally:
            self._under_way.discard(identity)

    async def _produce(self, key: RequestKey, produce: Callable[[], Awaitable[Produced]]) -> Reply:
        produced = await produce()
        if produced.stored:
            return Reply(produced.body)
        if reply := await self._find(key):
            return reply
        raise Conflict("another request took this Idempotency-Key; repeat this one")

    async def _find(self, key: RequestKey) -> Reply | None:
        now = self._clock()
        kept = await self._lookups.ask(self._ledger.answer, api_key_id=key.api_key_id, key=key.key, now=now)
        if kept is None:
            return None
        if kept.request_digest != key.digest:
            raise KeyReused("this Idempotency-Key was used for a request with another body: take a new key")
        return Reply(kept.answer, replayed=True)
