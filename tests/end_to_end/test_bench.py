"""`fairstall bench --quick` with real servers: everything is measured, nothing is lost, and it can be written down."""

import json
import subprocess
import sys
from typing import Any

import pytest

from fairstall.serving.bench.contestants import FULL, PLAINS, SERVICE
from fairstall.serving.bench.figures import figures
from fairstall.serving.bench.report import BEGIN, END
from fairstall.serving.bench.results import read_result
from fairstall.serving.bench.stores import count_decisions

LISTINGS = [
    {"listing_id": f"l-{number}", "seller_id": "s", "title": title, "description": f"Number {number}, hardly used."}
    for number, title in enumerate(("Garden chair", "Old pistol", "Pure heroin", "Table lamp"))
]


def bench(*arguments: Any) -> str:
    command = [sys.executable, "-m", "fairstall.cli.main", "bench", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def home(tiny_bundle, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    file = home / "listings.jsonl"
    file.write_text("\n".join(map(json.dumps, LISTINGS)))
    options = ("--quick", "--ledger-rows", 300, "--listings", file)
    (home / "told").write_text(bench(*options, "--bundle", tiny_bundle.folder, "--home", home))
    return home


@pytest.fixture(scope="module")
def result(home):
    return read_result(home / "bench" / "bench.json")


def test_every_contestant_answers_every_request_and_loses_no_decision(result):
    assert result.contestants == [*SERVICE, *PLAINS]
    runs = [(server.contestant, run) for server in result.servers for run in server.runs]
    assert [(name, str(run.load)) for name, run in runs if run.failed or run.lost] == []
    assert {name for name, run in runs if run.answered} == set(result.contestants)
    kept = {name for name, run in runs if run.stored is not None}
    assert kept == {SERVICE[0], FULL}
    assert all(run.server_cpu_s >= 0 and run.server_peak_mb > 20 for _, run in runs)


def test_every_figure_but_that_against_frameworks_is_measured(result):
    assert {figure.name for figure in figures(result) if figure.value is None} == {"that against the best framework"}
    assert result.listings.source == "listings.jsonl"
    assert result.listings.count == len(LISTINGS)


def test_the_full_ledger_is_kept_for_the_next_run_and_nothing_else_is(home):
    left = {path.name for path in (home / "bench").iterdir()}
    files = {"bench.json", "listings.jsonl", "requests", "server.log", "performance.png", "performance.svg"}
    assert files <= left
    assert {name for name in left - files if not name.startswith("ledger-300.sqlite")} == set()
    assert count_decisions(f"sqlite:///{home / 'bench' / 'ledger-300.sqlite'}") > 300


def test_the_run_is_told_and_can_be_written_into_a_page(home):
    told = (home / "told").read_text()
    assert "raw limit" in told
    assert "A quick run: it shows that all works, its figures tell nothing." in told
    page = home / "page.md"
    page.write_text(f"# Performance\n\n{BEGIN}\n{END}\n")
    bench("report", home / "bench" / "bench.json", "--write", page)
    assert "| raw limit |" in page.read_text()
    assert (home / "figures" / "performance.svg").exists()
