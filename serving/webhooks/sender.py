"""One attempt over HTTP: what is posted, and what came back as a value. Nothing that a receiver does raises here."""

import asyncio
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit

import h11

from fairstall.serving.webhooks.addresses import AddressRefused, AddressRules, Resolve, resolve_name
from fairstall.serving.webhooks.connection import Connection, Reply, open_connection
from fairstall.serving.webhooks.message import Message

TIMEOUT_S = 15.0
MOST_IDLE = 32  # connections kept open for the next event
IDLE_S = 10.0

# What went wrong, by the exception; the first that fits.
FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (AddressRefused, "address refused"),
    (TimeoutError, "timed out"),
    (socket.gaierror, "name not found"),
    (ssl.SSLError, "TLS failed"),
    (UnicodeError, "name not found"),
    (h11.ProtocolError, "no valid answer"),
    (ConnectionRefusedError, "connection refused"),
    (ConnectionError, "connection broken"),
    (OSError, "no connection"),
)
EXPLAINED = (AddressRefused, ssl.SSLError)
FAULT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, or the reason why there is none; `retry_after_s` is what the receiver asked for."""

    status: int | None
    fault: str = ""
    retry_after_s: float = 0.0

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def told(self) -> str:
        return f"HTTP {self.status}" if self.status is not None else self.fault

    @property
    def kind_of_fault(self) -> str:
        """A status or one of a few words, without what it was about; empty where it was accepted."""
        if self.accepted:
            return ""
        return str(self.status) if self.status is not None else self.fault.partition(":")[0]


@dataclass(frozen=True, slots=True)
class _Idle:
    origin: str
    connection: Connection
    since_s: float


class Sender:
    """Posts messages to any number of endpoints. Redirects are not followed, and no proxy is asked."""

    def __init__(
        self,
        rules: AddressRules,
        *,
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = resolve_name,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rules = rules
        self._timeout_s = timeout_s
        self._tls = tls or ssl.create_default_context()
        self._resolve = resolve
        self._clock = clock
        self._idle: list[_Idle] = []

    async def post(self, url: str, message: Message) -> Answer:
        """Post a message, all in all within the timeout."""
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await self._post(urlsplit(url), message)
        except tuple(kind for kind, _ in FAULTS) as error:
            return Answer(None, _fault(error))
        return Answer(reply.status, retry_after_s=retry_after_s(reply.retry_after, self._clock()))

    def close(self) -> None:
        """Close the connections that are kept open."""
        while self._idle:
            self._idle.pop().connection.close()

    async def _post(self, url: SplitResult, message: Message) -> Reply:
        if kept := self._take(url):
            try:
                return await self._post_by(kept, url, message)
            except ConnectionError:
                pass  # the receiver had closed it meanwhile: that is no answer
        connection = await open_connection(url, rules=self._rules, resolve=self._resolve, tls=self._tls)
        return await self._post_by(connection, url, message)

    async def _post_by(self, connection: Connection, url: SplitResult, message: Message) -> Reply:
        headers = {"Host": url.netloc, "Content-Length": str(len(message.body))} | message.headers
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        try:
            return await connection.post(target, headers, message.body)
        finally:
            self._give_back(connection, url)

    def _take(self, url: SplitResult) -> Connection | None:
        self._sweep()
        found = next((one for one in reversed(self._idle) if one.origin == _origin(url)), None)
        if found is None:
            return None
        self._idle.remove(found)
        return found.connection

    def _give_back(self, connection: Connection, url: SplitResult) -> None:
        if not connection.is_idle():
            connection.close()
            return
        self._idle.append(_Idle(_origin(url), connection, asyncio.get_running_loop().time()))
        self._sweep()

    def _sweep(self) -> None:
        """Close what has been idle too long, or cannot be used again, and the oldest of too many."""
        oldest = asyncio.get_running_loop().time() - IDLE_S
        fresh = [one for one in self._idle if one.since_s > oldest and one.connection.is_idle()][-MOST_IDLE:]
        for one in self._idle:
            if one not in fresh:
                one.connection.close()
        self._idle = fresh


def retry_after_s(value: str, now: datetime) -> float:
    """The seconds that a Retry-After asks for, written as such or as a date; 0 where it says nothing sensible."""
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _origin(url: SplitResult) -> str:
    return f"{url.scheme}://{url.netloc}"


def _fault(error: Exception) -> str:
    word = next(word for kind, word in FAULTS if isinstance(error, kind))
    return f"{word}: {error}"[:FAULT_CHARACTERS] if isinstance(error, EXPLAINED) else word
