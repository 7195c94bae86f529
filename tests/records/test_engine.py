"""A store that is locked, full, gone or broken says so, and keeps nothing by halves."""

import shutil
import sqlite3
import threading

import psycopg
import pytest
from sqlalchemy import event, exc, func, insert, select, text

from fairstall.model.errors import SetupError, StoreUnavailable
from fairstall.records.engine import open_engine, reading, writing
from fairstall.records.errors import UNAVAILABLE
from fairstall.records.schema import migrate
from fairstall.records.tables import events, users

EVENT = {"event_id": "e-1", "kind": "test", "body": {"text": "象牙 😀"}, "happened_at": "2026-11-22T12:00:00.000000Z"}
BUGS = {exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError, exc.DatabaseError}


@pytest.fixture
def sqlite(tabled_sqlite, tmp_path):
    file = shutil.copy(tabled_sqlite, tmp_path / "records.sqlite")
    engine = open_engine(f"sqlite:///{file}", busy_timeout_s=0.05)
    yield engine
    engine.dispose()


def stored(engine) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(events)).scalar_one()


def test_a_transaction_is_kept_whole_or_not_at_all(engine):
    with pytest.raises(exc.IntegrityError), writing(engine) as connection:
        connection.execute(insert(events), [EVENT, EVENT])
    assert stored(engine) == 0
    with writing(engine) as connection:
        connection.execute(insert(events).values(EVENT))
    with reading(engine) as connection:
        assert connection.execute(select(events.c.body)).scalar_one() == EVENT["body"]


def test_foreign_keys_are_enforced(engine):
    row = {"digest": "d", "user_id": "nobody", "csrf_token": "t", "created_at": "2026", "expires_at": "2027"}
    with pytest.raises(exc.IntegrityError), writing(engine) as connection:
        connection.execute(users.metadata.tables["sessions"].insert().values(row))


def test_a_reader_waits_for_no_writer(engine):
    with writing(engine) as connection:
        connection.execute(insert(events).values(EVENT))
        assert stored(engine) == 0
    assert stored(engine) == 1


def test_writers_in_many_threads_take_turns(engine):
    def write(number: int) -> None:
        for part in range(5):
            with writing(engine) as connection:
                known = connection.execute(select(func.count()).select_from(events)).scalar_one()
                connection.execute(insert(events).values(EVENT | {"event_id": f"{number}-{part}-{known}"}))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored(engine) == 30


def test_sqlite_is_durable_before_it_answers(sqlite):
    with reading(sqlite) as connection:
        pragmas = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]


def test_a_locked_store_is_unavailable(sqlite):
    other = sqlite3.connect(sqlite.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"), writing(sqlite) as connection:
        connection.execute(insert(events).values(EVENT))
    other.execute("ROLLBACK")
    other.close()
    assert stored(sqlite) == 0


def test_a_full_disk_is_unavailable_and_nothing_is_half_stored(sqlite):
    event.listen(sqlite, "begin", lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 60"))
    rows = [EVENT | {"event_id": f"e-{n}", "body": {"text": "x" * 3000}} for n in range(100)]
    with pytest.raises(StoreUnavailable, match="full"), writing(sqlite) as connection:
        connection.execute(insert(events), rows)
    assert stored(sqlite) == 0


@pytest.mark.parametrize("when", ["before it begins", "before it commits"])
def test_a_store_that_was_taken_away_is_unavailable(sqlite, tmp_path, when):
    file, aside = tmp_path / "records.sqlite", tmp_path / "aside.sqlite"
    if when == "before it begins":
        file.rename(aside)
    with pytest.raises(StoreUnavailable), writing(sqlite) as connection:  # noqa: PT012
        connection.execute(insert(events).values(EVENT))
        file.rename(aside)
    assert not file.exists()
    aside.rename(file)
    assert stored(sqlite) == 0
    with writing(sqlite) as connection:
        connection.execute(insert(events).values(EVENT))
    assert stored(sqlite) == 1


def test_a_store_that_was_replaced_is_opened_again(sqlite, tmp_path):
    other = open_engine(f"sqlite:///{tmp_path / 'other.sqlite'}")
    migrate(other)
    with writing(other) as connection:
        connection.execute(insert(events).values(EVENT))
    other.dispose()
    assert stored(sqlite) == 0
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"records.sqlite{suffix}").unlink(missing_ok=True)
    (tmp_path / "other.sqlite").rename(tmp_path / "records.sqlite")
    assert stored(sqlite) == 1


def test_a_file_that_is_no_database_is_unavailable(tmp_path):
    file = tmp_path / "notes.sqlite"
    file.write_text("These are my notes, and not a database at all. " * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        open_engine(f"sqlite:///{file}")


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable):
        open_engine(f"sqlite:///{tmp_path / 'file' / 'records.sqlite'}")


@pytest.mark.postgres
def test_a_postgres_connection_that_was_cut_is_unavailable_and_then_mended(postgres_server):
    engine = open_engine(postgres_server)
    with pytest.raises(StoreUnavailable), writing(engine) as connection:  # noqa: PT012
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with psycopg.connect(postgres_server, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", [pid])
        connection.execute(text("SELECT 1"))
    with reading(engine) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()


@pytest.mark.postgres
@pytest.mark.parametrize("state", ["53100", "53300", "55P03", "57P01", "25006", "58030"])
def test_what_postgres_says_when_it_cannot_work_is_unavailable(postgres_server, state):
    engine = open_engine(postgres_server)
    failing = text(f"DO $$ BEGIN RAISE EXCEPTION 'it cannot' USING ERRCODE = '{state}'; END $$")
    with pytest.raises(StoreUnavailable, match="it cannot"), writing(engine) as connection:
        connection.execute(failing)
    engine.dispose()


def test_a_postgres_that_is_not_there_is_unavailable():
    engine = open_engine("postgres://nobody@127.0.0.1:9/none", busy_timeout_s=1)
    with pytest.raises(StoreUnavailable), reading(engine):
        pass


@pytest.mark.parametrize("url", ["mysql://host/name", "sqlite://", "sqlite:///:memory:", "no url", ""])
def test_a_store_of_another_kind_is_refused(url):
    with pytest.raises(SetupError):
        open_engine(url)


def test_every_error_of_the_database_library_has_a_meaning():
    def below(kind: type) -> set[type]:
        return {kind, *(found for child in kind.__subclasses__() for found in below(child))}

    unmapped = {kind for kind in below(exc.DBAPIError) if not issubclass(kind, UNAVAILABLE)}
    assert unmapped == BUGS | {exc.DBAPIError}


def test_a_bug_keeps_its_own_error(engine):
    with pytest.raises(exc.ProgrammingError), writing(engine) as connection:
        connection.execute(insert(events).values(EVENT | {"event_id": object()}))
