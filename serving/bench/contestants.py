"""Who is measured: the service as it ships, the same with no store and a full one, others around its model."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeAlias

from fairstall.records.keys import Scope, create_key
from fairstall.serving.bench.asking import Asking, ask_service, ask_with_texts, new_run
from fairstall.serving.bench.processes import ServerProcess, free_port, server_process
from fairstall.serving.bench.single import is_ready
from fairstall.serving.bench.stores import Stores, count_decisions, opened

DURABLE = "Fairstall"
NOT_DURABLE = "Fairstall, storing nothing"
FULL = "Fairstall, full ledger"
PLAIN = "plain FastAPI"
PLAIN_WORKERS = "plain FastAPI, 2 workers"
SERVICE = (DURABLE, NOT_DURABLE, FULL)
PLAINS = (PLAIN, PLAIN_WORKERS)

PROGRAMS = Path(__file__).with_name("peers")
_PLAIN_PROOF = '"probabilities":'


@dataclass(frozen=True, slots=True)
class Target:
    """A server that is ready. `count_stored` tells how many decisions of a run are in its store, where it has one."""

    port: int
    process: ServerProcess
    asking: Asking
    count_stored: Callable[[str], int] | None = None


Opening: TypeAlias = Callable[[], AbstractContextManager[Target]]


def service_contestants(bundle: Path, stores: Stores, *, ledger_rows: int, folder: Path) -> dict[str, Opening]:
    """Fairstall as it ships, by name; the full ledger has been filled."""
    service = partial(_service, bundle, folder)
    return {
        DURABLE: partial(service, store=stores.empty),
        NOT_DURABLE: partial(service, store=stores.empty, command=("bench", "serve-forgetful"), keeps=False),
        FULL: partial(service, store=partial(stores.kept, f"ledger-{ledger_rows}")),
    }


def plain_contestants(bundle: Path, folder: Path) -> dict[str, Opening]:
    """A FastAPI app around the model, with two threads for one session, or two processes of one thread."""
    return {
        PLAIN: partial(_plain, bundle, folder, threads=2, workers=1),
        PLAIN_WORKERS: partial(_plain, bundle, folder, threads=1, workers=2),
    }


@contextmanager
def _service(
    bundle: Path,
    folder: Path,
    *,
    store: Callable[[], AbstractContextManager[str]],
    command: tuple[str, ...] = ("serve",),
    keeps: bool = True,
) -> Iterator[Target]:
    """A server with an empty home. Texts are not remembered: the same ones are sent again and again."""
    with store() as url, tempfile.TemporaryDirectory(prefix="home-", dir=folder) as home:
        port = free_port()
        program = [sys.executable, "-m", "fairstall.cli.main", *command, "--remembered-texts", "0"]
        options = ["--home", home, "--port", str(port), "--database", url, "--bundle", str(bundle)]
        ready = partial(is_ready, port, "/readyz")
        with server_process([*program, *options], is_ready=ready, log=folder / "server.log") as process:
            yield Target(port, process, ask_service(_new_key(url)), partial(_count, url) if keeps else None)


@contextmanager
def _plain(bundle: Path, folder: Path, *, threads: int, workers: int) -> Iterator[Target]:
    port = free_port()
    numbers = map(str, (port, threads, workers))
    program: list[str | Path] = [sys.executable, PROGRAMS / "serve_plain.py", bundle, *numbers]
    ready = partial(is_ready, port, "/ready")
    with server_process(program, is_ready=ready, log=folder / "server.log") as process:
        yield Target(port, process, ask_with_texts("/score", _PLAIN_PROOF))


def _new_key(url: str) -> str:
    with opened(url) as engine:
        return create_key(engine, f"bench-{new_run()}", Scope.SCORE, now=datetime.now(UTC)).secret


def _count(url: str, run: str) -> int:
    return count_decisions(url, run=run)
