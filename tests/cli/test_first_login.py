import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from fairstall.cli.first_login import FILE, first_login
from fairstall.cli.up import reachable, welcome
from fairstall.labeling.accounts import Accounts
from fairstall.labeling.permissions import Role
from fairstall.model.errors import SetupError
from fairstall.records.engine import open_engine
from fairstall.records.schema import migrate


def noon() -> datetime:
    return datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{tmp_path / 'records.sqlite'}")
    migrate(opened)
    yield opened
    opened.dispose()


def test_a_new_installation_gets_one_login_and_is_told_it_again(engine: Engine, tmp_path: Path) -> None:
    made = first_login(engine, tmp_path, noon)
    assert made is not None
    assert first_login(engine, tmp_path, noon) == made
    assert Accounts(engine, noon).log_in(made.user, made.password).role is Role.ADMIN
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_nothing_is_made_or_told_once_the_file_is_gone(engine: Engine, tmp_path: Path) -> None:
    first_login(engine, tmp_path, noon)
    (tmp_path / FILE).unlink()
    assert first_login(engine, tmp_path, noon) is None
    assert [account.user.name for account in Accounts(engine, noon).all()] == ["admin"]


def test_an_installation_with_users_of_its_own_gets_no_other(engine: Engine, tmp_path: Path) -> None:
    Accounts(engine, noon).create("ana", Role.MANAGER, "correct horse battery")
    assert first_login(engine, tmp_path, noon) is None
    assert not (tmp_path / FILE).exists()


def test_a_spoiled_file_is_the_operators_to_mend(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"user": "admin"}))
    with pytest.raises(SetupError, match=FILE):
        first_login(engine, tmp_path, noon)


def test_the_welcome_names_the_address_the_login_and_a_key(engine: Engine, tmp_path: Path) -> None:
    login = first_login(engine, tmp_path, noon)
    assert login is not None
    told = welcome("http://127.0.0.1:8000", login)
    assert all(part in told for part in ("http://127.0.0.1:8000/console/", login.password, f"Bearer {login.api_key}"))
    assert "YOUR_KEY" in welcome("http://127.0.0.1:8000", None)
    assert login.password not in welcome("http://127.0.0.1:8000", login, passwords=False)


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "localhost"), ("10.1.2.3", "10.1.2.3")])
def test_the_address_shown_is_one_that_a_browser_reaches(host: str, shown: str) -> None:
    assert reachable(host) == shown
