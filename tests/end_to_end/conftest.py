"""What a newcomer starts: `fairstall up` with the shipped model, for the tests of what the pages show."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Running:
    port: int
    key: str


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
            yield Running(port, json.loads((home / "first-login.json").read_text())["api_key"])
        finally:
            process.terminate()
            process.communicate(timeout=30)
