from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fairstall.cli.policy import app
from fairstall.model.policy_file import starter_policies

STARTER = Path("policies/starter.yaml")


def run(*arguments: object, width: int = 200) -> Result:
    return CliRunner(env={"COLUMNS": str(width), "NO_COLOR": "1"}).invoke(app, [str(one) for one in arguments])


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = STARTER.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "changed.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_good_file_is_summed_up_in_one_line():
    result = run("check", STARTER)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{starter_policies().version}: 17 policies, ")
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""


def test_every_problem_is_a_line_on_standard_error(tmp_path: Path):
    path = changed(tmp_path, "    severity: critical\n    points: 10", "    severity: '[bold]high'\n    points: 1000")
    line = path.read_text(encoding="utf-8").splitlines().index("    points: 1000") + 1
    result = run("check", path, width=40)
    assert result.exit_code == 1
    assert result.stdout == ""
    expected = "should be 'low', 'medium', 'high' or 'critical', not '[bold]high'"
    assert result.stderr.splitlines() == [
        f"{path}:{line - 1}:15: prohibited/drugs severity: {expected}",
        f"{path}:{line}:13: prohibited/drugs points: should be less than or equal to 100, not 1000",
    ]


def test_missing_file_is_told_in_the_same_form(tmp_path: Path):
    result = run("check", tmp_path / "none.yaml")
    assert result.exit_code == 1
    assert result.stderr == f"{tmp_path}/none.yaml:1:1: file: cannot be read: No such file or directory\n"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    points: 10", "    points: 7", ("prohibited/drugs", "points", "10", "7")),
        ("        - mdma pills\n", "", ("prohibited/drugs", "terms", "mdma pills (review)")),
        ("title: Illegal drugs", "title: Drugs", ("title", "Illegal drugs", "Drugs")),
        ("missed: 0.02", "missed: 0.01", ("targets", "missed 0.02", "missed 0.01")),
        ("    points: 10", "    points: 10\n    on_timeout: review", ("on_timeout", "hold", "review")),
        ("code: prohibited/drugs", "code: prohibited/pills", ("prohibited/pills", "policy", "Illegal drugs")),
    ],
)
def test_diff_shows_what_changed(tmp_path: Path, old: str, new: str, expected: tuple[str, ...]):
    result = run("diff", STARTER, changed(tmp_path, old, new))
    assert result.exit_code == 0
    assert [words for words in expected if words not in result.stdout] == []


def test_diff_of_equal_files_says_so():
    assert "hold the same policies" in run("diff", STARTER, STARTER).stdout
