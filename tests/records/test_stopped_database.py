"""A PostgreSQL that is stopped and alive answers nothing: who waits is told so in time, and all goes on afterwards."""

import threading

import pytest
from sqlalchemy import func, insert, select, text

from fairstall.model.errors import StoreUnavailable
from fairstall.records.engine import open_engine, reading, take_keeping_turn, writing
from fairstall.records.schema import migrate
from fairstall.records.tables import events

pytestmark = pytest.mark.postgres
DEADLINE_S = 2.5


def an_event(number: int) -> dict:
    happened_at = "2026-11-22T12:00:00.000000Z"
    return {"event_id": f"e-{number}", "kind": "test", "body": {}, "happened_at": happened_at}


@pytest.fixture
def engine(database):
    opened = open_engine(database.url, deadline_s=DEADLINE_S)
    migrate(opened)
    yield opened
    opened.dispose()


def stored(engine, *, patient: bool = False) -> int:
    with reading(engine, patient=patient) as connection:
        return connection.execute(select(func.count()).select_from(events)).scalar_one()


def others_connected(engine) -> int:
    """How many backends the server has for this user's other connections, in a transaction or not."""
    mine = "backend_type = 'client backend' AND pid <> pg_backend_pid()"
    with reading(engine, patient=True) as connection:
        return connection.execute(text(f"SELECT count(*) FROM pg_stat_activity WHERE {mine}")).scalar_one()


@pytest.mark.parametrize("when", ["before it begins", "before a statement", "before many rows", "before it commits"])
def test_a_transaction_ends_in_time_and_the_next_one_works(engine, database, when):
    rows = [an_event(number) for number in range(20 if when == "before many rows" else 1)]
    if when == "before it begins":
        database.stop()
    with pytest.raises(StoreUnavailable, match="no answer in time"), writing(engine) as connection:  # noqa: PT012
        if when != "before it commits":
            database.stop()
        connection.execute(insert(events), rows)
        database.stop()
    with pytest.raises(StoreUnavailable):
        stored(engine)
    database.go_on()
    while others_connected(engine):  # until the server has done with what was cut
        pass
    known = stored(engine, patient=True)
    assert known in (0, 1) if when == "before it commits" else known == 0
    with writing(engine) as connection:
        connection.execute(insert(events), [an_event(1_000)])
    assert stored(engine, patient=True) == known + 1


def test_attempts_to_connect_leave_nothing_behind_whoever_keeps_their_errors(engine, database):
    database.stop()
    kept: list[StoreUnavailable] = []
    while len(kept) < 3:
        try:
            stored(engine)
        except StoreUnavailable as error:
            kept.append(error)
    database.go_on()
    while others_connected(engine):
        pass


def test_a_connection_that_was_cut_holds_nothing_back(engine, database):
    with pytest.raises(StoreUnavailable), writing(engine) as connection:  # noqa: PT012
        connection.execute(insert(events), [an_event(1)])
        database.stop()
        connection.execute(text("LOCK TABLE events"))
    database.go_on()
    while others_connected(engine):  # until the server has noticed
        pass
    with writing(engine) as connection:
        connection.execute(insert(events), [an_event(1)])


def test_what_nobody_waits_for_has_more_time(engine):
    """As sealing has, which waits for whoever erases or archives."""
    done: list[bool] = []

    def be_patient() -> None:
        with writing(engine, patient=True) as connection:
            take_keeping_turn(connection)
            done.append(True)

    with writing(engine, patient=True) as holder:
        take_keeping_turn(holder)
        waiting = threading.Thread(target=be_patient)
        waiting.start()
        while not others_connected(engine):
            pass
        with pytest.raises(StoreUnavailable, match="no answer in time"), writing(engine) as connection:
            take_keeping_turn(connection)
        assert not done
    waiting.join()
    assert done


def test_an_engine_without_a_deadline_waits_until_the_server_goes_on(engine, database):
    patient = open_engine(database.url)
    assert stored(patient) == 0
    database.stop()
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(stored(patient)))
    waiting.start()
    with pytest.raises(StoreUnavailable):
        stored(engine)
    assert not found
    database.go_on()
    waiting.join()
    assert found == [0]
    patient.dispose()
