"""The courier on a real store and real HTTP, step by step under a clock that only moves when it is told to."""

import asyncio
import logging
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from standardwebhooks import Webhook

from fairstall.model.errors import StoreUnavailable
from fairstall.model.identifiers import time_ordered_id
from fairstall.records import webhooks
from fairstall.records.deliveries import DeliveryQueue, DeliveryState
from fairstall.records.engine import reading, writing
from fairstall.records.outbox import Event, write_events
from fairstall.records.redelivery import list_deliveries
from fairstall.records.tables import deliveries
from fairstall.serving.metrics import Telemetry
from fairstall.serving.webhooks import courier as courier_module
from fairstall.serving.webhooks.addresses import AddressRules
from fairstall.serving.webhooks.background import CourierThread
from fairstall.serving.webhooks.courier import DELIVERIES_AT_ONCE, LEASE, Courier
from fairstall.serving.webhooks.retries import DELAYS_S
from fairstall.serving.webhooks.sender import Sender


class Desk:
    """A store, a clock and a courier: `deliver()` is one look at the queue and the rounds that it begins."""

    def __init__(self, engine):
        self.engine, self.now, self.telemetry = engine, datetime.now(UTC), Telemetry()
        self.timeout_s, self.tls = 5.0, ssl.create_default_context()

    def courier(self, queue=None):
        sender = Sender(AddressRules(), timeout_s=self.timeout_s, tls=self.tls, clock=lambda: self.now)
        queue = queue or DeliveryQueue(self.engine)
        return Courier(queue, sender, self.telemetry, lambda: self.now, chance=lambda: 0.0)

    def deliver(self, *, after=timedelta(0), queue=None):
        async def work():
            courier = self.courier(queue)
            await courier.look()
            await courier.finish()
            await courier.tidy()
            await courier.close()

        self.now += after
        asyncio.run(work())

    def add(self, url):
        return webhooks.add_endpoint(self.engine, url, now=self.now)

    def happen(self, count=1):
        made = [Event(time_ordered_id(self.now), "decision.made", {"n": n}, self.now) for n in range(count)]
        with writing(self.engine) as connection:
            write_events(connection, made)
        return sorted(event.event_id for event in made)

    def states(self):
        with reading(self.engine) as connection:
            return sorted(connection.execute(select(deliveries.c.state)).scalars())

    def endpoint(self, url):
        return next(one for one in webhooks.list_endpoints(self.engine) if one.url == url)

    def metric(self, line):
        return line in self.telemetry.text().decode()


@pytest.fixture
def desk(engine):
    return Desk(engine)


def test_what_happens_is_delivered_signed_and_once(desk, receiver):
    secret = desk.add(receiver.url).secret
    happened = desk.happen(3)
    desk.deliver()
    desk.deliver(after=timedelta(days=1))
    assert sorted(receiver.ids) == happened
    assert [Webhook(secret).verify(one.body, one.headers)["type"] for one in receiver.posted] == ["decision.made"] * 3
    assert desk.states() == ["delivered"] * 3
    assert desk.metric('fairstall_webhook_deliveries_total{result="delivered"} 3.0')


def test_a_failure_is_tried_again_under_the_same_id_with_a_new_timestamp(desk, receiver):
    secret = desk.add(receiver.url).secret
    happened = desk.happen()
    receiver.answers = [500]
    desk.deliver()
    desk.deliver(after=timedelta(seconds=4))
    assert len(receiver.posted) == 1
    desk.deliver(after=timedelta(seconds=1))
    assert receiver.ids == happened * 2
    first, second = (int(one.headers["webhook-timestamp"]) for one in receiver.posted)
    assert second - first == 5
    assert Webhook(secret).verify(receiver.posted[1].body, receiver.posted[1].headers)
    assert desk.states() == ["delivered"]
    assert desk.metric('fairstall_webhook_deliveries_total{result="retry"} 1.0')


