"""A real server process under load, killed or told to end: no decision that was answered is ever missing."""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import select

from fairstall.records.engine import open_engine, reading
from fairstall.records.ledger import Ledger
from fairstall.records.tables import decisions, listings

SENDERS = 8
WORDS = ("chair", "pistol", "heroin", "lamp")


@pytest.fixture
def secret(home, make_key):
    return make_key(f"sqlite:///{home / 'fairstall.sqlite'}")


class Load:
    """Senders that send until the connection breaks, and remember what they were answered."""

    def __init__(self, url, secret, *, enough):
        self.url, self.headers = url, {"Authorization": f"Bearer {secret}"}
        self.answered, self.statuses, self.enough, self._wanted = {}, set(), threading.Event(), enough

    def send(self, sender):
        with httpx.Client(base_url=self.url, headers=self.headers, timeout=60) as client:
            try:
                for number in range(1_000_000):
                    self._send_one(client, f"{sender}-{number}", number)
            except httpx.TransportError:
                return

    def _send_one(self, client, name, number):
        listing = {"listing_id": name, "seller_id": "s", "title": WORDS[number % 4], "description": f"no {name}"}
        if number % 10 == 9:
            response = client.post("/v1/score/batch", json=[listing, listing | {"listing_id": f"{name}-b"}])
            answers = response.json().get("answers", [])
        else:
            response = client.post("/v1/score", json=listing)
            answers = [response.json()]
        self.statuses.add(response.status_code)
        self.answered.update({answer["decision_id"]: answer for answer in answers if response.status_code == 200})
        if len(self.answered) >= self._wanted:
            self.enough.set()


def kill_under_load(start_server, home, secret, *, how, enough):
    """Start, load, end; what was answered, and the status of the process."""
    server = start_server(home)
    with ThreadPoolExecutor(SENDERS) as pool:
        load = Load(server.url, secret, enough=enough)
        senders = [pool.submit(load.send, sender) for sender in range(SENDERS)]
        load.enough.wait(60)
        status = server.end(how)
        for sender in senders:
            sender.result()
    assert load.statuses == {200}
    return load.answered, status


def assert_stored(home, answered):
    engine = open_engine(f"sqlite:///{home / 'fairstall.sqlite'}")
    ledger = Ledger(engine)
    with reading(engine) as connection:
        outcomes = dict(connection.execute(select(decisions.c.decision_id, decisions.c.outcome)).all())
        orphans = select(decisions.c.decision_id).where(decisions.c.listing_digest.not_in(select(listings.c.digest)))
        assert connection.execute(orphans).all() == []
    missing = [decision_id for decision_id in answered if decision_id not in outcomes]
    assert missing == []
    for decision_id, answer in answered.items():
        assert outcomes[decision_id] == answer["outcome"]
        assert ledger.find(decision_id).case_id == answer["case_id"]
    engine.dispose()


def kill_repeatedly(start_server, home, secret, times):
    answered = {}
    for turn in range(times):
        found, status = kill_under_load(start_server, home, secret, how=signal.SIGKILL, enough=20 + turn % 7 * 30)
        assert status == -signal.SIGKILL
        answered |= found
    assert len(answered) >= 20 * times
    assert_stored(home, answered)


def test_a_killed_server_loses_no_answered_decision(start_server, home, secret):
    kill_repeatedly(start_server, home, secret, 3)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_a_server_killed_a_hundred_times_loses_no_answered_decision(start_server, home, secret):
    kill_repeatedly(start_server, home, secret, 100)


def test_a_server_told_to_end_answers_what_it_has(start_server, home, secret):
    answered, status = kill_under_load(start_server, home, secret, how=signal.SIGTERM, enough=60)
    assert status == -signal.SIGTERM
    assert_stored(home, answered)
    engine = open_engine(f"sqlite:///{home / 'fairstall.sqlite'}")
    with reading(engine) as connection:
        assert len(connection.execute(select(decisions.c.decision_id)).all()) == len(answered)
    engine.dispose()


def test_the_log_is_json_and_never_repeats_a_listing(start_server, home, secret):
    server = start_server(home)
    headers = {"Authorization": f"Bearer {secret}", "X-Request-Id": "r-1"}
    listing = {"listing_id": "l", "seller_id": "s", "title": "unmistakable", "description": ""}
    for body in (listing, listing | {"unheard": 1}):
        httpx.post(f"{server.url}/v1/score", json=body, headers=headers)
    server.end(signal.SIGTERM)
    requests = [line for line in server.log if line["message"] == "request"]
    assert [(line["route"], line["status"], line["request_id"]) for line in requests] == [
        ("/v1/score", 200, "r-1"),
        ("/v1/score", 422, "r-1"),
    ]
    assert "unmistakable" not in str(server.log)
    assert secret not in str(server.log)
