"""Both clients as one, a clock that moves only when somebody sleeps, and a real service that fails as it is told."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from fairstall.client import AsyncFairstall, Fairstall, Retries
from fairstall.serving.app import create_app


class Time:
    """Sleeping moves the clock and takes no time; every draw of chance is one half."""

    def __init__(self) -> None:
        self.now, self.slept = 1_000.0, []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def retries(self, **changes: Any) -> Retries:
        return Retries(**{"clock": lambda: self.now, "random": lambda: 0.5} | changes)


@pytest.fixture
def time() -> Time:
    return Time()


class Waited:
    """An AsyncFairstall whose calls are waited for, so that one suite runs on both clients."""

    def __init__(self, runner: asyncio.Runner, client: AsyncFairstall) -> None:
        self._runner, self._client = runner, client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **named: self._runner.run(getattr(self._client, name)(*args, **named))

    def __repr__(self) -> str:
        return repr(self._client)


@contextmanager
def waited(url: str, *, sleep: Callable[[float], None], **options: Any) -> Iterator[Waited]:
    async def sleeps(seconds: float) -> None:
        await asyncio.to_thread(sleep, seconds)

    with asyncio.Runner() as runner:
        client = AsyncFairstall(url, sleep=sleeps, **options)
        yield Waited(runner, client)
        runner.run(client.close())


@pytest.fixture(params=[Fairstall, waited], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest, time: Time) -> Callable[..., Any]:
    """Opens a client of either kind on an address: `with connect(url, key=...) as client`."""

    def opened(url: str, **options: Any) -> Any:
        return request.param(url, **{"retries": time.retries(), "sleep": time.sleep} | options)

    return opened


@dataclass
class Faults:
    """An app before which the next faults of `script` happen, one to each request; it keeps what it was sent.

    "lost" lets the app decide and store, and then breaks the connection; a status, with headers, is answered instead.
    """

    app: Any
    script: list[Any] = field(default_factory=list)
    seen: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self.seen.append({name.decode(): value.decode() for name, value in scope["headers"]})
        fault = self.script.pop(0) if self.script else None
        if fault is None:
            await self.app(scope, receive, send)
        elif fault == "lost":
            await self.app(scope, receive, _head_alone(send))
        else:
            await _answer(send, *fault)

    @property
    def state(self) -> Any:
        return self.app.state

    def sent(self, name: str) -> list[str | None]:
        return [headers.get(name) for headers in self.seen]


def _head_alone(send: Any) -> Any:
    async def cut(message: Any) -> None:
        if message["type"] == "http.response.start":
            await send(message)

    return cut


async def _answer(send: Any, status: int, headers: dict[str, str], body: bytes = b"<html>gateway</html>") -> None:
    await send({"type": "http.response.start", "status": status, "headers": _raw(headers | {"content-type": "x/y"})})
    await send({"type": "http.response.body", "body": body})


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


@pytest.fixture
def faulty(sqlite_engine: Any, make_parts: Any, serve_parts: Any) -> Iterator[Any]:
    """A served app with `faults` before it, and its `url`."""
    parts = make_parts(sqlite_engine)
    faults = Faults(create_app(parts))
    with serve_parts(parts, app=faults) as served:
        url = str(served.client.base_url)
        yield SimpleNamespace(url=url, key=served.secret, faults=faults, stored=served.stored, parts=parts)