def test_a_receiver_that_hangs_is_tried_again(desk, receiver):
    desk.add(receiver.url)
    desk.happen()
    held, desk.timeout_s = threading.Event(), 0.1
    receiver.answers = [held]
    desk.deliver()
    held.set()
    assert desk.states() == ["waiting"]
    desk.timeout_s = 5.0
    desk.deliver(after=timedelta(seconds=5))
    assert desk.states() == ["delivered"]


def test_retry_after_is_waited_for(desk, receiver):
    desk.add(receiver.url)
    desk.happen()
    receiver.answers = [(429, {"Retry-After": "90"})]
    desk.deliver()
    desk.deliver(after=timedelta(seconds=89))
    assert len(receiver.posted) == 1
    desk.deliver(after=timedelta(seconds=1))
    assert desk.states() == ["delivered"]


def test_gone_disables_the_endpoint(desk, receiver, caplog):
    desk.add(receiver.url)
    desk.happen()
    receiver.answers = [410]
    desk.deliver()
    desk.happen()
    desk.deliver(after=timedelta(days=1))
    assert len(receiver.posted) == 1
    found = desk.endpoint(receiver.url)
    assert (found.state, found.reason, found.failed) == ("disabled", "it answered 410 Gone", 1)
    assert f"webhook endpoint {found.endpoint_id} is disabled" in caplog.text
    assert desk.metric('fairstall_webhook_endpoints{state="disabled"} 1.0')


def test_a_redirect_is_a_failure(desk, receiver, make_receiver):
    elsewhere = make_receiver()
    desk.add(receiver.url)
    desk.happen()
    receiver.answers = [(307, {"Location": elsewhere.url})]
    desk.deliver()
    assert (desk.states(), elsewhere.posted) == (["waiting"], [])


def test_an_endpoint_that_never_answers_is_disabled_after_the_schedule_with_the_reason(desk, receiver):
    desk.add(receiver.url)
    happened = desk.happen()
    receiver.answers = [500] * 10
    desk.deliver()
    for delay_s in DELAYS_S:
        desk.deliver(after=timedelta(seconds=delay_s))
    assert receiver.ids == happened * 10
    found = desk.endpoint(receiver.url)
    assert (found.state, found.failed) == ("disabled", 1)
    assert found.reason == "no delivery succeeded for 76 hours; the last answer: HTTP 500"
    (failed,) = list_deliveries(desk.engine, receiver.url, state=DeliveryState.FAILED, at_most=9)
    assert (failed.attempts, failed.result) == (10, "HTTP 500")


def test_a_dead_endpoint_holds_up_no_other(desk, receiver, make_receiver):
    dead = make_receiver()
    for one in (dead, receiver):
        desk.add(one.url)
    dead.answers, desk.timeout_s = [503] * 1_000, 5.0
    for _ in range(5):
        desk.happen(4)
        desk.deliver(after=timedelta(minutes=1))
    assert len(receiver.posted) == 20
    assert len(dead.posted) == 4 + 4  # all of the first batch, and then one a minute to see whether it is back
    assert (desk.endpoint(dead.url).waiting, desk.endpoint(receiver.url).waiting) == (20, 0)
    assert desk.metric("fairstall_webhook_oldest_waiting_seconds 300.0")


def test_an_endpoint_that_is_back_gets_all_that_waited(desk, receiver):
    desk.add(receiver.url)
    happened = desk.happen(3 * DELIVERIES_AT_ONCE)
    receiver.answers = [500] * DELIVERIES_AT_ONCE
    desk.deliver()
    assert len(receiver.posted) == DELIVERIES_AT_ONCE
    desk.deliver(after=timedelta(seconds=5))
    assert sorted(set(receiver.ids)) == happened
    assert desk.states() == ["delivered"] * len(happened)


def test_a_long_queue_is_worked_off_in_bounded_rounds(desk, receiver, monkeypatch):
    monkeypatch.setattr(courier_module, "BATCHES_A_ROUND", 2)
    desk.add(receiver.url)
    most = 2 * DELIVERIES_AT_ONCE
    desk.happen(most + 1)
    desk.deliver()
    assert len(receiver.posted) == most
    desk.deliver()
    assert len(receiver.posted) == most + 1


