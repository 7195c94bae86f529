"""Webhook endpoints as an operator handles them: registered, listed, disabled, given a new secret, sent events again.

Secrets are kept as they are, since each delivery is signed with one; nothing here but their making tells them.
"""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from sqlalchemy import Connection, Engine, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from fairstall.model.errors import Conflict, InputError, NotFound
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.wire import iso_utc
from fairstall.records.deliveries import DeliveryState, Target
from fairstall.records.engine import reading, writing
from fairstall.records.outbox import KINDS
from fairstall.records.tables import deliveries, webhook_endpoints

SECRET_PREFIX = "whsec_"
SECRET_BYTES = 32  # the specification asks for 24 to 64
URL_CHARACTERS = 2_000


class EndpointState(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as it is listed. `kinds` is empty for all kinds; `reason` says why it is disabled."""

    endpoint_id: str
    url: str
    kinds: tuple[str, ...]
    state: EndpointState
    reason: str
    failing_since: datetime | None
    waiting: int
    failed: int


@dataclass(frozen=True, slots=True)
class NewSecret:
    """`secret` is shown once, to whoever made it."""

    endpoint_id: str
    secret: str


def add_endpoint(
    engine: Engine, url: str, kinds: Sequence[str] = (), *, now: datetime, allow_http: bool = False
) -> NewSecret:
    """Register a URL for events of some kinds, or of all. It gets what happens from now on.

    Raises InputError for a URL or a kind that will not do, Conflict for a URL that is registered.
    """
    check_url(url, allow_http=allow_http)
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise InputError(f"there are no events of kind {unknown[0]!r}: choose from {', '.join(KINDS)}")
    new = NewSecret(time_ordered_id(now), _new_secret())
    row = {
        "endpoint_id": new.endpoint_id,
        "url": url,
        "kinds": ",".join(kinds) or None,
        "state": "enabled",
        "state_since": iso_utc(now),
        "created_at": iso_utc(now),
        "secret": new.secret,
    }
    try:
        with writing(engine) as connection:
            connection.execute(insert(webhook_endpoints).values(row))
    except IntegrityError as error:
        raise Conflict(f"{url} is registered: remove it first, or rotate its secret") from error
    return new


def list_endpoints(engine: Engine) -> list[Endpoint]:
    """Every endpoint that was not removed, oldest first."""
    counts = [_count(state).label(str(state)) for state in (DeliveryState.WAITING, DeliveryState.FAILED)]
    query = select(webhook_endpoints, *counts).where(webhook_endpoints.c.state != "removed")
    with reading(engine) as connection:
        return [_listed(row) for row in connection.execute(query.order_by(webhook_endpoints.c.endpoint_id))]


def remove_endpoint(engine: Engine, named: str, *, now: datetime) -> None:
    """Take an endpoint out of use for good; its secrets are erased. Raises NotFound."""
    _set_state(engine, named, EndpointState.REMOVED, now, secret=None, old_secret=None, old_secret_until=None)


def disable_endpoint(engine: Engine, named: str, *, now: datetime) -> None:
    """Send nothing to an endpoint and queue nothing for it; what waits, waits. Raises NotFound."""
    _set_state(engine, named, EndpointState.DISABLED, now, state_reason="disabled by hand")


def enable_endpoint(engine: Engine, named: str, *, now: datetime) -> None:
    """Send to an endpoint again; what waited begins its schedule anew. Raises NotFound."""
    cleared = {"state_reason": "", "failing_since": None, "paused_until": None}
    endpoint_id = _set_state(engine, named, EndpointState.ENABLED, now, **cleared)
    tried = (deliveries.c.endpoint_id == endpoint_id, deliveries.c.state == "waiting", deliveries.c.attempts > 0)
    with writing(engine) as connection:
        connection.execute(update(deliveries).where(*tried).values(attempts=0, due_at=iso_utc(now)))


def rotate_secret(engine: Engine, named: str, *, overlap: timedelta, now: datetime) -> NewSecret:
    """A new secret; for the time of `overlap` the one before signs as well. Raises NotFound."""
    new = _new_secret()
    with writing(engine) as connection:
        row = find_endpoint(connection, named)
        change = update(webhook_endpoints).where(webhook_endpoints.c.endpoint_id == row.endpoint_id)
        kept = {"old_secret": row.secret, "old_secret_until": iso_utc(now + overlap)} if overlap else {}
        none_kept = {"old_secret": None, "old_secret_until": None}
        connection.execute(change.values(none_kept | kept | {"secret": new}))
    return NewSecret(row.endpoint_id, new)


def target_of(engine: Engine, named: str) -> Target:
    """What it takes to send something to an endpoint, enabled or not. Raises NotFound."""
    with reading(engine) as connection:
        row = find_endpoint(connection, named)
    return Target(row.endpoint_id, row.url, (row.secret,), None)


def find_endpoint(connection: Connection, named: str) -> Row[Any]:
    """The row of an endpoint by its id or its URL. Raises NotFound."""
    is_named = (webhook_endpoints.c.endpoint_id == named) | (webhook_endpoints.c.url == named)
    row = connection.execute(
        select(webhook_endpoints).where(webhook_endpoints.c.state != "removed", is_named)
    ).one_or_none()
    if row is None:
        raise NotFound(f"there is no webhook endpoint {named!r}: `fairstall webhook list` shows ids and URLs")
    return row


def check_url(url: str, *, allow_http: bool) -> None:
    """Raise InputError for a URL that nothing will be sent to."""
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise InputError(f"the URL cannot be read: {error}") from error
    if not sound or not url.isascii() or not url.isprintable() or " " in url or len(url) > URL_CHARACTERS:
        raise InputError(f"the URL needs a host, and at most {URL_CHARACTERS:,} printable ASCII characters")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InputError("the URL must hold neither a user name nor a password nor a fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and (allow_http or is_loopback(parts))):
        raise InputError("the URL must begin with https://; --allow-http sends in clear, loopback needs no leave")


def is_loopback(parts: SplitResult) -> bool:
    """Whether the URL itself names this machine, whatever a resolver may say."""
    host = parts.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _set_state(engine: Engine, named: str, state: EndpointState, now: datetime, **values: Any) -> str:
    with writing(engine) as connection:
        endpoint_id: str = find_endpoint(connection, named).endpoint_id
        change = update(webhook_endpoints).where(webhook_endpoints.c.endpoint_id == endpoint_id)
        connection.execute(change.values({"state": str(state), "state_since": iso_utc(now)} | values))
    return endpoint_id


def _count(state: DeliveryState) -> Any:
    of_endpoint = (deliveries.c.endpoint_id == webhook_endpoints.c.endpoint_id, deliveries.c.state == str(state))
    return select(func.count()).select_from(deliveries).where(*of_endpoint).scalar_subquery()


def _listed(row: Row[Any]) -> Endpoint:
    return Endpoint(
        endpoint_id=row.endpoint_id,
        url=row.url,
        kinds=tuple(row.kinds.split(",")) if row.kinds else (),
        state=EndpointState(row.state),
        reason=row.state_reason,
        failing_since=datetime.fromisoformat(row.failing_since) if row.failing_since else None,
        waiting=row.waiting,
        failed=row.failed,
    )
