"""`fairstall audit`: the chain of seals over decisions and reviews, made, shown and verified."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairstall.cli.counts import counted
from fairstall.cli.progress import progress
from fairstall.cli.settings import (
    DEFAULT_HOME,
    ArchiveSetting,
    DatabaseSetting,
    HomeSetting,
    archive_folder,
    database_url,
)
from fairstall.records.archive import Archive
from fairstall.records.engine import PATIENT_S, open_engine
from fairstall.records.schema import migrate
from fairstall.records.seals import head as newest
from fairstall.records.seals import seal_all, seal_late
from fairstall.records.verification import Verification, Verified

if TYPE_CHECKING:
    from sqlalchemy import Engine

app = typer.Typer(
    name="audit", help="Prove that nobody changed what was decided.", no_args_is_help=True, add_completion=False
)


@app.command()
def seal(
    late: Annotated[
        str, typer.Option(help="Seal also rows that came too late to be sealed by themselves, and keep this reason.")
    ] = "",
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
) -> None:
    """Seal now what a running service would seal within half a minute."""
    from fairstall.records.erasure import operator

    with patient_store(home, database) as engine:
        rows = seal_late(engine, utc_now, actor=operator(), reason=late) if late else seal_all(engine, utc_now)
    typer.echo(f"{counted(rows, 'row', 'rows')} sealed")


@app.command()
def head(home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Print the newest seal: its hash, its number and when it was made, tab-separated. Keep it somewhere else."""
    with patient_store(home, database) as engine:
        found = newest(engine)
    typer.echo(f"{found.hash}\t{found.number}\t{found.made_at}")


@app.command()
def verify(
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Only what was sealed from then on, in UTC."),
    ] = None,
    head: Annotated[str, typer.Option(help="A hash that `fairstall audit head` printed: it has to be there.")] = "",
    without_archive: Annotated[
        bool, typer.Option("--without-archive", help="Pass over archived rows, where their files are not at hand.")
    ] = False,
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
    archive: ArchiveSetting = None,
) -> None:
    """Compute every seal anew from the rows. The first row that was altered, taken away or added is named: status 1."""
    files = Archive(archive_folder(home, archive))
    with patient_store(home, database) as engine, files.unchanged(), progress("rows", 0) as advance:
        verification = Verification(engine, None if without_archive else files.reader(), advance=advance)
        found = verification.run(since=since.replace(tzinfo=UTC) if since else None, anchor=head or None)
    for line in _told(found):
        typer.echo(line)


@contextmanager
def patient_store(home: Path, database: str | None) -> "Iterator[Engine]":
    """The store, migrated, for what may wait a minute for those who store decisions."""
    engine = open_engine(database_url(home, database), busy_timeout_s=PATIENT_S)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()


def utc_now() -> datetime:
    return datetime.now(UTC)


def _told(found: Verified) -> Iterator[str]:
    if found.head is None:
        yield f"nothing is sealed yet; {counted(found.unsealed, 'row waits', 'rows wait')} for a seal"
        return
    rows, seals = counted(found.rows, "row", "rows"), counted(found.seals, "seal", "seals")
    stand = "is as it was" if found.rows == 1 else "are as they were"
    yield f"{rows} in {seals} {stand} sealed; {counted(found.unsealed, 'waits', 'wait')} for a seal"
    if found.archived:
        looked = "not looked at" if found.passed_over else "read from the archive"
        yield f"{counted(found.archived, 'of them was', 'of them were')} {looked}"
    for day, erased in sorted(found.erased.items()):
        yield f"{counted(erased, 'of them was', 'of them were')} erased on {day}"
    yield f"head {found.head.hash}"
