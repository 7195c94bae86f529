"""Sending again what an endpoint failed to take or missed, and looking at what became of each delivery."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from fairstall.model.errors import Conflict
from fairstall.model.identifiers import earliest_id
from fairstall.model.wire import iso_utc
from fairstall.records.deliveries import DeliveryState
from fairstall.records.engine import reading, writing
from fairstall.records.tables import deliveries, events
from fairstall.records.webhooks import find_endpoint

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one event at one endpoint so far."""

    event_id: str
    kind: str
    state: DeliveryState
    attempts: int
    attempted_at: datetime | None
    result: str


def list_deliveries(engine: Engine, named: str, *, state: DeliveryState, at_most: int) -> list[Delivered]:
    """The newest deliveries of an endpoint in one state. Raises NotFound."""
    with reading(engine) as connection:
        endpoint_id = find_endpoint(connection, named).endpoint_id
        query = select(deliveries, events.c.kind).join(events, events.c.event_id == deliveries.c.event_id)
        query = query.where(deliveries.c.endpoint_id == endpoint_id, deliveries.c.state == str(state))
        newest = (deliveries.c.queued_at.desc(), deliveries.c.event_id.desc())
        return [_delivered(row) for row in connection.execute(query.order_by(*newest).limit(at_most))]


def retry_failed(engine: Engine, named: str, *, now: datetime) -> int:
    """Put every failed delivery of an endpoint back at the start of the schedule; how many there were.

    Raises NotFound, or Conflict when the endpoint is disabled.
    """
    count = 0
    while event_ids := _failed(engine, named):
        count += len(event_ids)
        with writing(engine) as connection:
            _put_back(connection, _enabled_id(connection, named), event_ids, iso_utc(now))
    return count


def replay(engine: Engine, named: str, *, since: datetime, until: datetime, now: datetime) -> int:
    """Send every event of a span of time, delivered before or not, as far as the endpoint wants its kind.

    Each keeps its id, by which a receiver knows what it has had. Returns how many events that are. Raises NotFound,
    or Conflict when the endpoint is disabled.
    """
    count, after = 0, earliest_id(since)
    while True:
        with writing(engine) as connection:
            endpoint_id, kinds = _enabled_id(connection, named), find_endpoint(connection, named).kinds
            page = _events_after(connection, after, earliest_id(until), kinds)
            _queue_again(connection, endpoint_id, page, iso_utc(now))
        if not page:
            return count
        count, after = count + len(page), page[-1]


def _failed(engine: Engine, named: str) -> Sequence[str]:
    with reading(engine) as connection:
        of_endpoint = (deliveries.c.endpoint_id == _enabled_id(connection, named), deliveries.c.state == "failed")
        query = select(deliveries.c.event_id).where(*of_endpoint).order_by(deliveries.c.queued_at).limit(AT_ONCE)
        return connection.execute(query).scalars().all()


def _events_after(connection: Connection, last: str, end: str, kinds: str | None) -> Sequence[str]:
    query = select(events.c.event_id).where(events.c.event_id > last, events.c.event_id < end)
    if kinds is not None:
        query = query.where(events.c.kind.in_(kinds.split(",")))
    return connection.execute(query.order_by(events.c.event_id).limit(AT_ONCE)).scalars().all()


def _queue_again(connection: Connection, endpoint_id: str, event_ids: Sequence[str], now: str) -> None:
    if not event_ids:
        return
    known = select(deliveries.c.event_id).where(
        deliveries.c.endpoint_id == endpoint_id, deliveries.c.event_id.in_(event_ids)
    )
    queued = set(connection.execute(known).scalars())
    _put_back(connection, endpoint_id, sorted(queued), now)
    row = {"endpoint_id": endpoint_id, "state": "waiting", "queued_at": now, "due_at": now}
    if missing := [row | {"event_id": event_id} for event_id in event_ids if event_id not in queued]:
        connection.execute(insert(deliveries), missing)


def _put_back(connection: Connection, endpoint_id: str, event_ids: Sequence[str], now: str) -> None:
    again = {"state": "waiting", "queued_at": now, "due_at": now, "attempts": 0}
    these = (deliveries.c.endpoint_id == endpoint_id, deliveries.c.event_id.in_(event_ids))
    connection.execute(update(deliveries).where(*these).values(again))


def _enabled_id(connection: Connection, named: str) -> str:
    row = find_endpoint(connection, named)
    if row.state != "enabled":
        raise Conflict(f"the endpoint is disabled ({row.state_reason}): enable it first")
    return str(row.endpoint_id)


def _delivered(row: Row[Any]) -> Delivered:
    return Delivered(
        event_id=row.event_id,
        kind=row.kind,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        attempted_at=datetime.fromisoformat(row.attempted_at) if row.attempted_at else None,
        result=row.result,
    )
