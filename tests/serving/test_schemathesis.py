"""schemathesis finds nothing: whatever is sent, the answer is one that the service's own OpenAPI document promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fairstall.serving.limits import Limits

HERE = Path(__file__).parent / "fuzz"


def fuzz(served, folder: Path, *, examples: int) -> int:
    """How many requests were made. Fails with what schemathesis says when any answer breaks a promise."""
    run = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run"]
    chosen = ["--no-color", "--max-examples", str(examples), "--seed", "1", "--continue-on-failure"]
    document = f"{served.client.base_url}/openapi.json"
    environment = os.environ | {"FAIRSTALL_KEY": served.secret, "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py")}
    done = subprocess.run([*run, *chosen, document], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.findall(r"([0-9]+) generated", done.stdout)[0])


@pytest.fixture
def patient(sqlite_engine, make_parts, serve_parts):
    """A service that takes its time, so that a slow machine is no finding."""
    with serve_parts(make_parts(sqlite_engine, limits=Limits(deadline_s=60))) as served:
        yield served


def test_no_answer_breaks_a_promise_of_the_document(patient, tmp_path):
    assert fuzz(patient, tmp_path, examples=3) > 300


@pytest.mark.nightly
def test_no_answer_breaks_a_promise_in_20_000_cases(patient, tmp_path):
    assert fuzz(patient, tmp_path, examples=1_500) > 20_000
