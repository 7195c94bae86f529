"""`fairstall canary`: a bundle that answers a share of the listings before it is promoted."""

from typing import Annotated

import typer

from fairstall.cli.bundles import CANDIDATE_HELP, beside_line, put_beside
from fairstall.cli.settings import DEFAULT_HOME, HomeSetting, TrackingSetting, models_folder
from fairstall.model.deployed import Deployments, Role
from fairstall.model.errors import InputError

LARGEST_SHARE = 0.5

app = typer.Typer(
    name="canary", help="Let a bundle answer a share of the listings.", no_args_is_help=True, add_completion=False
)


@app.command("set")
def set_(
    bundle: Annotated[str, typer.Argument(help=CANDIDATE_HELP)],
    share: Annotated[float, typer.Option(help="The share of listings that it answers, above 0 and up to a half.")],
    home: HomeSetting = DEFAULT_HOME,
    tracking: TrackingSetting = None,
) -> None:
    """Let a bundle answer a share of the listings, instead of another canary. The gate is not asked."""
    if not 0 < share <= LARGEST_SHARE:
        raise InputError(
            f"a canary cannot answer a share of {share:g}: give a number above 0 and up to {LARGEST_SHARE:g}; "
            "`fairstall promote` puts a bundle into service for all"
        )
    placed = put_beside(Role.CANARY, bundle, share=share, home=home, tracking=tracking)
    typer.echo(f"{placed.version} is the canary now, on {share:.4g} of listings")


@app.command()
def show(home: HomeSetting = DEFAULT_HOME) -> None:
    """Print the canary's version, its share of listings and since when, tab-separated; nothing when there is none."""
    if line := beside_line(Role.CANARY, home):
        typer.echo(line)


@app.command()
def clear(home: HomeSetting = DEFAULT_HOME) -> None:
    """Let the champion answer every listing again, within a second."""
    Deployments(models_folder(home)).clear(Role.CANARY)
    typer.echo("there is no canary now")
