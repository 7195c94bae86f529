"""Events that the outside world will be told about, written with what they tell, and queued for whom they concern.

Sending them is not done here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, insert, or_, select

from fairstall.model.decision import Decision
from fairstall.model.identifiers import earliest_id, time_ordered_id
from fairstall.model.wire import iso_utc
from fairstall.records.deliveries import queue_deliveries
from fairstall.records.tables import decisions, events

KINDS = ("decision.made", "decision.overridden")
MOMENTS_AT_ONCE = 100
_A_MOMENT = timedelta(milliseconds=2)
_NEW_EVENTS = insert(events)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `kind` is one of KINDS."""

    event_id: str
    kind: str
    body: Mapping[str, Any]
    happened_at: datetime


def decision_event(decision: Decision) -> Event:
    """`decision.made`, or `decision.overridden` for a row that names an older one. It carries no text and no seller."""
    body = {
        "decision_id": decision.decision_id,
        "listing_id": decision.listing_id,
        "outcome": str(decision.outcome),
        "policies": [finding.policy for finding in decision.assessment.findings],
        "automated": decision.automated,
        "overrides": decision.overrides,
        "decided_at": iso_utc(decision.decided_at),
    }
    kind = "decision.overridden" if decision.overrides else "decision.made"
    return Event(time_ordered_id(decision.decided_at), kind, body, decision.decided_at)


def events_of(connection: Connection, decision_ids: Sequence[str]) -> list[Row[Any]]:
    """The rows of `events` that tell of these decisions, found by the moment in their ids, which is the decision's."""
    found: list[Row[Any]] = []
    decided = select(decisions.c.decided_at).where(decisions.c.decision_id.in_(decision_ids)).distinct()
    moments = [datetime.fromisoformat(moment) for moment in connection.execute(decided).scalars()]
    for some in (moments[start : start + MOMENTS_AT_ONCE] for start in range(0, len(moments), MOMENTS_AT_ONCE)):
        within = or_(*(_made_at(moment) for moment in some))
        found += connection.execute(select(events).where(within)).all()
    wanted = set(decision_ids)
    return list({row.event_id: row for row in found if row.body.get("decision_id") in wanted}.values())


def _made_at(moment: datetime) -> ColumnElement[bool]:
    """Ids of that millisecond; rounding may take one more."""
    return and_(events.c.event_id >= earliest_id(moment), events.c.event_id < earliest_id(moment + _A_MOMENT))


def write_events(connection: Connection, happened: Sequence[Event]) -> None:
    """Store events and queue them for every webhook endpoint, inside the transaction of what they tell."""
    if not happened:
        return
    rows = [
        {"event_id": one.event_id, "kind": one.kind, "body": dict(one.body), "happened_at": iso_utc(one.happened_at)}
        for one in happened
    ]
    connection.execute(_NEW_EVENTS, rows)
    queue_deliveries(connection, rows)
