"""`fairstall rescan-prints`: fingerprints for blocks that have none yet."""

from datetime import UTC, datetime

import typer

from fairstall.cli.settings import DEFAULT_HOME, DatabaseSetting, HomeSetting
from fairstall.cli.store import opened_store


def rescan_prints(home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Let listings be compared also with what was blocked before Fairstall could, or by another version of it."""
    from fairstall.records.blocked_rebuild import rebuild_prints

    with opened_store(home, database) as engine:
        steps = list(rebuild_prints(engine, lambda: datetime.now(UTC)))
    looked_at, made = sum(step.looked_at for step in steps), sum(step.made for step in steps)
    typer.echo(f"{made} fingerprints made; {looked_at - made} blocked listings are too short for one")
