"""`fairstall key`: the key alone on standard output, everything else beside it."""

import pytest
from typer.testing import CliRunner

from fairstall.cli.key import app
from fairstall.model.errors import Conflict, InputError, NotFound
from fairstall.records.engine import open_engine
from fairstall.records.keys import find_key


@pytest.fixture
def key(tmp_path):
    def run(*arguments):
        return CliRunner().invoke(app, [*arguments, "--home", str(tmp_path)])

    return run


def test_a_new_key_is_printed_alone_and_works(key, tmp_path):
    made = key("create", "shop", "--scope", "score")
    assert made.exit_code == 0
    assert made.stdout.startswith("fs_")
    assert made.stdout.count("\n") == 1
    assert "not shown again" in made.stderr
    engine = open_engine(f"sqlite:///{tmp_path / 'fairstall.sqlite'}")
    assert find_key(engine, made.stdout.strip()).name == "shop"
    engine.dispose()


def test_keys_are_listed_with_their_state_and_without_their_secret(key):
    secret = key("create", "shop", "--scope", "score").stdout.strip()
    key("create", "dashboard", "--scope", "read")
    key("revoke", "shop")
    lines = [line.split("\t") for line in key("list").stdout.splitlines()]
    assert [(name, scope) for name, scope, *_ in lines] == [("shop", "score"), ("dashboard", "read")]
    assert [state.split()[0] for *_, state, _ in lines] == ["revoked", "in"]
    assert secret not in key("list").output


def test_a_key_may_end_by_itself_and_have_a_rate(key):
    assert key("create", "guest", "--scope", "score", "--expires", "2999-01-31", "--rate", "0.5").exit_code == 0
    assert key("list").stdout.split("\t")[3:] == ["in use until 2999-01-31", "0.5/s\n"]
    late = key("create", "late", "--scope", "score", "--expires", "2020-01-31")
    assert isinstance(late.exception, InputError)


@pytest.mark.parametrize(
    ("arguments", "error"), [(("create", "shop", "--scope", "read"), Conflict), (("revoke", "no"), NotFound)]
)
def test_a_name_that_is_taken_or_not_there_is_told(key, arguments, error):
    key("create", "shop", "--scope", "score")
    assert isinstance(key(*arguments).exception, error)


def test_a_scope_that_is_none_is_refused(key):
    assert key("create", "shop", "--scope", "root").exit_code == 2
