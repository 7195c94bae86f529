"""`fairstall erase`: a seller's data, wherever they lie."""

from typing import Annotated

import typer

from fairstall.cli.audit import patient_store, utc_now
from fairstall.cli.counts import counted
from fairstall.cli.progress import progress
from fairstall.cli.settings import DEFAULT_HOME, ArchiveSetting, DatabaseSetting, HomeSetting, archive_folder
from fairstall.model.errors import InputError
from fairstall.records.archive import Archive
from fairstall.records.archive_erasure import ErasableArchive
from fairstall.records.erasure import Erasure, operator


def erase(
    seller: Annotated[str, typer.Option(help="The seller's id, as it was given with the listings.")],
    reason: Annotated[
        str, typer.Option(help="Why, for the audit chain: a ticket's number, and nothing personal, since it stays.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go, and change nothing.")] = False,
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
    archive: ArchiveSetting = None,
) -> None:
    """Erase a seller's text and ids for good. Outcomes, scores, versions and times stay, under a pseudonym."""
    if not (reason or dry_run):
        raise InputError("an erasure needs a --reason: it is kept in the audit chain")
    with patient_store(home, database) as engine:
        months = ErasableArchive(engine, Archive(archive_folder(home, archive)))
        erasure = Erasure(engine, seller, utc_now, months)
        held = erasure.held()
        if dry_run:
            typer.echo(
                f"{counted(held.decisions, 'decision', 'decisions')} on {counted(held.listings, 'text', 'texts')}, "
                f"{counted(held.reviews, 'note', 'notes')}, {counted(held.open_cases, 'open case', 'open cases')}; "
                f"{counted(held.archived, 'archived decision', 'archived decisions')}"
            )
            return
        with progress("decisions", held.decisions) as advance:
            erased = erasure.run(actor=operator(), reason=reason, advance=advance)
    decisions, notes = counted(erased.decisions, "decision", "decisions"), counted(erased.reviews, "note", "notes")
    typer.echo(f"{decisions} and {notes} erased; the seller is {erased.pseudonym} now")