class Forgetful(DeliveryQueue):
    """A queue of a process that ends after it has sent and before it has recorded anything."""

    def settle(self, *arguments, **more):
        raise StoreUnavailable("the process was killed")


def test_a_crash_between_sending_and_recording_sends_again_after_the_lease(desk, receiver):
    desk.add(receiver.url)
    happened = desk.happen()
    desk.deliver(queue=Forgetful(desk.engine))
    desk.deliver(after=LEASE - timedelta(seconds=1))
    assert receiver.ids == happened
    desk.deliver(after=timedelta(seconds=1))
    assert receiver.ids == happened * 2
    assert desk.states() == ["delivered"]


def test_two_couriers_side_by_side_send_each_event_once(desk, receiver):
    desk.add(receiver.url)
    happened = desk.happen(100)

    async def work():
        couriers = [desk.courier() for _ in range(3)]
        await asyncio.gather(*(courier.look() for courier in couriers))
        await asyncio.gather(*(courier.finish() for courier in couriers))
        await asyncio.gather(*(courier.close() for courier in couriers))

    asyncio.run(work())
    assert sorted(receiver.ids) == happened


def test_an_event_that_cannot_be_signed_is_a_failure_and_told(desk, receiver, caplog):
    endpoint_id = desk.add(receiver.url).endpoint_id
    desk.happen()
    with writing(desk.engine) as connection:
        connection.exec_driver_sql(
            f"UPDATE webhook_endpoints SET secret = 'whsec_x' WHERE endpoint_id = '{endpoint_id}'"
        )
    desk.deliver()
    assert (desk.states(), receiver.posted) == (["waiting"], [])
    assert "could not be sent" in caplog.text


def test_neither_url_nor_secret_nor_body_is_logged(desk, receiver, caplog):
    caplog.set_level(logging.INFO)
    secret = desk.add(f"{receiver.url}/unmistakable").secret
    desk.happen()
    receiver.answers = [500]
    desk.deliver()
    (line,) = [one for one in caplog.records if one.message == "a webhook was not delivered"]
    assert line.facts["answer"] == "HTTP 500"
    assert set(line.facts) == {"endpoint_id", "event_id", "answer"}
    assert "unmistakable" not in caplog.text
    assert secret not in caplog.text


def test_what_is_broken_off_at_the_end_is_due_at_once_and_does_not_count(desk, receiver, monkeypatch):
    monkeypatch.setattr(courier_module, "END_WITHIN_S", 0.05)
    desk.add(receiver.url)
    desk.happen()
    held = threading.Event()
    receiver.answers = [held]

    async def work():
        courier = desk.courier()
        await courier.look()
        await asyncio.to_thread(receiver.wait_for, 1)
        await courier.close()

    asyncio.run(work())
    held.set()
    with reading(desk.engine) as connection:
        assert connection.execute(select(deliveries.c.state, deliveries.c.attempts)).one() == ("waiting", 0)
    desk.deliver()
    assert desk.states() == ["delivered"]


def test_the_thread_delivers_by_itself_and_ends_when_told(desk, receiver):
    desk.add(receiver.url)
    thread = CourierThread(desk.courier())
    thread.start()
    happened = desk.happen()
    receiver.wait_for(1)
    thread.close()
    assert (receiver.ids, desk.states()) == (happened, ["delivered"])
    assert not [one for one in threading.enumerate() if one.name.startswith("webhook")]


def test_a_store_that_is_away_is_waited_for(desk, receiver, caplog):
    class Away(DeliveryQueue):
        turns = 0

        def due(self, now):
            Away.turns += 1
            if Away.turns == 1:
                raise StoreUnavailable("the database is locked")
            return super().due(now)

    desk.add(receiver.url)
    desk.happen()
    thread = CourierThread(desk.courier(Away(desk.engine)))
    thread.start()
    receiver.wait_for(1)
    thread.close()
    assert desk.states() == ["delivered"]
    assert "webhooks wait: the database is locked" in caplog.text
