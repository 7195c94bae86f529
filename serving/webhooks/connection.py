"""One HTTP/1.1 connection to an endpoint. h11 speaks the protocol; the address is one that passed the rules.

A general HTTP client would cost several times the processor time, which is the scoring's.
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult

import h11

from fairstall.serving.webhooks.addresses import AddressRules, Resolve, resolve_and_check

READ_BYTES = 16_384
BODY_BYTES = 16_384  # of an answer's body, read only so that the connection can be used again
BODY_WITHIN_S = 1.0
CONNECT_WITHIN_S = 4.0  # where another address is left
PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    retry_after: str


class Connection:
    """An open connection; `open_connection` makes one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)

    @property
    def peer(self) -> str:
        return str(self._writer.get_extra_info("peername")[0])

    def is_idle(self) -> bool:
        """Whether another request can go this way."""
        return self._http.our_state is h11.IDLE and not self._reader.at_eof() and not self._writer.is_closing()

    async def post(self, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Raises OSError or h11.ProtocolError."""
        request = h11.Request(method="POST", target=target, headers=[*headers.items()])
        for event in (request, h11.Data(data=body), h11.EndOfMessage()):
            self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()
        response = await self._response()
        with suppress(OSError, h11.ProtocolError):  # the status is the answer, whatever becomes of the rest
            async with asyncio.timeout(BODY_WITHIN_S):
                await self._read_body()
        retry_after = next((value for name, value in response.headers if name == b"retry-after"), b"")
        return Reply(response.status_code, retry_after.decode("latin-1"))

    def close(self) -> None:
        self._writer.transport.abort()

    async def _response(self) -> h11.Response:
        while not isinstance(event := await self._next(), h11.Response):
            assert isinstance(event, h11.InformationalResponse)
        return event

    async def _read_body(self) -> None:
        size = 0
        while size <= BODY_BYTES:
            event = await self._next()
            if isinstance(event, h11.Data):
                size += len(event.data)
                continue
            if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
                self._http.start_next_cycle()
            return

    async def _next(self) -> h11.Event:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            data = await self._reader.read(READ_BYTES)
            if not data and self._http.their_state is h11.SEND_RESPONSE:
                raise ConnectionResetError("the receiver closed the connection without an answer")
            self._http.receive_data(data)
        if event is h11.PAUSED:
            raise ConnectionResetError("the receiver wants another protocol")
        assert isinstance(event, h11.Event)
        return event


async def open_connection(
    url: SplitResult, *, rules: AddressRules, resolve: Resolve, tls: ssl.SSLContext
) -> Connection:
    """Connect to the first address of the URL's host that passes and answers. TLS is checked against the name.

    Raises AddressRefused, OSError or UnicodeError.
    """
    host = url.hostname or ""
    port = url.port or PORTS[url.scheme]
    secure, name = (tls, host) if url.scheme == "https" else (None, None)
    *others, last = await resolve_and_check(host, port, rules, resolve)
    for address in others:
        with suppress(OSError):
            async with asyncio.timeout(CONNECT_WITHIN_S):
                return Connection(*await asyncio.open_connection(address, port, ssl=secure, server_hostname=name))
    return Connection(*await asyncio.open_connection(last, port, ssl=secure, server_hostname=name))
