"""Every setting of Fairstall, defined once: its flag, its environment variable, its default and what it is for.

Commands take the annotated types below as parameters; `docs/settings.md` is checked against them by a test.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from fairstall.evals.tracking import Tracking

DEFAULT_HOME = Path(".fairstall")
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000
DEFAULT_CONTROL_RATE = 0.01
DEFAULT_NEAR_DUPLICATES = 0.75
DEFAULT_DEADLINE_S = 5.0
DEFAULT_REMEMBERED_TEXTS = 20_000

HomeSetting: TypeAlias = Annotated[
    Path, typer.Option("--home", envvar="FAIRSTALL_HOME", help="The one folder that Fairstall writes to.")
]
HostSetting: TypeAlias = Annotated[
    str, typer.Option("--host", envvar="FAIRSTALL_HOST", help="The address to listen on; 0.0.0.0 for all.")
]
PortSetting: TypeAlias = Annotated[
    int, typer.Option("--port", envvar="FAIRSTALL_PORT", min=0, max=65535, help="The port to listen on.")
]
DatabaseSetting: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="FAIRSTALL_DATABASE",
        help="A SQLAlchemy URL, sqlite:/// or postgresql://. By default a SQLite file in the home folder.",
    ),
]
BundleSetting: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--bundle",
        envvar="FAIRSTALL_BUNDLE",
        help="A bundle's folder. By default the champion in the home folder, or else the starter bundle.",
    ),
]
PoliciesSetting: TypeAlias = Annotated[
    Path | None,
    typer.Option("--policies", envvar="FAIRSTALL_POLICIES", help="A policy file. By default the starter policies."),
]
CorporaSetting: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--corpora",
        envvar="FAIRSTALL_CORPORA",
        help="The folder with NAME.jsonl.gz of each public corpus. Without it training uses what Fairstall ships.",
    ),
]
TrackingSetting: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        envvar="MLFLOW_TRACKING_URI",
        help="Where MLflow keeps runs and models. By default a SQLite file in the home folder.",
    ),
]
ControlRateSetting: TypeAlias = Annotated[
    float,
    typer.Option(
        "--control-rate",
        envvar="FAIRSTALL_CONTROL_RATE",
        min=0.0,
        max=1.0,
        help="The share of listings drawn for blind review, whatever the model says of them.",
    ),
]
NearDuplicatesSetting: TypeAlias = Annotated[
    float,
    typer.Option(
        "--near-duplicates",
        envvar="FAIRSTALL_NEAR_DUPLICATES",
        min=0.0,
        max=1.0,
        help="How alike a blocked listing a new one must be to go to review, best 0.7 to 0.9; 0 compares nothing.",
    ),
]
DeadlineSetting: TypeAlias = Annotated[
    float,
    typer.Option(
        "--deadline",
        envvar="FAIRSTALL_DEADLINE",
        min=0.05,
        max=60.0,
        help="Seconds that a listing may wait for its scores; then it becomes what the policies state as on_timeout.",
    ),
]
RememberedTextsSetting: TypeAlias = Annotated[
    int,
    typer.Option(
        "--remembered-texts",
        envvar="FAIRSTALL_REMEMBERED_TEXTS",
        min=0,
        help="How many texts' scores are kept for the next listing with the same text; 0 scores each anew.",
    ),
]
WebhookNetworksSetting: TypeAlias = Annotated[
    str,
    typer.Option(
        "--webhook-networks",
        envvar="FAIRSTALL_WEBHOOK_NETWORKS",
        help="Networks that are not public and may get webhooks all the same, as in 10.20.0.0/16,fd00::/8.",
    ),
]


def database_url(home: Path, database: str | None) -> str:
    return database or f"sqlite:///{home.absolute() / 'fairstall.sqlite'}"


def tracking_at(home: Path, uri: str | None) -> "Tracking":
    """Where runs go. Files are kept beside a store of our own; a tracking server that was named keeps them itself."""
    from fairstall.evals.tracking import Tracking

    return (
        Tracking(uri, None) if uri else Tracking(f"sqlite:///{home.absolute() / 'mlflow.sqlite'}", home / "mlartifacts")
    )


def models_folder(home: Path) -> Path:
    return home / "models"
