"""Real processes: `fairstall up` with the shipped model as a newcomer starts it, and servers that things happen to."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from fairstall.cli.serve import listen
from fairstall.model.bundle import Bundle
from fairstall.records.engine import open_engine
from fairstall.records.keys import Scope, create_key
from fairstall.records.schema import migrate


@dataclass(frozen=True)
class Running:
    port: int
    key: str
    home: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for each module, since a text that was scored before is answered as repeated."""
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "fairstall.cli.main", "up", "--home", str(home), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            api = next(line for line in iter(process.stdout.readline, "") if line.strip().startswith("API"))
            port = int(re.findall(r":(\d+)/v1/score", api)[0])
            yield Running(port, json.loads((home / "first-login.json").read_text())["api_key"], home)
        finally:
            process.terminate()
            process.communicate(timeout=30)


class ServerProcess:
    """`fairstall serve` as a process of its own; `url` is known once it listens, `log` once it has ended."""

    def __init__(self, home: Path, *options: str, files: int | None) -> None:
        command = [sys.executable, "-m", "fairstall.cli.main", "serve", "--home", str(home), *options]
        if files:
            command = ["sh", "-c", f'ulimit -n {files} && exec "$0" "$@"', *command]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.log: list[dict[str, Any]] = []
        for line in self._lines():
            self.log.append(json.loads(line))
            if self.log[-1]["message"].startswith("listening on "):
                break
        self.url = self.log[-1]["message"].removeprefix("listening on ")
        self._drain = threading.Thread(target=lambda: self.log.extend(map(json.loads, self._lines())))
        self._drain.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def end(self, how: signal.Signals) -> int:
        """Send a signal unless it has ended; the status that it ends with."""
        if self.process.poll() is None:
            os.kill(self.process.pid, how)
        status = self.process.wait()
        self._drain.join()
        if self.process.stderr:
            self.process.stderr.close()
        return status

    def _lines(self) -> Iterator[str]:
        assert self.process.stderr
        return iter(self.process.stderr)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def start_server(tiny_bundle: Bundle) -> Iterator[Callable[..., ServerProcess]]:
    """A factory of servers on a port of their own, killed in the end: `start_server(home, *options, follow=False)`.

    They serve the tiny bundle, or the champion of the home folder with `follow`, and may have `files` files open.
    Options given win.
    """
    started: list[ServerProcess] = []

    def start(home: Path, *options: str, follow: bool = False, files: int | None = None) -> ServerProcess:
        served = () if follow else ("--bundle", str(tiny_bundle.folder))
        started.append(ServerProcess(home, "--port", "0", *served, *options, files=files))
        return started[-1]

    yield start
    for server in started:
        server.end(signal.SIGKILL)


@pytest.fixture
def free_port() -> str:
    """A port for a server that is started again and again."""
    with listen("127.0.0.1", 0) as listener:
        return str(listener.getsockname()[1])


@pytest.fixture(scope="session")
def make_key() -> Callable[[str], str]:
    """A factory of API keys that may score, in the store with that URL, which is made when there is none."""

    def make(url: str) -> str:
        engine: Engine = open_engine(url)
        migrate(engine)
        secret = create_key(engine, "shop", Scope.SCORE, now=datetime.now(UTC)).secret
        engine.dispose()
        return secret

    return make
