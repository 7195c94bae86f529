"""How the store is opened, read and written. What is in it is the business of `tables`, how it came there `schema`'s.

Two verbs cover every use: `with writing(engine) as connection` and `with reading(engine) as connection`, one
transaction each, and StoreUnavailable when the database is locked, full or gone.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any
from weakref import WeakKeyDictionary

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, exc, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from fairstall.model.errors import SetupError
from fairstall.records.deadline import due_within
from fairstall.records.errors import store_errors
from fairstall.records.turns import Turns

BUSY_TIMEOUT_S = 5.0
ANSWER_S = 1.0  # before a deadline a server has to say by itself that something is locked
PATIENT_S = 60.0  # the timeout of commands that may wait for those who store decisions
ASKED_FOR_EVERY_S = 0.1  # how long SQLite lets a waiting writer sleep at most
CONNECTIONS = 8
_MIGRATION_LOCK = 0x0FA1257A11  # any numbers, as long as they stay the same
_KEEPING_LOCK = 0x0FA1257A12
_READS = "fairstall_reads"
_WITHIN_S = "fairstall_within_s"


_TURNS: "WeakKeyDictionary[Engine, Turns]" = WeakKeyDictionary()


def open_engine(url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S, deadline_s: float | None = None) -> Engine:
    """An engine for `sqlite:///FILE` or `postgresql://...`; an SQLite file is made when there is none.

    A transaction waits `busy_timeout_s` for each lock. With a `deadline_s` it waits ANSWER_S less for locks, and on
    PostgreSQL so long for everything together: the connection to a server that says nothing is cut then.

    Raises SetupError for a URL of another kind and StoreUnavailable for a file that cannot be opened.
    """
    if deadline_s is not None:
        busy_timeout_s = deadline_s - ANSWER_S
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SetupError(f"the database URL cannot be read: {error}") from error
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed, busy_timeout_s)
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        return _open_postgres(parsed.set(drivername="postgresql+psycopg"), busy_timeout_s, deadline_s)
    raise SetupError(f"{parsed.drivername} is no database that Fairstall keeps records in: use sqlite or postgresql")


@contextmanager
def writing(engine: Engine, *, patient: bool = False) -> Iterator[Connection]:
    """One transaction that may write: committed at the end, undone by any exception.

    `patient`: nobody waits for it, so that the engine's deadline, where it has one, is PATIENT_S.
    """
    within_s = _time_for(engine, patient=patient)
    with store_errors(), due_within(within_s), _turn_to_write(engine), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine, *, patient: bool = False) -> Iterator[Connection]:
    """One transaction that only reads; on SQLite it neither waits for a writer nor holds one up."""
    with (
        store_errors(),
        due_within(_time_for(engine, patient=patient)),
        engine.connect().execution_options(**{_READS: True}) as connection,
        connection.begin(),
    ):
        yield connection


def _time_for(engine: Engine, *, patient: bool) -> float | None:
    within_s: float | None = engine.get_execution_options().get(_WITHIN_S)
    return PATIENT_S if within_s and patient else within_s


@contextmanager
def _turn_to_write(engine: Engine) -> Iterator[None]:
    """On SQLite, one thread of this process at a time: they are woken in turn, where SQLite lets them sleep and ask."""
    turns = _TURNS.get(engine)
    if turns is None:
        yield
        return
    if not turns.take():
        raise exc.OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError("database is locked"))
    try:
        yield
    finally:
        turns.give()


def take_migration_turn(connection: Connection) -> None:
    """Wait until no other process brings the schema up to date."""
    _take_turn(connection, _MIGRATION_LOCK)


def take_keeping_turn(connection: Connection) -> None:
    """Wait until no other transaction seals, erases or archives; whoever stores decisions waits for none of them."""
    _take_turn(connection, _KEEPING_LOCK)


def give_way(engine: Engine) -> None:
    """Between two of many transactions: SQLite's one lock goes to who asks first, and those who wait ask in a while."""
    if engine.dialect.name == "sqlite":
        sleep(ASKED_FOR_EVERY_S)


def overwrite_what_is_deleted(connection: Connection) -> None:
    """Let SQLite write zeros over what this connection deletes or replaces; PostgreSQL does its own at each vacuum."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")


def empty_log(engine: Engine) -> None:
    """Move SQLite's write-ahead log into the file and cut it to nothing, unless somebody reads from it now."""
    if engine.dialect.name == "sqlite":
        with store_errors(), closing(engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _take_turn(connection: Connection, lock: int) -> None:
    """Wait for other transactions that took this turn, however long they take; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})
        connection.execute(text("RESET lock_timeout"))


def _to_json(value: object) -> str:
    return orjson.dumps(value).decode()


def _open_postgres(url: URL, busy_timeout_s: float, deadline_s: float | None) -> Engine:
    from fairstall.records.postgres import TimedConnection

    engine = create_engine(
        url,
        pool_size=CONNECTIONS,
        pool_timeout=deadline_s or PATIENT_S,
        pool_pre_ping=True,
        json_serializer=_to_json,
        execution_options={_WITHIN_S: deadline_s},
        connect_args={
            "connect_timeout": max(2, round(busy_timeout_s)),
            "tcp_user_timeout": round(2_000 * busy_timeout_s),
            "options": f"-c lock_timeout={round(1_000 * busy_timeout_s)}",
        },
    )
    event.listen(engine, "do_connect", lambda _dialect, _record, given, named: TimedConnection.in_time(*given, **named))
    return engine


def _open_sqlite(url: URL, busy_timeout_s: float) -> Engine:
    if url.database in (None, "", ":memory:"):
        raise SetupError("records need a file that outlives the process: sqlite:////absolute/path.sqlite")
    path = Path(str(url.database)).absolute()
    with store_errors():
        _make_file(path)
    engine = create_engine(
        url.set(database=str(path)),
        creator=partial(_connect, path, busy_timeout_s),
        pool_size=CONNECTIONS,
        json_serializer=_to_json,
    )
    _TURNS[engine] = Turns(busy_timeout_s)
    event.listen(engine, "checkout", lambda _connection, record, _proxy: _same_file(path, record.info))
    event.listen(engine, "begin", _begin)
    event.listen(engine, "commit", lambda connection: _same_file(path, connection.info))
    return engine


def _make_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    except (OSError, sqlite3.Error) as error:
        raise exc.OperationalError(f"open {path}", None, error) from error


def _connect(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    # mode=rw: a file that was taken away is an error, not a reason to begin an empty one.
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw", uri=True, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False
    )
    for setting in ("journal_mode = WAL", "synchronous = FULL", "fullfsync = ON", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {setting}")
    return connection


def _begin(connection: Connection) -> None:
    reads = connection.get_execution_options().get(_READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _same_file(path: Path, info: dict[str, Any]) -> None:
    """Refuse to work on a file that is no longer the one at `path`: what is committed there would be lost."""
    try:
        now = path.stat()
    except OSError as error:
        raise exc.DisconnectionError(f"{path} is gone") from error
    if info.setdefault("file", (now.st_dev, now.st_ino)) != (now.st_dev, now.st_ino):
        raise exc.DisconnectionError(f"{path} was replaced")
