"""The store of commands that read or write it once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fairstall.cli.settings import database_url

if TYPE_CHECKING:
    from sqlalchemy import Engine


@contextmanager
def opened_store(home: Path, database: str | None) -> "Iterator[Engine]":
    """The store, migrated, until the command ends."""
    from fairstall.records.engine import open_engine
    from fairstall.records.schema import migrate

    engine = open_engine(database_url(home, database))
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()
