"""Servers and databases killed or stopped under callers who send again: nothing is lost, and decided once."""

import itertools
import random
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import func, select

from fairstall.client import Fairstall
from fairstall.client.retries import Retries
from fairstall.records.engine import open_engine, reading
from fairstall.records.tables import decisions, idempotency_keys

SENDERS = 8
STUBBORN = Retries(attempts=1_000, deadline_s=600, first_pause_s=0.05, longest_pause_s=0.5)
WORDS = ("chair", "pistol", "heroin", "lamp")


class Callers:
    """Callers of one shipped client who send until they are told to stop; `answered` has each listing's decisions."""

    def __init__(self, client: Fairstall) -> None:
        self.answered: dict[str, list[str]] = {}
        self.keys = 0
        self._client = client
        self._stop, self._changed = threading.Event(), threading.Condition()

    def send(self, sender: int) -> None:
        for number in itertools.count():
            if self._stop.is_set():
                return
            name = f"{sender}-{number}"
            ids = [name, f"{name}-b"] if number % 5 == 4 else [name]
            listings = [{"listing_id": i, "seller_id": "s", "title": WORDS[number % 4], "description": i} for i in ids]
            self._note(ids, self._send(name, listings))

    def wait_for_more(self, count: int) -> None:
        with self._changed:
            wanted = self.keys + count
            assert self._changed.wait_for(lambda: self.keys >= wanted, timeout=600)

    def stop(self) -> None:
        self._stop.set()

    def _send(self, key: str, listings: list[dict[str, str]]) -> list[str]:
        if len(listings) == 1:
            return [self._client.score(**listings[0], idempotency_key=key).decision_id]
        return [answer.decision_id for answer in self._client.score_batch(listings, idempotency_key=key)]

    def _note(self, ids: list[str], found: list[str]) -> None:
        with self._changed:
            self.answered |= {listing_id: [decision_id] for listing_id, decision_id in zip(ids, found, strict=True)}
            self.keys += 1
            self._changed.notify_all()


@pytest.fixture
def call(make_key):
    """Run callers against an address while `happen(callers)` does something to it, then hold them to the store."""

    def run(port: str, store: str, happen) -> None:
        with (
            Fairstall(f"http://127.0.0.1:{port}", key=make_key(store), retries=STUBBORN) as client,
            ThreadPoolExecutor(SENDERS) as pool,
        ):
            callers = Callers(client)
            sending = [pool.submit(callers.send, sender) for sender in range(SENDERS)]
            try:
                happen(callers)
                callers.wait_for_more(SENDERS)
            finally:
                callers.stop()
            for one in sending:
                one.result()
        assert_decided_once(store, callers)

    return run


def assert_decided_once(store: str, callers: Callers) -> None:
    """What is stored is what was answered: no listing twice, none without, none that nobody was told of."""
    engine = open_engine(store)
    with reading(engine) as connection:
        rows = connection.execute(select(decisions.c.listing_id, decisions.c.decision_id)).all()
        keys = connection.execute(select(func.count()).select_from(idempotency_keys)).scalar_one()
    engine.dispose()
    assert [name for name, count in Counter(row.listing_id for row in rows).items() if count > 1] == []
    assert {row.listing_id: [row.decision_id] for row in rows} == callers.answered
    assert keys == callers.keys


def kill_servers(start_server, home, port, store, times):
    def happen(callers: Callers) -> None:
        for _ in range(times):
            server = start_server(home, "--port", port, "--database", store)
            callers.wait_for_more(random.randrange(1, 40))
            assert server.end(signal.SIGKILL) == -signal.SIGKILL
        start_server(home, "--port", port, "--database", store)

    return happen


def test_a_listing_is_decided_once_however_often_the_server_is_killed(start_server, call, home, free_port, store_url):
    call(free_port, store_url, kill_servers(start_server, home, free_port, store_url, 2))


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_a_listing_is_decided_once_over_a_hundred_kills(start_server, call, home, free_port, store_url):
    call(free_port, store_url, kill_servers(start_server, home, free_port, store_url, 100))


def crash_database(start_server, home, port, database, times):
    def happen(callers: Callers) -> None:
        server = start_server(home, "--port", port, "--database", database.url)
        for _ in range(times):
            callers.wait_for_more(random.randrange(1, 40))
            database.crash()
            database.start()
        assert server.process.poll() is None

    return happen


@pytest.mark.postgres
def test_a_listing_is_decided_once_however_often_the_database_crashes(start_server, call, home, free_port, database):
    call(free_port, database.url, crash_database(start_server, home, free_port, database, 2))


def stop_database(start_server, home, port, database, times):
    def happen(callers: Callers) -> None:
        server = start_server(home, "--port", port, "--database", database.url, "--store-deadline", "2")
        for _ in range(times):
            callers.wait_for_more(random.randrange(1, 40))
            database.stop()
            assert httpx.get(f"{server.url}/readyz", timeout=60).status_code == 503
            database.go_on()
        assert server.process.poll() is None

    return happen


@pytest.mark.postgres
def test_a_listing_is_decided_once_however_often_the_database_stops(start_server, call, home, free_port, database):
    call(free_port, database.url, stop_database(start_server, home, free_port, database, 3))


@pytest.mark.nightly
@pytest.mark.postgres
@pytest.mark.timeout(3600)
def test_a_listing_is_decided_once_over_thirty_stops(start_server, call, home, free_port, database):
    call(free_port, database.url, stop_database(start_server, home, free_port, database, 30))


@pytest.mark.nightly
@pytest.mark.postgres
@pytest.mark.timeout(3600)
def test_a_listing_is_decided_once_over_thirty_crashes(start_server, call, home, free_port, database):
    call(free_port, database.url, crash_database(start_server, home, free_port, database, 30))
