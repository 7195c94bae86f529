"""`fairstall export-labels` and `import-labels`: what people decided, as files that training reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from fairstall.cli.settings import DEFAULT_HOME, DatabaseSetting, HomeSetting, PoliciesSetting, database_url
from fairstall.model.policy_file import load_policies, starter_policies


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
    from fairstall.labeling.export import export_labels
    from fairstall.records.engine import migrate, open_engine

    engine = open_engine(database_url(home, database))
    migrate(engine)
    file = out or home / "labels" / "reviews.jsonl"
    _tell(file, export_labels(engine, file).verdicts)


def import_labels(
    file: Annotated[Path, typer.Argument(help="Labels in the format that export-labels writes.")],
    home: HomeSetting = DEFAULT_HOME,
    policies: PoliciesSetting = None,
) -> None:
    """Check labels that were given elsewhere and keep them in labels/imported in the home folder.

    Prints the kept file's name alone on standard output. A wrong line refuses the whole file.
    """
    from fairstall.labeling.label_import import import_labels

    in_force = load_policies(policies) if policies else starter_policies()
    folder = home / "labels" / "imported"
    manifest = import_labels(file, folder, codes=in_force.codes)
    _tell(folder / manifest.file, manifest.verdicts)


def _tell(file: Path, verdicts: Mapping[str, int]) -> None:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()) or "none yet"
    typer.echo(f"{sum(verdicts.values())} labels ({counts})", err=True)
    typer.echo(str(file))
