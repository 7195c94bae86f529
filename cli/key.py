"""`fairstall key`: API keys made, listed and revoked. A new key is printed alone, and only once."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairstall.cli.settings import DEFAULT_HOME, DatabaseSetting, HomeSetting, database_url
from fairstall.records.keys import Scope, create_key, list_keys, revoke_key

if TYPE_CHECKING:
    from sqlalchemy import Engine

app = typer.Typer(name="key", help="Make, list and revoke API keys.", no_args_is_help=True, add_completion=False)

KeyName = Annotated[str, typer.Argument(help="What the key is for, such as the calling service.")]


@app.command()
def create(
    name: KeyName,
    scope: Annotated[Scope, typer.Option(help="score: score listings and read decisions; read: only read them.")],
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
) -> None:
    """Make a key and print it, alone, on standard output. It cannot be shown again."""
    new = create_key(_store(home, database), name, scope, now=datetime.now(UTC))
    typer.echo(new.secret)
    typer.echo(f"Key {name!r} with scope {scope}: keep it now, it is not shown again.", err=True)


@app.command("list")
def list_(home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Print name, scope, age and state of every key, tab-separated, oldest first."""
    for key in list_keys(_store(home, database)):
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "in use"
        typer.echo(f"{key.name}\t{key.scope}\t{key.created_at:%Y-%m-%d}\t{state}")


@app.command()
def revoke(name: KeyName, home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Take a key out of use, for good. A running server refuses it within a few seconds."""
    revoke_key(_store(home, database), name, now=datetime.now(UTC))
    typer.echo(f"Key {name!r} is revoked.", err=True)


def _store(home: Path, database: str | None) -> "Engine":
    from fairstall.records.engine import migrate, open_engine

    engine = open_engine(database_url(home, database))
    migrate(engine)
    return engine
