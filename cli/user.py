"""`fairstall user`: the people who may log in to the console."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, TypeAlias

import typer

from fairstall.cli.settings import DEFAULT_HOME, DatabaseSetting, HomeSetting, database_url
from fairstall.labeling.accounts import MIN_PASSWORD_CHARACTERS, Account, Accounts, check_password, tidy_name
from fairstall.labeling.console import utc_now
from fairstall.labeling.permissions import Role
from fairstall.model.errors import InputError
from fairstall.model.wire import iso_utc
from fairstall.records.engine import migrate, open_engine

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The people who may log in to the console.")

Name: TypeAlias = Annotated[str, typer.Argument(help="a-z, 0-9, '.', '_' and '-'; case does not matter.")]
RoleOption: TypeAlias = Annotated[Role, typer.Option("--role", help="What the person may do; docs/reviewing.md tells.")]


@app.command()
def create(
    name: Name, role: RoleOption = Role.MODERATOR, home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None
) -> None:
    """Add a person. The password comes from a prompt, or as one line from standard input when that is piped."""
    tidy = tidy_name(name)
    password = _new_password(tidy)
    with _accounts(home, database) as accounts:
        user = accounts.create(tidy, role, password)
    typer.echo(f"{user.name} may log in as {user.role}.")


@app.command("list")
def list_users(home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Write one person a line: name, role, state, and when the account was made, separated by tabs."""
    with _accounts(home, database) as accounts:
        everybody = accounts.all()
    for account in everybody:
        typer.echo("\t".join((account.user.name, str(account.user.role), _state(account), account.created_at)))


@app.command()
def disable(name: Name, home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Shut an account: its sessions end at once. What the person decided stays."""
    with _accounts(home, database) as accounts:
        accounts.disable(name)
    typer.echo(f"{tidy_name(name)} can no longer log in.")


@app.command()
def enable(name: Name, home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Open an account again that was disabled, or locked after failed logins."""
    with _accounts(home, database) as accounts:
        accounts.enable(name)
    typer.echo(f"{tidy_name(name)} may log in again.")


@app.command()
def password(name: Name, home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Set a new password; the person's sessions end at once."""
    tidy = tidy_name(name)
    new = _new_password(tidy)
    with _accounts(home, database) as accounts:
        accounts.set_password(tidy, new)
    typer.echo(f"The password of {tidy} is changed.")


@contextmanager
def _accounts(home: HomeSetting, database: DatabaseSetting) -> Iterator[Accounts]:
    engine = open_engine(database_url(home, database))
    try:
        migrate(engine)
        yield Accounts(engine, utc_now)
    finally:
        engine.dispose()


def _new_password(name: str) -> str:
    """A password nobody sees: typed twice at a terminal, or the first line of standard input. Raises InputError."""
    if not sys.stdin.isatty():
        piped = sys.stdin.readline().rstrip("\r\n")
        check_password(piped)
        return piped
    typed = getpass.getpass(f"Password for {name} (at least {MIN_PASSWORD_CHARACTERS} characters): ")
    check_password(typed)
    if getpass.getpass("The same again: ") != typed:
        raise InputError("the two passwords differ; nothing was changed")
    return typed


def _state(account: Account) -> str:
    if account.disabled:
        return "disabled"
    locked = account.locked_until is not None and account.locked_until > iso_utc(utc_now())
    return "locked" if locked else "active"
