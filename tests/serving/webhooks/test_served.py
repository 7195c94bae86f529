"""From a scored listing to a verified webhook, with the app as it is served."""

import threading
from datetime import UTC, datetime
from typing import get_args

import pytest
from standardwebhooks import Webhook

from fairstall.records.deliveries import Delivery, DeliveryQueue
from fairstall.records.outbox import KINDS
from fairstall.records.webhooks import add_endpoint
from fairstall.serving.app import utc_now
from fairstall.serving.metrics import Telemetry
from fairstall.serving.openapi import openapi_document
from fairstall.serving.schema import EventMessage
from fairstall.serving.webhooks.addresses import AddressRules
from fairstall.serving.webhooks.background import CourierThread
from fairstall.serving.webhooks.courier import Courier
from fairstall.serving.webhooks.message import sign_message
from fairstall.serving.webhooks.sender import Sender


@pytest.fixture
def courier(sqlite_engine):
    return CourierThread(Courier(DeliveryQueue(sqlite_engine), Sender(AddressRules()), Telemetry(), utc_now))


def test_a_decision_reaches_the_endpoint_without_the_listings_text_or_its_seller(
    sqlite_engine, make_parts, serve_parts, a_listing, receiver, courier
):
    secret = add_endpoint(sqlite_engine, receiver.url, now=datetime.now(UTC)).secret
    with serve_parts(make_parts(sqlite_engine, courier=courier, clock=utc_now)) as served:
        answered = served.score(a_listing(7, "Unmistakable heroin", seller_id="s-unmistakable")).json()
        receiver.wait_for(1)
    (posted,) = receiver.posted
    told = Webhook(secret).verify(posted.body, posted.headers)
    EventMessage.model_validate_json(posted.body)
    assert told["type"] == "decision.made"
    assert told["data"] == {
        "decision_id": answered["decision_id"],
        "listing_id": "l-7",
        "outcome": "block",
        "policies": ["prohibited/drugs"],
        "automated": True,
        "overrides": None,
        "decided_at": told["timestamp"],
    }
    assert b"nmistakable" not in posted.body
    assert not [one for one in threading.enumerate() if one.name.startswith("webhook")]


def test_scoring_answers_while_an_endpoint_hangs(
    sqlite_engine, make_parts, serve_parts, a_listing, receiver, courier, monkeypatch
):
    monkeypatch.setattr("fairstall.serving.webhooks.courier.END_WITHIN_S", 0.05)
    add_endpoint(sqlite_engine, receiver.url, now=datetime.now(UTC))
    held = threading.Event()
    receiver.answers = [held] * 50
    with serve_parts(make_parts(sqlite_engine, courier=courier, clock=utc_now)) as served:
        for number in range(20):
            assert served.score(a_listing(number)).status_code == 200
        assert served.stored()[3] == 20
    held.set()


def test_every_kind_of_event_and_every_header_is_in_the_openapi_document():
    described = openapi_document()["webhooks"]
    assert set(described) == set(KINDS)
    assert set(get_args(EventMessage.model_fields["type"].annotation)) == set(KINDS)
    delivery = Delivery("e-1", KINDS[0], {}, datetime.now(UTC), 1)
    message = sign_message(delivery, ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"], now=datetime.now(UTC))
    named = {one["name"]: one["required"] for one in described[KINDS[0]]["post"]["parameters"]}
    signed = {name: True for name in message.headers if name.startswith("webhook-")}
    assert named == signed | dict.fromkeys(message.traced("00-1-1-01").headers.keys() - message.headers, False)
