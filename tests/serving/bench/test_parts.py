"""What the bench is made of beside loads and report: listings, raw limit, processes, stores, full ledger, install."""

import os
import py_compile
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib import metadata

import pytest
from sqlalchemy import func, select

from fairstall.model.assess import Assessor
from fairstall.model.errors import SetupError
from fairstall.model.listing import Listing
from fairstall.model.policy_file import starter_policies
from fairstall.model.scorer import OnnxScorer
from fairstall.model.wire import json_line, listing_body
from fairstall.records.engine import reading
from fairstall.records.schema import migrate
from fairstall.records.tables import audit_leaves, blocked_prints, cases, events
from fairstall.serving.bench.full_ledger import LedgerFiller
from fairstall.serving.bench.install_size import distribution_bytes, serving_install_mb
from fairstall.serving.bench.listings import choose_listings, listing_facts
from fairstall.serving.bench.machine import machine_facts, versions
from fairstall.serving.bench.processes import free_port, server_process
from fairstall.serving.bench.raw import raw_limit
from fairstall.serving.bench.single import is_ready
from fairstall.serving.bench.stores import count_decisions, opened, stores_at

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LISTINGS = [
    Listing(f"l-{number}", "s", title, "of good quality and hardly used, " * 6)
    for number, title in enumerate(("heroin", "pistol", "wooden chair", "table lamp"))
]


@pytest.fixture
def assessor(tiny_bundle):
    return Assessor(tiny_bundle, starter_policies())


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def stores(request, tmp_path):
    server = request.getfixturevalue("postgres_server") if request.param == "postgresql" else None
    return stores_at(server, tmp_path)


def test_listings_of_usual_length_are_chosen_the_same_way_each_time():
    usual = [Listing(f"l-{number}", "s", "chair", "word " * 40) for number in range(20)]
    odd = [Listing("short", "s", "chair", "word"), Listing("long", "s", "chair", "word " * 200)]
    chosen = choose_listings([*odd, *usual], 5)
    assert len(chosen) == 5
    assert choose_listings([*reversed(usual), *odd], 5) == chosen
    assert not {one.listing_id for one in chosen} & {"short", "long"}


def test_the_listings_are_told_of(assessor, tiny_bundle):
    facts = listing_facts(LISTINGS, "a file", assessor, [OnnxScorer(tiny_bundle)])
    assert (facts.count, facts.median_words) == (4, 37.5)
    assert facts.outcomes["block"] == 0.25
    assert sum(facts.outcomes.values()) == 1


def test_the_raw_limit_is_measured_in_a_process_of_its_own(tiny_bundle, tmp_path):
    file = tmp_path / "listings.jsonl"
    file.write_text("".join(json_line(listing_body(one)) + "\n" for one in LISTINGS))
    found = raw_limit(tiny_bundle.folder, file, seconds=0.1)
    assert found.listings_per_s > 0
    assert 0 < found.one.p50_ms <= found.one.p99_ms
    with pytest.raises(SetupError, match="raw limit"):
        raw_limit(tmp_path, file, seconds=0.1)


def test_a_server_is_watched_with_its_children_and_ended_with_them(tmp_path):
    port, child = free_port(), "import time; time.sleep(600)"
    program = f"""
import http.server, subprocess, sys
subprocess.Popen([sys.executable, "-c", {child!r}])
http.server.test(http.server.SimpleHTTPRequestHandler, port={port}, bind="127.0.0.1")
"""
    command = [sys.executable, "-c", program]
    with server_process(
        command, is_ready=lambda: is_ready(port, "/"), log=tmp_path / "log", folder=tmp_path
    ) as process:
        pids = process.pids()
        assert len(pids) == 2
        assert process.ready_s > 0
        assert process.cpu_s() > 0
        process.forget_peak()
        assert process.peak_mb() > 2
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids[:1])


