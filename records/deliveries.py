"""What waits to be delivered to which webhook endpoint: queued with the event, claimed for a while, settled.

How it is sent, and when again, is the business of `serving.webhooks`; what an operator does is in `webhooks`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    UpdateBase,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading, writing
from fairstall.records.tables import deliveries, events, webhook_endpoints

KEEP_DELIVERED = timedelta(days=7)
KEEP_OTHERS = timedelta(days=30)
FORGET_FAILURES = timedelta(days=2)  # longer than any two attempts are apart
PRUNED_AT_ONCE = 1_000

# Literals and no parameters: otherwise neither database would use its index of what waits.
_WAITING = deliveries.c.state == literal_column("'waiting'")
_ENABLED = webhook_endpoints.c.state == literal_column("'enabled'")
_WHO_WANTS = select(webhook_endpoints.c.endpoint_id, webhook_endpoints.c.kinds).where(_ENABLED)


class DeliveryState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint as it is when something is claimed for it: one secret, or two during a rotation.

    `failing_since` is of failures that something was learnt of lately.
    """

    endpoint_id: str
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    failing_since: datetime | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint; `attempt` counts from 1."""

    event_id: str
    kind: str
    body: Mapping[str, Any]
    happened_at: datetime
    attempt: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What one worker holds until its lease ends."""

    target: Target
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt. `due_at` is when to try again if it still waits; `counts` is false for none made."""

    delivery: Delivery
    state: DeliveryState
    due_at: datetime
    result: str
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Health:
    """What a batch tells of its endpoint: whether it works (None: nothing was learnt), its pause, its end.

    `failing_since` is set where it does not work.
    """

    works: bool | None = None
    failing_since: datetime | None = None
    paused_until: datetime | None = None
    disabled_because: str | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How the deliveries of one store stand. `oldest_queued_at` is of what waits for an enabled endpoint."""

    oldest_queued_at: datetime | None
    enabled: int
    disabled: int


