"""`fairstall user`, `export-labels`, `export-tasks` and `import-labels` as an operator types them."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from fairstall.records.ledger import CaseReason

PASSWORD = "three blind moderators"


@pytest.fixture
def fairstall(tmp_path):
    """Run the command line in a home of its own; returns the finished process."""

    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess:
        environment = {**os.environ, "FAIRSTALL_HOME": str(tmp_path)}
        environment.pop("FAIRSTALL_DATABASE", None)
        command = [sys.executable, "-m", "fairstall.cli.main", *arguments]
        return subprocess.run(command, input=stdin, env=environment, capture_output=True, text=True, timeout=60)

    return run


def test_a_person_is_put_into_teams_and_out_of_them(fairstall):
    fairstall("user", "create", "mira", stdin=PASSWORD + "\n")
    assert fairstall("user", "teams", "Mira", "brands", "Medicines").stdout == "mira is in brands, medicines.\n"
    assert fairstall("user", "teams", "mira").stdout == "mira is in no team.\n"


def test_a_user_is_created_listed_disabled_and_enabled(fairstall):
    created = fairstall("user", "create", "Mira", "--role", "senior", stdin=PASSWORD + "\n")
    assert (created.returncode, created.stdout) == (0, "mira may log in as senior.\n")
    assert fairstall("user", "list").stdout.split("\t")[:3] == ["mira", "senior", "active"]
    assert fairstall("user", "disable", "mira").returncode == 0
    assert fairstall("user", "list").stdout.split("\t")[2] == "disabled"
    assert fairstall("user", "enable", "mira").returncode == 0
    assert fairstall("user", "password", "mira", stdin="another password\n").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "stdin", "problem"),
    [
        (("create", "mira"), "short\n", "needs at least 10"),
        (("create", "mira"), "", "needs at least 10"),
        (("create", "no good"), PASSWORD, "is no name"),
        (("create", "mira", "--role", "boss"), PASSWORD, "boss"),
        (("disable", "nobody"), "", "there is no user called nobody"),
    ],
)
def test_what_cannot_be_done_is_said_without_a_traceback(fairstall, arguments, stdin, problem):
    refused = fairstall("user", *arguments, stdin=stdin)
    assert refused.returncode != 0
    assert problem in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_typed_password_is_asked_twice_and_never_shown(tmp_path):
    environment = {**os.environ, "FAIRSTALL_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "fairstall.cli.main", "user", "create", "mira"]
    terminal, theirs = pty.openpty()
    files = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    child = subprocess.Popen(command, env=environment, start_new_session=True, **files)
    seen = b""
    for awaited in (b"characters): ", b"again: ", b"may log in"):
        while awaited not in seen:
            seen += os.read(terminal, 1_000)
        os.write(terminal, PASSWORD.encode() + b"\n")
    assert child.wait(60) == 0
    os.close(terminal)
    os.close(theirs)
    assert PASSWORD.encode() not in seen


def test_labels_go_out_and_in(fairstall, tmp_path):
    out = fairstall("export-labels")
    assert (out.returncode, out.stdout) == (0, f"{tmp_path}/labels/reviews.jsonl\n")
    assert json.loads((tmp_path / "labels" / "reviews.manifest.json").read_text())["rows"] == 0
    label = {"id": "1", "title": "Cane with a blade", "description": "", "language": "en", "verdict": "violation"}
    mine = tmp_path / "mine.jsonl"
    mine.write_text(json.dumps(label | {"policies": ["prohibited/weapons"], "label_kind": "human"}))
    kept = fairstall("import-labels", str(mine))
    assert kept.returncode == 0, kept.stderr
    assert kept.stdout.startswith(f"{tmp_path}/labels/imported/mine-")
    mine.write_text("{}")
    refused = fairstall("import-labels", str(mine))
    assert refused.returncode == 1
    assert f"{mine}:1: id: Field required" in refused.stderr


def test_cases_go_to_label_studio_and_come_back_as_labels(fairstall, sqlite_store, tmp_path):
    case_id = sqlite_store.open_case("Cane with a blade", reason=CaseReason.CONTROL, inclusion_probability=0.01)
    store = ("--database", f"sqlite:///{tmp_path}/records.sqlite")
    out = fairstall("export-tasks", "--limit", "5", *store)
    assert (out.returncode, out.stdout) == (0, f"{tmp_path}/labels/tasks.json\n")
    assert out.stderr == f"Tasks: 1, with the labeling configuration {tmp_path}/labels/tasks.xml\n"
    (task,) = json.loads((tmp_path / "labels" / "tasks.json").read_text())
    chosen = {"from_name": "policies", "type": "choices", "value": {"choices": ["prohibited/weapons"]}}
    tasks = [{"id": 1, **task, "annotations": [{"result": [chosen]}]}, {"id": 2, **task, "annotations": []}]
    (tmp_path / "mine.json").write_text(json.dumps(tasks))
    kept = fairstall("import-labels", str(tmp_path / "mine.json"), "--format", "label-studio", *store)
    assert kept.returncode == 0, kept.stderr
    assert kept.stderr == "Tasks left out, not annotated: 1 (2)\n1 labels (1 violation)\n"
    row = json.loads(Path(kept.stdout.strip()).read_text())
    assert (row["case_id"], row["inclusion_probability"]) == (case_id, 0.01)


def test_reviews_go_to_label_studio(fairstall, tmp_path):
    out = fairstall("export-labels", "--format", "label-studio", "--email-domain", "example.com")
    assert (out.returncode, out.stdout) == (0, f"{tmp_path}/labels/reviews.json\n")
    assert {file.name for file in (tmp_path / "labels").iterdir()} == {"reviews.json", "reviews.xml"}
    refused = fairstall("export-labels", "--email-domain", "example.com")
    assert (refused.returncode, "goes with --format label-studio" in refused.stderr) == (1, True)
