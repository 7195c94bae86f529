"""`fairstall export-labels`, `export-tasks` and `import-labels`: what people decided, or are to decide, as files."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairstall.cli.settings import DEFAULT_HOME, DatabaseSetting, HomeSetting, PoliciesSetting
from fairstall.cli.store import opened_store
from fairstall.model.errors import InputError
from fairstall.model.policies import PolicySet
from fairstall.model.policy_file import load_policies, starter_policies

if TYPE_CHECKING:
    from fairstall.labeling.label_studio.export import TaskFile

TASK_IDS_SHOWN = 20


class LabelFormat(StrEnum):
    JSONL = "jsonl"  # the corpora's rows, which training reads
    LABEL_STUDIO = "label-studio"


FormatOption = Annotated[
    LabelFormat, typer.Option("--format", help="jsonl: a label a line, for training. label-studio: its JSON.")
]


def export_labels(
    out: Annotated[
        Path | None,
        typer.Argument(help="The file to write; by default labels/reviews.* in the home folder."),
    ] = None,
    label_format: FormatOption = LabelFormat.JSONL,
    email_domain: Annotated[
        str | None, typer.Option(help="Label Studio knows the reviewers as NAME@DOMAIN; without it they stay unnamed.")
    ] = None,
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
    policies: PoliciesSetting = None,
) -> None:
    """Write every reviewed listing as one line of JSON, and a manifest beside it.

    With --format label-studio: as tasks with one annotation a review, and the labeling configuration beside them.
    Prints the file's name alone on standard output.
    """
    if email_domain and label_format is not LabelFormat.LABEL_STUDIO:
        raise InputError("--email-domain goes with --format label-studio: a label names no reviewer")
    with opened_store(home, database) as engine:
        if label_format is LabelFormat.LABEL_STUDIO:
            from fairstall.labeling.label_studio.export import export_reviews

            file = out or home / "labels" / "reviews.json"
            written = export_reviews(engine, file, _in_force(policies), email_domain=email_domain)
            _tell_tasks(file, written)
        else:
            from fairstall.labeling.export import export_labels

            file = out or home / "labels" / "reviews.jsonl"
            _tell(file, export_labels(engine, file).verdicts)


def export_tasks(
    out: Annotated[
        Path | None, typer.Argument(help="The file to write; by default labels/tasks.json in the home folder.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How many at most, the most urgent first.")] = None,
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
    policies: PoliciesSetting = None,
) -> None:
    """Write the open cases as tasks for Label Studio, with what the model found, and the labeling configuration.

    Prints the name of the file of tasks alone on standard output; the configuration has the same with .xml.
    """
    from fairstall.labeling.label_studio.export import export_open_cases

    file = out or home / "labels" / "tasks.json"
    with opened_store(home, database) as engine:
        _tell_tasks(file, export_open_cases(engine, file, _in_force(policies), limit=limit))


def import_labels(
    file: Annotated[Path, typer.Argument(help="Labels as export-labels writes them, or what Label Studio exported.")],
    label_format: FormatOption = LabelFormat.JSONL,
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
    policies: PoliciesSetting = None,
) -> None:
    """Check labels that were given elsewhere and keep them in labels/imported in the home folder.

    Prints the kept file's name alone on standard output. A wrong line, or task, refuses the whole file.
    """
    folder, codes = home / "labels" / "imported", _in_force(policies).codes
    if label_format is LabelFormat.LABEL_STUDIO:
        from fairstall.labeling.label_studio.imports import import_annotations

        with opened_store(home, database) as engine:
            imported = import_annotations(engine, file, folder, codes=codes)
        _tell_left_out(imported.left_out)
        manifest = imported.manifest
    else:
        from fairstall.labeling.label_import import import_labels

        manifest = import_labels(file, folder, codes=codes)
    _tell(folder / manifest.file, manifest.verdicts)


def _in_force(policies: Path | None) -> PolicySet:
    return load_policies(policies) if policies else starter_policies()


def _tell(file: Path, verdicts: Mapping[str, int]) -> None:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()) or "none yet"
    typer.echo(f"{sum(verdicts.values())} labels ({counts})", err=True)
    typer.echo(str(file))


def _tell_tasks(file: Path, written: "TaskFile") -> None:
    typer.echo(f"Tasks: {written.tasks}, with the labeling configuration {written.config}", err=True)
    typer.echo(str(file))


def _tell_left_out(left_out: Mapping[str, Sequence[int]]) -> None:
    for why, tasks in left_out.items():
        shown = ", ".join(map(str, tasks[:TASK_IDS_SHOWN])) + (", ..." if len(tasks) > TASK_IDS_SHOWN else "")
        typer.echo(f"Tasks left out, {why}: {len(tasks)} ({shown})", err=True)
