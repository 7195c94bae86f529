"""`fairstall export-labels` and `import-labels`: what people decided, as files that training reads."""

from pathlib import Path
from typing import Annotated

import typer

from fairstall.cli.settings import DEFAULT_HOME, DatabaseSetting, HomeSetting, PoliciesSetting, database_url
from fairstall.labeling.export import export_labels as write_reviews
from fairstall.labeling.label_file import Manifest
from fairstall.labeling.label_import import import_labels as keep_labels
from fairstall.model.policy_file import load_policies, starter_policies
from fairstall.records.engine import migrate, open_engine


def export_labels(
    out: Annotated[
        Path | None, typer.Argument(help="The file to write; by default labels/reviews.jsonl in the home folder.")
    ] = None,
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
) -> None:
    """Write every reviewed listing as one line of JSON, and a manifest beside it.

    Prints the file's name alone on standard output.
    """
    engine = open_engine(database_url(home, database))
    migrate(engine)
    file = out or home / "labels" / "reviews.jsonl"
    _tell(file, write_reviews(engine, file))


def import_labels(
    file: Annotated[Path, typer.Argument(help="Labels in the format that export-labels writes.")],
    home: HomeSetting = DEFAULT_HOME,
    policies: PoliciesSetting = None,
) -> None:
    """Check labels that were given elsewhere and keep them in labels/imported in the home folder.

    Prints the kept file's name alone on standard output. A wrong line refuses the whole file.
    """
    in_force = load_policies(policies) if policies else starter_policies()
    folder = home / "labels" / "imported"
    manifest = keep_labels(file, folder, codes=in_force.codes)
    _tell(folder / manifest.file, manifest)


def _tell(file: Path, manifest: Manifest) -> None:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in manifest.verdicts.items()) or "none yet"
    typer.echo(f"{manifest.rows} labels ({counts})", err=True)
    typer.echo(str(file))