class DeliveryQueue:
    """The deliveries of one store. Several processes may work on it: each delivery is claimed by one at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def due(self, now: datetime) -> list[str]:
        """The ids of the endpoints that have something to be sent now. It only reads."""
        at = iso_utc(now)
        waits = exists().where(
            deliveries.c.endpoint_id == webhook_endpoints.c.endpoint_id, _WAITING, deliveries.c.due_at <= at
        )
        with reading(self._engine) as connection:
            return [*connection.execute(select(webhook_endpoints.c.endpoint_id).where(*_open(at), waits)).scalars()]

    def claim(self, endpoint_id: str, *, now: datetime, lease: timedelta, at_most: int) -> Batch | None:
        """Hold what is due for the endpoint, the longest due first: a single one while the endpoint is failing.

        What is not settled when the lease ends is due again, which is how a crash in the middle is mended.
        """
        with writing(self._engine) as connection:
            row = connection.execute(_endpoint(endpoint_id).where(*_open(iso_utc(now)))).one_or_none()
            if row is None:
                return None
            target = _target(row, now)
            limit = 1 if target.failing_since else at_most
            claim = _claim(endpoint_id, now=iso_utc(now), lease_until=iso_utc(now + lease), at_most=limit)
            attempts = {row.event_id: row.attempts for row in connection.execute(claim)}
            return Batch(target, _read(connection, attempts)) if attempts else None

    def settle(self, endpoint_id: str, outcomes: Sequence[Outcome], health: Health, *, now: datetime) -> None:
        """Record a batch, in one transaction. An attempt that another worker took over meanwhile is passed over."""
        settled = [
            {
                "of_event": one.delivery.event_id,
                "of_attempt": one.delivery.attempt,
                "state": str(one.state),
                "due_at": iso_utc(one.due_at),
                "attempts": one.delivery.attempt - (not one.counts),
                "result": one.result,
            }
            for one in outcomes
        ]
        held = (
            deliveries.c.endpoint_id == endpoint_id,
            deliveries.c.event_id == bindparam("of_event"),
            deliveries.c.attempts == bindparam("of_attempt"),
            _WAITING,
        )
        names: dict[str, Any] = {name: bindparam(name) for name in ("state", "due_at", "attempts", "result")}
        with writing(self._engine) as connection:
            connection.execute(update(deliveries).where(*held).values(names | {"attempted_at": iso_utc(now)}), settled)
            _note_health(connection, endpoint_id, health, iso_utc(now))

    def backlog(self) -> Backlog:
        """What a gauge shows; each endpoint costs one look into an index."""
        oldest = select(func.min(deliveries.c.queued_at)).where(
            deliveries.c.endpoint_id == webhook_endpoints.c.endpoint_id, _WAITING
        )
        query = select(webhook_endpoints.c.state, oldest.scalar_subquery().label("oldest"))
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(webhook_endpoints.c.state != "removed")).all()
        queued = [row.oldest for row in rows if row.state == "enabled" and row.oldest]
        enabled = sum(row.state == "enabled" for row in rows)
        return Backlog(datetime.fromisoformat(min(queued)) if queued else None, enabled, len(rows) - enabled)

    def prune(self, now: datetime) -> int:
        """Delete deliveries past keeping, at most PRUNED_AT_ONCE of each endpoint, and secrets that were replaced.

        Returns how many deliveries went.
        """
        with reading(self._engine) as connection:
            endpoints = connection.execute(select(webhook_endpoints)).all()
            past = {row.endpoint_id: _past_keeping(connection, row, now) for row in endpoints}
        for row in endpoints:
            replaced = row.old_secret is not None and row.old_secret_until <= iso_utc(now)
            if replaced or past[row.endpoint_id]:
                with writing(self._engine) as connection:
                    _forget(connection, row.endpoint_id, past[row.endpoint_id], iso_utc(now))
        return sum(len(found) for found in past.values())


def queue_deliveries(connection: Connection, happened: Sequence[Mapping[str, Any]]) -> None:
    """Queue rows of `events` for every endpoint that wants their kind, inside the transaction that stores them.

    So an endpoint gets what happens from its registration on, and nobody ever searches the events for what is new.
    """
    rows = [
        _new_delivery(endpoint.endpoint_id, one["event_id"], one["happened_at"])
        for endpoint in connection.execute(_WHO_WANTS)
        for one in happened
        if endpoint.kinds is None or one["kind"] in endpoint.kinds.split(",")
    ]
    if rows:
        connection.execute(insert(deliveries), rows)


def _new_delivery(endpoint_id: str, event_id: str, at: str) -> dict[str, Any]:
    return {"endpoint_id": endpoint_id, "event_id": event_id, "state": "waiting", "queued_at": at, "due_at": at}


def _open(now: str) -> tuple[Any, ...]:
    paused = webhook_endpoints.c.paused_until
    return _ENABLED, or_(paused.is_(None), paused <= now)


def _endpoint(endpoint_id: str) -> Any:
    return select(webhook_endpoints).where(webhook_endpoints.c.endpoint_id == endpoint_id)


def _claim(endpoint_id: str, *, now: str, lease_until: str, at_most: int) -> UpdateBase:
    """One statement that puts deliveries off to the end of a lease and returns them.

    On PostgreSQL rows that another claim has locked are passed over; SQLite has one writer at a time.
    """
    waiting = deliveries.alias("waiting")
    is_waiting = waiting.c.state == literal_column("'waiting'")
    due = select(waiting.c.event_id).where(waiting.c.endpoint_id == endpoint_id, is_waiting, waiting.c.due_at <= now)
    chosen = due.order_by(waiting.c.due_at, waiting.c.event_id).limit(at_most).with_for_update(skip_locked=True)
    return (
        update(deliveries)
        .where(
            deliveries.c.endpoint_id == endpoint_id,
            # A CTE: as a plain subquery PostgreSQL may run it more than once, and lock more rows than the limit.
            deliveries.c.event_id.in_(select(chosen.cte("chosen").c.event_id)),
        )
        .values(due_at=lease_until, attempts=deliveries.c.attempts + 1)
        .returning(deliveries.c.event_id, deliveries.c.attempts)
    )


def _read(connection: Connection, attempts: Mapping[str, int]) -> tuple[Delivery, ...]:
    query = select(events).where(events.c.event_id.in_(attempts)).order_by(events.c.event_id)
    return tuple(
        Delivery(row.event_id, row.kind, row.body, datetime.fromisoformat(row.happened_at), attempts[row.event_id])
        for row in connection.execute(query)
    )


def _target(row: Row[Any], now: datetime) -> Target:
    overlaps = row.old_secret is not None and row.old_secret_until > iso_utc(now)
    secrets = (row.secret, row.old_secret) if overlaps else (row.secret,)
    asked_lately = row.paused_until is not None and row.paused_until > iso_utc(now - FORGET_FAILURES)
    failing_since = datetime.fromisoformat(row.failing_since) if row.failing_since and asked_lately else None
    return Target(row.endpoint_id, row.url, secrets, failing_since)


def _note_health(connection: Connection, endpoint_id: str, health: Health, now: str) -> None:
    paused_until = iso_utc(health.paused_until) if health.paused_until else None
    change = update(webhook_endpoints).where(webhook_endpoints.c.endpoint_id == endpoint_id, _ENABLED)
    failing_since = webhook_endpoints.c.failing_since
    if health.disabled_because:
        values = {"state": "disabled", "state_reason": health.disabled_because, "state_since": now}
        connection.execute(change.values(values))
    elif health.failing_since:
        connection.execute(change.values(failing_since=iso_utc(health.failing_since), paused_until=paused_until))
    elif health.works:
        if paused_until is None:
            change = change.where(or_(failing_since.is_not(None), webhook_endpoints.c.paused_until.is_not(None)))
        connection.execute(change.values(failing_since=None, paused_until=paused_until))


def _past_keeping(connection: Connection, endpoint: Row[Any], now: datetime) -> list[str]:
    found: list[str] = []
    for state in DeliveryState:
        keep = KEEP_DELIVERED if state is DeliveryState.DELIVERED else KEEP_OTHERS
        query = select(deliveries.c.event_id).where(
            deliveries.c.endpoint_id == endpoint.endpoint_id, deliveries.c.state == str(state)
        )
        if endpoint.state != "removed":
            query = query.where(deliveries.c.queued_at < iso_utc(now - keep))
        found += connection.execute(query.limit(PRUNED_AT_ONCE - len(found))).scalars()
    return found


def _forget(connection: Connection, endpoint_id: str, event_ids: Sequence[str], now: str) -> None:
    here = webhook_endpoints.c.endpoint_id == endpoint_id
    connection.execute(
        delete(deliveries).where(deliveries.c.endpoint_id == endpoint_id, deliveries.c.event_id.in_(event_ids))
    )
    connection.execute(
        update(webhook_endpoints)
        .where(here, webhook_endpoints.c.old_secret_until <= now)
        .values(old_secret=None, old_secret_until=None)
    )