def test_a_server_that_ends_by_itself_shows_the_end_of_its_log(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit('no such port')"]
    with (
        pytest.raises(SetupError, match="no such port"),
        server_process(command, is_ready=lambda: False, log=tmp_path / "log"),
    ):
        pass


def test_settings_of_whoever_runs_the_bench_do_not_reach_the_server(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRSTALL_CONTROL_RATE", "1")
    program = "import os; raise SystemExit(str([name for name in os.environ if name.startswith('FAIRSTALL')]))"
    with (
        pytest.raises(SetupError, match=r"\['FAIRSTALL_PORT'\]"),
        server_process(
            [sys.executable, "-c", program],
            is_ready=lambda: False,
            log=tmp_path / "log",
            variables={"FAIRSTALL_PORT": "1"},
        ),
    ):
        pass


def test_a_full_ledger_has_what_the_service_would_have_stored_and_is_kept(stores, assessor, tiny_bundle):
    done: list[int] = []
    for wanted, until in ((6, NOW), (10, NOW + timedelta(hours=1))):
        filler = LedgerFiller(assessor, [OnnxScorer(tiny_bundle)], LISTINGS, until=until)
        with stores.kept("ledger-10") as url, opened(url) as engine:
            migrate(engine)
            filler.fill(engine, present=count_decisions(url), wanted=wanted, progress=done.append)
    with stores.kept("ledger-10") as url, opened(url) as engine, reading(engine) as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (events, blocked_prints, cases, audit_leaves)
        ]
        prints = [*connection.execute(select(blocked_prints.c.print)).scalars()]
    assert done == [6, 4]
    assert count_decisions(url) == 10
    assert counts[:2] == [10, 3]
    assert counts[2] > 0
    assert counts[3] == 10
    assert len(set(prints)) == 3
    assert count_decisions(url, run="ledger-00000000") == 10
    assert count_decisions(url, run="ledger-000000009") == 1


def test_an_empty_store_is_empty_each_time_and_gone_afterwards(stores, assessor, tiny_bundle, tmp_path):
    filler, urls = LedgerFiller(assessor, [OnnxScorer(tiny_bundle)], LISTINGS, until=NOW), set()
    for _ in range(2):
        with stores.empty() as url:
            urls.add(url)
            with opened(url) as engine:
                migrate(engine)
                filler.fill(engine, present=0, wanted=4, progress=lambda _more: None)
            assert count_decisions(url) == 4
    assert len(urls) == 2
    assert not [*tmp_path.glob("store-*")]


def test_a_sqlite_file_is_no_server_to_make_databases_on(tmp_path):
    with pytest.raises(SetupError, match="PostgreSQL"):
        stores_at(f"sqlite:///{tmp_path / 'records.sqlite'}", tmp_path)


def test_the_serving_install_is_weighed_without_the_training_stack():
    sizes = serving_install_mb()
    assert {"fairstall", "onnxruntime", "fastapi", "uvloop", "sqlalchemy", "psycopg-binary"} <= set(sizes)
    assert not {"torch", "transformers", "datasets", "mlflow", "matplotlib"} & set(sizes)
    assert all(size > 0 for name, size in sizes.items() if name not in ("exceptiongroup",))
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)


def test_bytecode_that_was_written_after_the_install_is_weighed_too(tmp_path):
    (tmp_path / "weighed-1.dist-info").mkdir()
    (tmp_path / "weighed-1.dist-info" / "RECORD").write_text("weighed.py,,\nunused.py,,\n")
    for name in ("weighed.py", "unused.py"):
        (tmp_path / name).write_text("x = 1\n")
    installed = metadata.PathDistribution(tmp_path / "weighed-1.dist-info")
    before = distribution_bytes(installed)
    py_compile.compile(str(tmp_path / "weighed.py"))
    assert 0 < before < distribution_bytes(installed)


def test_machine_and_versions_are_told():
    assert set(machine_facts()) == {"processor", "cores", "flags", "memory", "kernel", "load before"}
    assert {"python", "fairstall", "onnxruntime", "sqlite", "wrk"} <= set(versions())
    assert "4." in versions()["wrk"]


def test_nothing_imports_the_programs_of_other_frameworks():
    program = "import sys, fairstall.serving.bench.run; print([name for name in sys.modules if '.peers.' in name])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
