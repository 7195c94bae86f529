"""A server as a process of its own: started, waited for, watched and ended with all its children. Linux only."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

from fairstall.model.errors import SetupError

READY_WITHIN_S = 180.0
LOOK_EVERY_S = 0.005
END_WITHIN_S = 30.0
KEPT_LOG_CHARACTERS = 2_000
# A server under test has the settings that ship, not those of whoever runs the bench, and bytecode, as installed.
NOT_INHERITED = ("FAIRSTALL_", "PYTHONDONTWRITEBYTECODE")

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A server that answered its first question `ready_s` after it was started."""

    pid: int
    ready_s: float

    def pids(self) -> list[int]:
        """Its own process and those that came from it."""
        parents = {int(path.name): _parent(path) for path in Path("/proc").glob("[0-9]*")}
        tree = [self.pid]
        for pid in tree:
            tree.extend(child for child, parent in parents.items() if parent == pid)
        return tree

    def cpu_s(self) -> float:
        """The seconds of processor time that its processes have used since they began."""
        return sum(_ticks(pid) for pid in self.pids()) / _TICKS_A_SECOND

    def peak_mb(self) -> float:
        """The sum of each process's peak of resident memory since `forget_peak`, in megabytes of 10^6 bytes."""
        return sum(_status(pid).get("VmHWM", 0) for pid in self.pids()) * 1_024 / 1e6

    def forget_peak(self) -> None:
        """Let the peaks of its processes begin anew: proc(5)."""
        for pid in self.pids():
            with suppress(OSError):  # it has ended meanwhile
                Path(f"/proc/{pid}/clear_refs").write_text("5")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def server_process(
    command: Sequence[str | Path],
    *,
    is_ready: Callable[[], bool],
    log: Path,
    folder: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[ServerProcess]:
    """A server that runs for as long as the context lasts; it writes into `log` and works in `folder`.

    Raises SetupError with the end of its log when it ends by itself or is not ready in time.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    with log.open("wb") as output:
        begun = perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**inherited, **(variables or {})},
            start_new_session=True,
        )
    try:
        while not is_ready():
            if process.poll() is not None or perf_counter() - begun > READY_WITHIN_S:
                raise SetupError(
                    f"{Path(str(command[0])).name} is not ready:\n{log.read_text()[-KEPT_LOG_CHARACTERS:]}"
                )
            sleep(LOOK_EVERY_S)
        yield ServerProcess(process.pid, perf_counter() - begun)
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ask it to end; whatever of its session is still there afterwards is killed."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_WITHIN_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _parent(process: Path) -> int:
    try:
        return int(_fields(process)[1])
    except (OSError, IndexError):
        return 0  # it has ended meanwhile


def _ticks(pid: int) -> int:
    try:
        user, system = _fields(Path(f"/proc/{pid}"))[11:13]
    except (OSError, ValueError):
        return 0
    return int(user) + int(system)


def _fields(process: Path) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may contain anything: proc(5)."""
    return (process / "stat").read_text().rpartition(")")[2].split()


def _status(pid: int) -> dict[str, int]:
    """The sizes in /proc/PID/status, in KiB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}
