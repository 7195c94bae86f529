"""`fairstall user`: the people who may log in to the console."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from fairstall.cli.settings import DEFAULT_HOME, DatabaseSetting, HomeSetting
from fairstall.cli.store import opened_store
from fairstall.model.errors import InputError

if TYPE_CHECKING:
    from fairstall.labeling.accounts import Accounts

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The people who may log in to the console.")

Name: TypeAlias = Annotated[str, typer.Argument(help="a-z, 0-9 and . _ - @ +; case does not matter.")]
RoleName: TypeAlias = Literal["moderator", "senior", "manager", "engineer", "auditor", "admin"]
RoleOption: TypeAlias = Annotated[RoleName, typer.Option("--role", help="What the person may do: see docs/people.md.")]


@app.command()
def create(
    name: Name,
    role: RoleOption = "moderator",
    single_sign_on: Annotated[
        bool, typer.Option("--single-sign-on", help="Without a password, for whom the identity provider logs in.")
    ] = False,
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
) -> None:
    """Add a person. The password comes from a prompt, or as one line from standard input when that is piped."""
    from fairstall.labeling.accounts import tidy_name
    from fairstall.labeling.permissions import Role

    password = None if single_sign_on else _new_password(tidy_name(name))
    with _accounts(home, database) as accounts:
        user = accounts.create(name, Role(role), password) if password else accounts.admit(name, Role(role))
    typer.echo(f"{user.name} may log in as {user.role}.")


@app.command("list")
def list_users(home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Write one person a line: name, role, state, and when the account was made, separated by tabs."""
    from fairstall.model.wire import iso_utc

    with _accounts(home, database) as accounts:
        for account in accounts.all():
            state = "disabled" if account.disabled else "locked" if account.locked else "active"
            typer.echo("\t".join((account.user.name, account.user.role, state, iso_utc(account.created_at))))


@app.command("role")
def change_role(
    name: Name,
    role: Annotated[RoleName, typer.Argument(help="What the person may do: see docs/people.md.")],
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
) -> None:
    """Give a person another role: his sessions end at once."""
    from fairstall.labeling.permissions import Role

    with _accounts(home, database) as accounts:
        accounts.set_role(name, Role(role))
    typer.echo(f"{name} is {role} now.")


@app.command()
def disable(name: Name, home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Shut an account: its sessions end at once. What the person decided stays."""
    with _accounts(home, database) as accounts:
        accounts.disable(name)
    typer.echo(f"{name} can no longer log in.")


@app.command()
def enable(name: Name, home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Open an account again that was disabled, or locked after failed logins."""
    with _accounts(home, database) as accounts:
        accounts.enable(name)
    typer.echo(f"{name} may log in again.")


@app.command()
def password(name: Name, home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Set a new password; the person's sessions end at once."""
    new = _new_password(name)
    with _accounts(home, database) as accounts:
        accounts.set_password(name, new)
    typer.echo(f"The password of {name} is changed.")


@app.command()
def teams(
    name: Name,
    team: Annotated[
        list[str] | None, typer.Argument(help="All teams that the person is in; none to leave all.")
    ] = None,
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
) -> None:
    """Say which teams a person is in: cases that are handed to a team go to whoever is in it."""
    with _accounts(home, database) as accounts:
        user = accounts.set_teams(name, team or [])
    typer.echo(f"{user.name} is in {', '.join(user.teams) or 'no team'}.")


@contextmanager
def _accounts(home: HomeSetting, database: DatabaseSetting) -> Iterator["Accounts"]:
    from fairstall.labeling.accounts import Accounts
    from fairstall.labeling.console import utc_now

    with opened_store(home, database) as engine:
        yield Accounts(engine, utc_now)


def _new_password(name: str) -> str:
    """A password nobody sees: typed twice at a terminal, or the first line of standard input. Raises InputError."""
    from fairstall.labeling.passwords import MIN_PASSWORD_CHARACTERS, check_password

    if not sys.stdin.isatty():
        piped = sys.stdin.readline().rstrip("\r\n")
        check_password(piped)
        return piped
    typed = getpass.getpass(f"Password for {name} (at least {MIN_PASSWORD_CHARACTERS} characters): ")
    check_password(typed)
    if getpass.getpass("The same again: ") != typed:
        raise InputError("the two passwords differ; nothing was changed")
    return typed
