"""Which code a number was made with."""

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def code_revision() -> str:
    """`git describe` of the checkout that this module runs from, with `-dirty` when files differ; else the version."""
    root = Path(__file__).parents[1]
    return (_described(root) if (root / ".git").exists() else "") or _installed_version()


def _described(root: Path) -> str:
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--tags"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _installed_version() -> str:
    try:
        return version("fairstall")
    except PackageNotFoundError:
        return "unknown"
