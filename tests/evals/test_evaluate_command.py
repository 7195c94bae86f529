"""`fairstall evaluate`, `compare`, `promote` and `rollback`, run as commands on real bundles of a few kilobytes."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fairstall.model.bundle import open_bundle
from fairstall.model.deployed import Deployments

UNHEARD = dict.fromkeys(("prohibited/drugs", "prohibited/weapons", "prohibited/wildlife"), 4.8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_tiny_bundle, tiny_words, listings) -> Path:
    """Bundles `plain`, `better`, which knows a word more, and `worse`, which knows no drugs; and rows to compare on."""
    root = tmp_path_factory.mktemp("promotion")
    make_tiny_bundle(root / "plain")
    make_tiny_bundle(root / "better", name="better", words={**tiny_words, "unheard": UNHEARD})
    ignorant = {word: by for word, by in tiny_words.items() if "prohibited/drugs" not in by}
    make_tiny_bundle(root / "worse", name="worse", words=ignorant)
    with (root / "rows.jsonl").open("w") as file:
        for row in listings:
            file.write(json.dumps({"id": row.id, "title": row.title, "policies": sorted(row.policies)}) + "\n")
    return root


@pytest.fixture
def home(tmp_path, folder) -> Path:
    """A home folder in which `plain` serves."""
    deployments = Deployments(tmp_path / "home" / "models")
    deployments.deploy(open_bundle(folder / "plain"), reason="the first", deployed_at="2026-11-22T12:00:00Z")
    return tmp_path / "home"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/tmp"), "COLUMNS": "200"}
    command = [sys.executable, "-m", "fairstall.cli.main", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def promote(folder: Path, home: Path, bundle: str, *more: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "promote", bundle, "--data", "rows.jsonl", "--home", str(home), "--draws", "200", *more)


def champion(home: Path) -> str:
    return Deployments(home / "models").current().version.partition("-")[0]


def test_evaluate_prints_tables_and_leaves_one_run(folder, tmp_path):
    done = run(folder, "evaluate", "plain", "--data", "rows.jsonl", "--home", str(tmp_path), "--draws", "100")
    assert done.returncode == 0, done.stderr
    assert "prohibited.drugs" in done.stdout
    assert "Not measured, no row violates them: misleading/health_claim" in done.stdout
    with sqlite3.connect(tmp_path / "mlflow.sqlite") as store:
        [(name, status)] = store.execute("SELECT name, status FROM runs").fetchall()
        metrics = dict(store.execute("SELECT key, value FROM latest_metrics").fetchall())
    assert (name.startswith("tiny-"), status) == (True, "FINISHED")
    assert 0 < metrics["policy/prohibited.drugs/average_precision"] < 1
    assert len(list((tmp_path / "mlartifacts").rglob("*.png"))) == 5
    [errors] = (tmp_path / "mlartifacts").rglob("worst_errors.json")
    table = json.loads(errors.read_text())
    assert {"policy", "truth", "probability", "evidence", "title"} <= set(table["columns"])
    missed = [row for row in table["data"] if "unheard" in row[table["columns"].index("title")]]
    assert missed, "violations in words that the bundle lacks are its worst errors"
    assert len(list((tmp_path / "mlartifacts").rglob("confusion.json"))) == 1


def test_compare_says_which_is_worse(folder, tmp_path):
    done = run(folder, "compare", "plain", "worse", "--data", "rows.jsonl", "--draws", "200", "--home", str(tmp_path))
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stdout.splitlines() if "prohibited.drugs" in line]
    assert line.split()[-1] == "worse"
    [line] = [line for line in done.stdout.splitlines() if "prohibited.weapons" in line]
    assert line.split()[-2:] == ["cannot", "tell"]


def test_a_comparison_is_a_page_and_a_run_that_links_the_evaluations(folder, tmp_path):
    quick = ("--data", "rows.jsonl", "--draws", "100", "--home", str(tmp_path))
    assert run(folder, "evaluate", "plain", "--suite", "held_out", *quick).returncode == 0
    done = run(folder, "compare", "plain", "worse", "--html", str(tmp_path / "page.html"), *quick)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "mlflow.sqlite") as store:
        of = "SELECT run_uuid FROM runs JOIN experiments USING (experiment_id) WHERE experiments.name = ?"
        [(evaluation,)] = store.execute(of, ["fairstall evaluations"]).fetchall()
        [(comparison,)] = store.execute(of, ["fairstall comparisons"]).fetchall()
        tags = dict(store.execute("SELECT key, value FROM tags WHERE run_uuid = ?", [comparison]).fetchall())
        metrics = dict(
            store.execute("SELECT key, value FROM latest_metrics WHERE run_uuid = ?", [comparison]).fetchall()
        )
    assert tags["fairstall.first_run"] == evaluation
    assert "fairstall.second_run" not in tags
    assert f"/runs/{evaluation})" in tags["mlflow.note.content"]
    assert "not evaluated on these rows" in tags["mlflow.note.content"]
    assert metrics["difference/policy/prohibited.drugs/average_precision"] < 0
    [logged] = (tmp_path / "mlartifacts").rglob("comparison.html")
    assert logged.read_text() == (tmp_path / "page.html").read_text()


def test_a_worse_candidate_is_refused_with_the_failing_line(folder, home):
    done = promote(folder, home, "worse")
    assert done.returncode == 1
    assert done.stderr.startswith("fairstall: refused by the gate: macro.average_precision: ")
    assert "policy/prohibited.drugs.average_precision" in done.stderr
    assert "Traceback" not in done.stderr
    assert champion(home) == "tiny"


def test_a_better_candidate_serves_and_a_rollback_brings_the_old_one_back(folder, home):
    done = promote(folder, home, "better")
    assert done.returncode == 0, done.stderr
    assert champion(home) == "better"
    assert "passed all" in Deployments(home / "models").current().reason
    assert run(folder, "rollback", "--home", str(home), "--reason", "complaints").returncode == 0
    assert champion(home) == "tiny"
    assert Deployments(home / "models").current().reason == "rollback: complaints"


def test_an_override_is_recorded_with_its_reason_and_the_refusal(folder, home):
    assert promote(folder, home, "worse", "--override", "--reason", "drill").returncode == 0
    reason = Deployments(home / "models").current().reason
    assert reason.startswith("override: drill; ")
    assert "refused by the gate: macro.average_precision" in reason


@pytest.mark.parametrize("more", [["--override"], ["--reason", "because"], ["--override", "--reason", " "]])
def test_an_override_and_its_reason_go_together(folder, home, more):
    done = promote(folder, home, "better", *more)
    assert (done.returncode, champion(home)) == (1, "tiny")
    assert "--override needs a --reason" in done.stderr


def test_an_altered_bundle_is_refused_even_with_an_override(folder, home, tmp_path):
    shutil.copytree(folder / "better", tmp_path / "altered")
    with (tmp_path / "altered" / "model.onnx").open("ab") as file:
        file.write(b"!")
    done = promote(folder, home, str(tmp_path / "altered"), "--override", "--reason", "hurry")
    assert (done.returncode, champion(home)) == (1, "tiny")
    assert "bundle.opens" in done.stderr
    assert "model.onnx was altered" in done.stderr


def test_a_candidate_is_not_promoted_unseen_or_twice(folder, home):
    done = run(folder, "promote", "better", "--home", str(home))
    assert (done.returncode, "--data" in done.stderr) == (2, True)
    done = promote(folder, home, "plain")
    assert (done.returncode, "serves already" in done.stderr) == (1, True)


def test_a_rules_file_of_the_operator_is_followed(folder, home, tmp_path):
    rules = tmp_path / "rules.toml"
    lenient = '[macro]\nrequire = "not_worse"\nmargin = 1'
    lenient += "\n[policy]\nlargest_loss = 1\n[calibration]\nlargest_ece_rise = 1\n[attacks]\nlargest_recall_loss = 1"
    rules.write_text(f"{lenient}\n[speed]\nlargest_slowdown = 9\n[coverage]\nlargest_automation_loss = 1\n")
    assert promote(folder, home, "worse", "--rules", str(rules)).returncode == 0
    assert champion(home) == "worse"
