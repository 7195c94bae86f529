"""How the store comes to the tables that the code knows: made at once where there are none, or migrated to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    select,
)

from fairstall.records.engine import take_migration_turn
from fairstall.records.errors import store_errors
from fairstall.records.tables import metadata

_MIGRATIONS = Path(__file__).with_name("migrations")
# As Alembic makes it where there is none.
_VERSIONS = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest version, in one transaction; processes that start together take turns.

    An empty store gets its tables at once, which is what all migrations lead to; and Alembic, which takes longer to
    import than that, is needed only by a store of an earlier version. It takes as long as it takes.
    """
    with store_errors(), engine.connect() as connection, _references_unchecked(connection), connection.begin():
        take_migration_turn(connection)
        version = _version(connection)
        if version is None:
            metadata.create_all(connection, checkfirst=False)
            _VERSIONS.create(connection)
            connection.execute(insert(_VERSIONS).values(version_num=_newest()))
        elif version != _newest():
            _upgrade(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSIONS.name):
        return None
    return connection.execute(select(_VERSIONS.c.version_num)).scalar_one_or_none()


def _newest() -> str:
    """The files of the migrations begin with the number of their version."""
    return max(file.name[:4] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def _references_unchecked(connection: Connection) -> Iterator[None]:
    """Let SQLite replace a table that others refer to, which is its way of altering one; to be set before BEGIN."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys = ON")
