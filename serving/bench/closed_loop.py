"""Closed loop: connections that send the next request as soon as the last was answered, by wrk, which costs least."""

import json
import resource
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fairstall.model.errors import SetupError
from fairstall.serving.bench.asking import Request, new_run, requests_file
from fairstall.serving.bench.results import Latencies

SCRIPT = Path(__file__).with_name("wrk.lua")
TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Sent:
    """What a load generator saw of one run, whose ids begin with `run`; `cpu_s` is its own cost."""

    run: str
    seconds: float
    answered: int
    failed: int
    latencies: Latencies
    cpu_s: float


def wrk_program() -> str:
    """Where wrk is. Raises SetupError that says how to get it."""
    found = shutil.which("wrk")
    if not found:
        raise SetupError("the bench sends its requests with wrk, which is not installed: apt-get install wrk")
    return found


def wrk_version() -> str:
    """The version that wrk tells of itself."""
    told = subprocess.run([wrk_program(), "-v"], capture_output=True, text=True, check=False)  # it exits with 1
    return told.stdout.split("[")[0].removeprefix("wrk ").strip()


def closed_loop(
    port: int, requests: Sequence[Request], proof: str, *, connections: int, seconds: float, folder: Path
) -> Sent:
    """Send for so many seconds, a whole number of them, at least one. Raises SetupError when wrk fails."""
    run, file = new_run(), folder / "requests"
    file.write_bytes(requests_file(requests))
    command = [
        wrk_program(),
        "--threads",
        "1",
        "--connections",
        connections,
        "--duration",
        f"{max(1, round(seconds))}s",
    ]
    command += ["--timeout", f"{TIMEOUT_S}s", "--script", SCRIPT, f"http://127.0.0.1:{port}", "--", file, run, proof]
    before = _children_cpu_s()
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    return read_wrk(done.stdout, run=run, cpu_s=_children_cpu_s() - before)


def read_wrk(output: str, *, run: str, cpu_s: float) -> Sent:
    """What the last line of wrk's output tells. An answer that is not good has failed, as has what got none."""
    told = json.loads(output.strip().splitlines()[-1])
    p50, p90, p99, most = (told[f"{name}_us"] / 1_000 for name in ("p50", "p90", "p99", "max"))
    return Sent(
        run=run,
        seconds=told["seconds"],
        answered=told["good"],
        failed=told["answers"] - told["good"] + told["broken"] + told["timeouts"],
        latencies=Latencies(p50, p90, p99, most),
        cpu_s=cpu_s,
    )


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
