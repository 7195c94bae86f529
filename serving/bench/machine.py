"""The machine, the software and how busy both were: what figures cannot be read without."""

import os
import platform
import re
import sqlite3
from importlib import metadata
from pathlib import Path

from fairstall.serving.bench.closed_loop import wrk_version

TELLING_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")
PACKAGES = (
    "fairstall",
    "onnxruntime",
    "tokenizers",
    "numpy",
    "fastapi",
    "starlette",
    "uvicorn",
    "uvloop",
    "sqlalchemy",
)
BUSY_LOAD = 0.5  # processes that ran, averaged over a minute


def machine_facts() -> dict[str, str]:
    """Processor, cores that may be used, flags that matter to int8, memory, kernel, load before the first round."""
    processor = Path("/proc/cpuinfo").read_text()
    flags = set(_first(r"^flags\s*: (.*)$", processor).split())
    memory_kib = int(_first(r"^MemTotal: *(\d+)", Path("/proc/meminfo").read_text()) or 0)
    return {
        "processor": _first(r"^model name\s*: (.*)$", processor) or platform.processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "flags": " ".join(flag for flag in TELLING_FLAGS if flag in flags),
        "memory": f"{memory_kib * 1_024 / 1e9:.0f} GB",
        "kernel": platform.release(),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def versions() -> dict[str, str]:
    """Of Python, of the packages that take part, of SQLite and of wrk."""
    found = {name: metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found, "sqlite": sqlite3.sqlite_version, "wrk": wrk_version()}


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1].strip() if found else ""
