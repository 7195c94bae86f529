"""Where what is measured keeps its rows: an empty store for each start, or a full one that is kept."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, func, select, text
from sqlalchemy.engine import make_url

from fairstall.model.errors import SetupError
from fairstall.records.engine import open_engine, reading
from fairstall.records.tables import decisions

NAME = "fairstall_bench"
READ_AT_ONCE = 1 << 20


class Stores(Protocol):
    """`empty` makes a store and takes it away again; `kept` is one that stays under its name, such as `ledger-1000`."""

    def empty(self) -> AbstractContextManager[str]: ...

    def kept(self, name: str) -> AbstractContextManager[str]: ...


class SqliteStores:
    """SQLite files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def empty(self) -> Iterator[str]:
        folder = Path(tempfile.mkdtemp(prefix="store-", dir=self._folder))
        try:
            yield f"sqlite:///{folder.absolute() / 'fairstall.sqlite'}"
        finally:
            shutil.rmtree(folder)

    def kept(self, name: str) -> AbstractContextManager[str]:
        path = self._folder.absolute() / f"{name}.sqlite"
        if path.exists():
            _read_through(path)
        return nullcontext(f"sqlite:///{path}")


def _read_through(path: Path) -> None:
    """Bring a file into memory, where one that was just filled is too."""
    with path.open("rb") as file:
        while file.read(READ_AT_ONCE):
            pass


class PostgresStores:
    """Databases of the server at a URL, whose user may create them. Raises SetupError for a URL of another kind."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        if not self._url.get_backend_name().startswith("postgres"):
            raise SetupError("the bench makes databases on a PostgreSQL server only; SQLite files need no URL")

    @contextmanager
    def empty(self) -> Iterator[str]:
        name = f"{NAME}_{uuid.uuid4().hex[:12]}"
        self._run(f'CREATE DATABASE "{name}"')
        try:
            yield self._named(name)
        finally:
            self._run(f'DROP DATABASE "{name}" WITH (FORCE)')

    @contextmanager
    def kept(self, name: str) -> Iterator[str]:
        database = f"{NAME}_{name.replace('-', '_')}"
        if not self._has(database):
            self._run(f'CREATE DATABASE "{database}"')
        yield self._named(database)

    def _named(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _has(self, name: str) -> bool:
        engine = self._engine()
        with engine.connect() as connection:
            found = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}).first()
        engine.dispose()
        return found is not None

    def _run(self, statement: str) -> None:
        engine = self._engine()
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(statement))
        engine.dispose()

    def _engine(self) -> Engine:
        return open_engine(self._url.render_as_string(hide_password=False))


def stores_at(database: str | None, folder: Path) -> Stores:
    """SQLite files in the folder, or databases of the PostgreSQL server that is named."""
    return PostgresStores(database) if database else SqliteStores(folder)


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """A store, for a short while."""
    engine = open_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def count_decisions(url: str, *, run: str = "") -> int:
    """The decisions on listings whose id begins with `run`."""
    query = select(func.count()).select_from(decisions)
    if run:
        query = query.where(decisions.c.listing_id >= run, decisions.c.listing_id < f"{run}z")
    with opened(url) as engine, reading(engine) as connection:
        return int(connection.execute(query).scalar_one())
