"""`fairstall bench claims` in small: it measures the queue that ships, and keeps what it filled."""

import json

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from fairstall.cli.main import app
from fairstall.labeling.claims_bench import add_claimers, fill_queue, measure_claims
from fairstall.labeling.queue import ReviewQueue
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.records.engine import reading, writing

USES_BEFORE_A_PLAN_IS_KEPT = 10  # five before psycopg prepares a statement, five before PostgreSQL keeps its plan


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


def test_postgresql_keeps_the_plan_of_a_claim(store, clock):
    if store.engine.dialect.name != "postgresql":
        pytest.skip("SQLite plans a statement in no time")
    fill_queue(store.engine, 3_000, lambda _count: None)
    [person] = add_claimers(store.engine, 1)
    with writing(store.engine) as connection:
        connection.execute(text("ANALYZE"))
    queue = ReviewQueue(store.engine, clock)
    for _ in range(USES_BEFORE_A_PLAN_IS_KEPT + 5):
        queue.decide(queue.claim(person).case_id, person, ReviewVerdict.COMPLIANT)
    prepared = text("SELECT statement FROM pg_prepared_statements WHERE generic_plans > 0 AND statement LIKE :begin")
    with reading(store.engine) as connection:
        kept = connection.execute(prepared, {"begin": "UPDATE cases SET lease_holder%"}).scalars().all()
        plans = [str(connection.exec_driver_sql(f"EXPLAIN (GENERIC_PLAN) {one}").all()) for one in kept]
    assert len(kept) == 2  # of the case that somebody has, and of the most urgent
    assert not any("Seq Scan on cases" in plan or "Hash" in plan for plan in plans)
