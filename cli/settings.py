"""Every setting of Fairstall, defined once: its flag, its environment variable, its default and what it is for.

Commands take the annotated types below as parameters; `docs/settings.md` is checked against them by a test.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from fairstall.model.errors import SetupError

if TYPE_CHECKING:
    from fairstall.evals.tracking import Tracking

DEFAULT_HOME = Path(".fairstall")
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000
DEFAULT_CONTROL_RATE = 0.01
DEFAULT_GOLDEN_SHARE = 0.02
DEFAULT_NEAR_DUPLICATES = 0.75
DEFAULT_DEADLINE_S = 5.0
DEFAULT_STORE_DEADLINE_S = 6.0
DEFAULT_REMEMBERED_TEXTS = 20_000
DEFAULT_MODEL_EVIDENCE = True
TRACES_TO = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
TRACES_BY = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
KEEP_FOR_EVER = 0
DEFAULT_SESSION_HOURS = 12.0
DEFAULT_IDLE_MINUTES = 60.0

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
GoldenShareSetting: TypeAlias = Annotated[
    float,
    typer.Option(
        "--golden-share",
        envvar="FAIRSTALL_GOLDEN_SHARE",
        min=0.0,
        max=1.0,
        help="Of the cases that a reviewer takes, how many a golden item comes before, unseen; 0 for none.",
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
StoreDeadlineSetting: TypeAlias = Annotated[
    float,
    typer.Option(
        "--store-deadline",
        envvar="FAIRSTALL_STORE_DEADLINE",
        min=2.0,
        max=60.0,
        help="Seconds that the database may keep a request waiting, a second less for a lock; then it is answered 503.",
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
ModelEvidenceSetting: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--model-evidence/--no-model-evidence",
        envvar="FAIRSTALL_MODEL_EVIDENCE",
        help="Find the words that made the model open a case, while no listing waits, and mark them for reviewers.",
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
ArchiveSetting: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        envvar="FAIRSTALL_ARCHIVE",
        help="The folder with archived months. By default archive/ in the home folder.",
    ),
]
KeepMonthsSetting: TypeAlias = Annotated[
    int,
    typer.Option(
        "--keep-months",
        envvar="FAIRSTALL_KEEP_MONTHS",
        min=KEEP_FOR_EVER,
        help="How many whole months `fairstall archive` leaves in the database; 0 for all.",
    ),
]
OidcSetting: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--oidc", envvar="FAIRSTALL_OIDC", help="A TOML file on the identity provider for the console's single sign-on."
    ),
]
OidcSecretSetting: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--oidc-secret",
        envvar="FAIRSTALL_OIDC_SECRET",
        help="The secret that the provider knows the console by. A flag is seen by others on the machine.",
    ),
]
SessionHoursSetting: TypeAlias = Annotated[
    float,
    typer.Option(
        "--session-hours",
        envvar="FAIRSTALL_SESSION_HOURS",
        min=0.25,
        max=720.0,
        help="Hours after which somebody has to log in to the console again, whatever he does.",
    ),
]
IdleMinutesSetting: TypeAlias = Annotated[
    float,
    typer.Option(
        "--idle-minutes",
        envvar="FAIRSTALL_IDLE_MINUTES",
        min=5.0,
        help="Minutes without work after which somebody has to log in to the console again.",
    ),
]
KeepViewsDaysSetting: TypeAlias = Annotated[
    int,
    typer.Option(
        "--keep-views-days",
        envvar="FAIRSTALL_KEEP_VIEWS_DAYS",
        min=KEEP_FOR_EVER,
        help="How many days the log of who looked at which listing is kept; 0 for ever.",
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


def archive_folder(home: Path, archive: Path | None) -> Path:
    return archive or home / "archive"


def models_folder(home: Path) -> Path:
    return home / "models"


def traces_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether OpenTelemetry's own variables ask for traces. Raises SetupError for a way to send them that is not ours.

    A collector has to be named: by itself OpenTelemetry would send to this machine.
    """
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    if exporter == "none" or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if not any(environment.get(name) for name in TRACES_TO):
        return False
    if exporter not in ("", "otlp"):
        raise SetupError(f"OTEL_TRACES_EXPORTER is {exporter!r}: Fairstall exports by 'otlp' or 'none'")
    protocol = next((given for name in TRACES_BY if (given := environment.get(name))), "http/protobuf")
    if protocol != "http/protobuf":
        raise SetupError(f"the OTLP protocol is {protocol!r}: Fairstall speaks 'http/protobuf', mostly on port 4318")
    return True
