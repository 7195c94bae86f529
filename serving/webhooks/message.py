"""What an endpoint is sent: the body, and the headers that sign it (Standard Webhooks 1.0.0, symmetric scheme v1)."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from fairstall.model.identifiers import time_ordered_id
from fairstall.model.wire import iso_utc
from fairstall.records.deliveries import Delivery
from fairstall.records.webhooks import SECRET_PREFIX

PING = "webhook.ping"
TRACE_PARENT = "traceparent"


@dataclass(frozen=True, slots=True)
class Message:
    """One attempt, ready to be posted."""

    headers: dict[str, str]
    body: bytes

    def traced(self, traceparent: str) -> "Message":
        """The same, for a receiver that goes on with the trace. The signature says nothing of it."""
        return replace(self, headers=self.headers | {TRACE_PARENT: traceparent})


def sign_message(delivery: Delivery, secrets: Sequence[str], *, now: datetime) -> Message:
    """The delivery as it is posted at `now`, signed with every secret, so that a receiver may hold any of them."""
    content = {"type": delivery.kind, "timestamp": iso_utc(delivery.happened_at), "data": delivery.body}
    body, timestamp = orjson.dumps(content), str(int(now.timestamp()))
    signed = f"{delivery.event_id}.{timestamp}.".encode() + body
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Fairstall-Webhooks",
        "webhook-id": delivery.event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }
    return Message(headers, body)


def ping_event(now: datetime) -> Delivery:
    """An event that tells of nothing, to try an endpoint with."""
    return Delivery(time_ordered_id(now), PING, {}, now, attempt=1)


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
