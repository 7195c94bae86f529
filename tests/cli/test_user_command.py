"""`fairstall user`: people on the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fairstall.cli.user import app


@pytest.fixture
def user(tmp_path: Path):
    def run(*arguments: str, typed: str = "", status: int = 0) -> str:
        done = CliRunner().invoke(app, [*arguments, "--home", str(tmp_path)], input=typed)
        assert done.exit_code == status, done.output
        return str(done.exception or done.output)

    return run


def test_people_are_added_given_another_role_and_listed(user) -> None:
    user("create", "Noor", typed="a good password\n")
    user("create", "kim@market.example", "--role", "admin", "--single-sign-on")
    assert user("role", "noor", "senior") == "noor is senior now.\n"
    listed = [line.split("\t")[:3] for line in user("list").splitlines()]
    assert listed == [["kim@market.example", "admin", "active"], ["noor", "senior", "active"]]


def test_the_last_administrator_stays_one(user) -> None:
    user("create", "kim", "--role", "admin", typed="a good password\n")
    assert "kim is the last administrator" in user("role", "kim", "auditor", status=1)
    assert "kim is the last administrator" in user("disable", "kim", status=1)
    assert user("list").split("\t")[:3] == ["kim", "admin", "active"]
