"""`fairstall shadow`: a bundle that is scored beside the champion, and what it would have decided."""

from importlib.util import find_spec
from typing import Annotated

import typer
from rich.console import Console

from fairstall.cli.bundles import CANDIDATE_HELP, beside_line, bundle_in_force, put_beside
from fairstall.cli.settings import (
    DEFAULT_HOME,
    DatabaseSetting,
    HomeSetting,
    TrackingSetting,
    models_folder,
)
from fairstall.cli.store import opened_store
from fairstall.model.deployed import Deployments, Role
from fairstall.model.errors import InputError, MissingExtra

app = typer.Typer(name="shadow", help="Score a bundle beside the champion.", no_args_is_help=True, add_completion=False)


@app.command("set")
def set_(
    bundle: Annotated[str, typer.Argument(help=CANDIDATE_HELP)],
    share: Annotated[float, typer.Option(help="The share of listings that it scores too, above 0 and up to 1.")] = 1.0,
    home: HomeSetting = DEFAULT_HOME,
    tracking: TrackingSetting = None,
) -> None:
    """Score a bundle beside the champion, instead of another shadow. It changes no answer."""
    if not 0 < share <= 1:
        raise InputError(f"a share of {share:g} is none: give a number above 0 and up to 1")
    placed = put_beside(Role.SHADOW, bundle, share=share, home=home, tracking=tracking)
    typer.echo(f"{placed.version} is the shadow now, on {share:.4g} of listings")


@app.command()
def show(home: HomeSetting = DEFAULT_HOME) -> None:
    """Print the shadow's version, its share of listings and since when, tab-separated; nothing when there is none."""
    if line := beside_line(Role.SHADOW, home):
        typer.echo(line)


@app.command()
def clear(home: HomeSetting = DEFAULT_HOME) -> None:
    """Score no bundle beside the champion any more. What was recorded stays."""
    Deployments(models_folder(home)).clear(Role.SHADOW)
    typer.echo("there is no shadow now")


@app.command()
def report(
    shadow: Annotated[str, typer.Option(help="A shadow's version. By default the one compared last.")] = "",
    against: Annotated[str, typer.Option(help="A champion's version. By default the one in force.")] = "",
    examples: Annotated[int, typer.Option(min=0, help="Decisions to read, for each kind of disagreement.")] = 3,
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
) -> None:
    """Print how often the shadow agreed, what it would have decided otherwise, by policy, and what to read of it."""
    if not find_spec("sqlalchemy"):
        raise MissingExtra("shadow report", "records")
    from fairstall.cli.shadow_report import gather_report, report_tables
    from fairstall.records.shadow import latest_shadow

    with opened_store(home, database) as engine:
        found = gather_report(
            engine,
            shadow or latest_shadow(engine),
            against=against or None,
            in_force=bundle_in_force(home).version,
            examples=examples,
        )
    console = Console()
    for part in report_tables(found):
        console.print(part)
