"""`fairstall key`: API keys made, listed and revoked. A new key is printed alone, and only once."""

from datetime import UTC, datetime
from typing import Annotated, TypeAlias

import typer

from fairstall.cli.settings import DEFAULT_HOME, DatabaseSetting, HomeSetting
from fairstall.cli.store import opened_store
from fairstall.records.keys import ApiKey, Scope, create_key, list_keys, revoke_key

app = typer.Typer(name="key", help="Make, list and revoke API keys.", no_args_is_help=True, add_completion=False)

ExpiresOption: TypeAlias = Annotated[
    datetime | None,
    typer.Option(
        "--expires",
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"],
        help="When it stops working by itself, in UTC unless an offset is given.",
    ),
]
RateOption: TypeAlias = Annotated[
    float | None,
    typer.Option("--rate", help="Listings a second that it may score, over ten seconds or more; any by default."),
]
KeyName = Annotated[str, typer.Argument(help="What the key is for, such as the calling service.")]


@app.command()
def create(
    name: KeyName,
    scope: Annotated[Scope, typer.Option(help="score: score listings and read decisions; read: only read them.")],
    expires: ExpiresOption = None,
    rate: RateOption = None,
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
) -> None:
    """Make a key and print it, alone, on standard output. It cannot be shown again."""
    ends = expires.replace(tzinfo=UTC) if expires and expires.tzinfo is None else expires
    now = datetime.now(UTC)
    with opened_store(home, database) as engine:
        new = create_key(engine, name, scope, now=now, expires_at=ends, listings_per_s=rate)
    typer.echo(new.secret)
    typer.echo(f"Key {name!r} with scope {scope}: keep it now, it is not shown again.", err=True)


@app.command("list")
def list_(home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Print name, scope, age, state and rate of every key, tab-separated, oldest first."""
    with opened_store(home, database) as engine:
        keys = list_keys(engine)
    for key in keys:
        rate = f"{key.listings_per_s:g}/s" if key.listings_per_s else "any rate"
        typer.echo(f"{key.name}\t{key.scope}\t{key.created_at:%Y-%m-%d}\t{_state(key)}\t{rate}")


@app.command()
def revoke(name: KeyName, home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Take a key out of use, for good. A running server refuses it within a few seconds."""
    with opened_store(home, database) as engine:
        revoke_key(engine, name, now=datetime.now(UTC))
    typer.echo(f"Key {name!r} is revoked.", err=True)


def _state(key: ApiKey) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expired(datetime.now(UTC)):
        return f"expired {key.expires_at:%Y-%m-%d}"
    return f"in use until {key.expires_at:%Y-%m-%d}" if key.expires_at else "in use"
