"""`fairstall archive`: old months out of the database, into Parquet files."""

from typing import Annotated

import typer

from fairstall.cli.audit import patient_store, utc_now
from fairstall.cli.progress import progress
from fairstall.cli.settings import (
    DEFAULT_HOME,
    KEEP_FOR_EVER,
    ArchiveSetting,
    DatabaseSetting,
    HomeSetting,
    KeepMonthsSetting,
    archive_folder,
)
from fairstall.model.errors import InputError
from fairstall.records.archive import Archive
from fairstall.records.archive_tables import load_pyarrow
from fairstall.records.archiving import Archiving
from fairstall.records.erasure import operator
from fairstall.records.months import month_start, months_before


def archive(
    before: Annotated[
        str, typer.Option(help="Archive the months before this one, as in 2026-01; by default what --keep-months says.")
    ] = "",
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
    archive: ArchiveSetting = None,
    keep_months: KeepMonthsSetting = KEEP_FOR_EVER,
) -> None:
    """Move whole months of decisions and reviews into Parquet files, and delete them from the database.

    What is still needed stays. Interrupted, it goes on when it is run again.
    """
    load_pyarrow()
    if not (before or keep_months):
        raise InputError("say which months to archive: --before 2026-01, or --keep-months for every run")
    end = month_start(before) if before else months_before(utc_now(), keep_months)
    with patient_store(home, database) as engine, progress("decisions", 0) as advance:
        archiving = Archiving(engine, Archive(archive_folder(home, archive)), utc_now)
        written = archiving.run(end, actor=operator(), advance=advance)
    for one in written:
        typer.echo(f"{one.month}\t{one.decisions} decisions\t{one.reviews} reviews")
    if not written:
        typer.echo("nothing to archive", err=True)
