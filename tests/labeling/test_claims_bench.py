"""`fairstall bench claims` in small: it measures the queue that ships, and keeps what it filled."""

import json

from typer.testing import CliRunner

from fairstall.cli.main import app
from fairstall.labeling.claims_bench import add_claimers, fill_queue, measure_claims


def test_claimers_work_off_a_queue_on_both_databases_and_nobody_is_served_twice(store):
    filled: list[int] = []
    fill_queue(store.engine, 300, filled.append)
    times = measure_claims(store.engine, add_claimers(store.engine, 8), pause_s=0.0, seconds=2)
    assert (sum(filled), times.cases, times.claimers, times.served_twice) == (300, 300, 8, 0)
    assert 0 < times.p50_ms <= times.p99_ms <= times.largest_ms
    fill_queue(store.engine, 300, filled.append)
    assert measure_claims(store.engine, add_claimers(store.engine, 1), pause_s=0.0, seconds=1).cases == 300


def test_the_command_tells_and_keeps_what_it_found(tmp_path):
    options = ["--cases", "1000", "--claimers", "2", "--seconds", "1", "--pause", "0", "--home", str(tmp_path)]
    told = CliRunner().invoke(app, ["bench", "claims", *options], catch_exceptions=False)
    assert "claims by 2 people on 1,000 open cases" in told.stdout
    kept = json.loads((tmp_path / "bench" / "claims-sqlite.json").read_text())
    assert (kept["cases"], kept["served_twice"]) == (1000, 0)
    assert kept["machine"]["cores"]
