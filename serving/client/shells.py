"""The two clients: thin shells that send and sleep. What is asked is `calls`', when it is asked again is `retries`'."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self, Unpack

import httpx

from fairstall.client import calls
from fairstall.client.answers import Decision, Health, Policies, Readiness, StoredDecision
from fairstall.client.boundary import (
    FOREIGN_ERRORS,
    LIMITS,
    TIMEOUTS,
    client_options,
    reply_of,
    request_of,
    translated,
)
from fairstall.client.calls import Answer, Call, ListingFields
from fairstall.client.errors import ClientError
from fairstall.client.retries import Pause, Result, Retries, Send
from fairstall.client.settings import find_access

RETRIES = Retries()


class Fairstall:
    """Scores listings over HTTP; made once and shared between threads. `AsyncFairstall` does the same for asyncio.

    Without `url` or `key` they are FAIRSTALL_URL and FAIRSTALL_KEY. `limits` bounds connections, `timeouts` each wait
    of one attempt, `retries` the whole call. A `transport` of your own, for certificates say, brings its own limits.
    Raises Misconfigured; every call raises ClientError.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        retries: Retries = RETRIES,
        timeouts: httpx.Timeout = TIMEOUTS,
        limits: httpx.Limits = LIMITS,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = httpx.Client(transport=transport, **client_options(find_access(url, key), timeouts, limits))
        self._retries = retries
        self._sleep = sleep

    def score(
        self, *, scores: bool = False, idempotency_key: str | None = None, **listing: Unpack[ListingFields]
    ) -> Decision:
        """Decide one listing; `scores` asks for every policy's probability.

        Retries carry one idempotency key, so a listing is decided once however often it is sent. Give a key of your
        own, one for each upload, to make that hold over a restart of your process too.
        """
        return self._run(calls.score(listing, scores=scores, idempotency_key=idempotency_key))

    def score_batch(
        self, listings: Sequence[ListingFields], *, scores: bool = False, idempotency_key: str | None = None
    ) -> list[Decision | ClientError]:
        """Decide 1 to 100 listings: for each a Decision, or the InvalidListing that says what is wrong with it."""
        return self._run(calls.score_batch(listings, scores=scores, idempotency_key=idempotency_key))

    def decision(self, decision_id: str, *, scores: bool = False) -> StoredDecision:
        """Read a decision back. Raises NotFound."""
        return self._run(calls.decision(decision_id, scores=scores))

    def policies(self) -> Policies:
        """The policies in force, and what they state for a listing that gets no answer."""
        return self._run(calls.policies())

    def ready(self) -> Readiness:
        """Can it work, and with which versions? Asked once. Raises Unavailable."""
        return self._run(calls.ready())

    def health(self) -> Health:
        """Does the process answer? Asked once."""
        return self._run(calls.health())

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._http.base_url)!r})"

    def _run(self, call: Call[Answer]) -> Answer:
        steps, result = self._retries.steps(call), None
        while True:
            try:
                step = steps.send(result)
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            result = self._do(step)

    def _do(self, step: Send | Pause) -> Result:
        if isinstance(step, Pause):
            self._sleep(step.seconds)
            return None
        try:
            return reply_of(self._http.send(request_of(self._http, step)), step)
        except FOREIGN_ERRORS as error:
            return translated(error)


class AsyncFairstall:
    """`Fairstall` for asyncio: the same arguments, calls, answers and errors. A cancelled call is not sent again."""

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        retries: Retries = RETRIES,
        timeouts: httpx.Timeout = TIMEOUTS,
        limits: httpx.Limits = LIMITS,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http = httpx.AsyncClient(transport=transport, **client_options(find_access(url, key), timeouts, limits))
        self._retries = retries
        self._sleep = sleep

    async def score(
        self, *, scores: bool = False, idempotency_key: str | None = None, **listing: Unpack[ListingFields]
    ) -> Decision:
        """As `Fairstall.score`."""
        return await self._run(calls.score(listing, scores=scores, idempotency_key=idempotency_key))

    async def score_batch(
        self, listings: Sequence[ListingFields], *, scores: bool = False, idempotency_key: str | None = None
    ) -> list[Decision | ClientError]:
        """As `Fairstall.score_batch`."""
        return await self._run(calls.score_batch(listings, scores=scores, idempotency_key=idempotency_key))

    async def decision(self, decision_id: str, *, scores: bool = False) -> StoredDecision:
        """As `Fairstall.decision`."""
        return await self._run(calls.decision(decision_id, scores=scores))

    async def policies(self) -> Policies:
        """As `Fairstall.policies`."""
        return await self._run(calls.policies())

    async def ready(self) -> Readiness:
        """As `Fairstall.ready`."""
        return await self._run(calls.ready())

    async def health(self) -> Health:
        """As `Fairstall.health`."""
        return await self._run(calls.health())

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._http.base_url)!r})"

    async def _run(self, call: Call[Answer]) -> Answer:
        steps, result = self._retries.steps(call), None
        while True:
            try:
                step = steps.send(result)
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            result = await self._do(step)

    async def _do(self, step: Send | Pause) -> Result:
        if isinstance(step, Pause):
            await self._sleep(step.seconds)
            return None
        try:
            return reply_of(await self._http.send(request_of(self._http, step)), step)
        except FOREIGN_ERRORS as error:
            return translated(error)
