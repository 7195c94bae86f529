"""Which decisions nobody needs any more in the database. An override chain goes as a whole or not at all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, or_, select

from fairstall.model.identifiers import earliest_id
from fairstall.model.wire import iso_utc
from fairstall.records.deliveries import DeliveryState
from fairstall.records.outbox import events_of
from fairstall.records.tables import audit_leaves, blocked_prints, cases, decisions, deliveries, reviews

SETTLED_AFTER = timedelta(days=2)  # longer than an idempotency key lives, a review can be undone and a seal can be late


@dataclass(frozen=True, slots=True)
class Cut:
    """What is old enough: decided before `before`, the first moment of a month, and reviewed before `settled`."""

    before: datetime
    settled: datetime

    @property
    def before_id(self) -> str:
        return earliest_id(self.before)


def archivable(connection: Connection, ids: Sequence[str], cut: Cut) -> Mapping[str, frozenset[str]]:
    """Those of `ids` that may go, each with its whole chain of overrides.

    Kept is what is not sealed, has an open case or a young review, was erased a short while ago, blocks and is compared
    with, or tells an event that was not delivered, and whatever overrides or is overridden by such a decision.
    """
    chains = _chains(connection, ids)
    kept = _kept(connection, {member for chain in chains.values() for member in chain}, cut)
    return {one: chains[one] for one in ids if not chains[one] & kept}


def _chains(connection: Connection, ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """The chain of each decision, by following `overrides` both ways until nothing is new."""
    chain_of = {one: {one} for one in ids}
    ahead = set(ids)
    while ahead:
        pairs = select(decisions.c.decision_id, decisions.c.overrides).where(
            decisions.c.overrides.is_not(None),
            or_(decisions.c.decision_id.in_(ahead), decisions.c.overrides.in_(ahead)),
        )
        known = set(chain_of)
        for newer, older in connection.execute(pairs):
            joined = chain_of.get(newer, {newer}) | chain_of.get(older, {older})
            chain_of |= dict.fromkeys(joined, joined)
        ahead = set(chain_of) - known
    return {one: frozenset(chain_of[one]) for one in ids}


def _kept(connection: Connection, ids: Iterable[str], cut: Cut) -> set[str]:
    some = sorted(ids)
    sealed = select(audit_leaves.c.row_id).where(audit_leaves.c.row_id.in_(some), audit_leaves.c.archived.is_(None))
    kept = set(some) - set(connection.execute(sealed).scalars())
    kept |= {one for one in some if one >= cut.before_id}
    for query in (_open_cases(some), _compared_with(some), _young_reviews(some, cut), _just_erased(some, cut)):
        kept |= set(connection.execute(query).scalars())
    return kept | _undelivered(connection, some)


def _open_cases(ids: Sequence[str]) -> Select[Any]:
    return select(cases.c.decision_id).where(cases.c.decision_id.in_(ids), cases.c.state == "open")


def _compared_with(ids: Sequence[str]) -> Select[Any]:
    return select(blocked_prints.c.decision_id).where(
        blocked_prints.c.decision_id.in_(ids), ~blocked_prints.c.withdrawn
    )


def _young_reviews(ids: Sequence[str], cut: Cut) -> Select[Any]:
    """A review that may be undone yet, or that is not sealed."""
    joined = reviews.join(cases, reviews.c.case_id == cases.c.case_id)
    joined = joined.outerjoin(audit_leaves, audit_leaves.c.row_id == reviews.c.review_id)
    young = or_(reviews.c.decided_at >= iso_utc(cut.settled), audit_leaves.c.seal.is_(None))
    return select(cases.c.decision_id).select_from(joined).where(cases.c.decision_id.in_(ids), young)


def _just_erased(ids: Sequence[str], cut: Cut) -> Select[Any]:
    """Its file may have been written before."""
    return select(decisions.c.decision_id).where(
        decisions.c.decision_id.in_(ids), decisions.c.erased_at >= iso_utc(cut.settled)
    )


def _undelivered(connection: Connection, ids: Sequence[str]) -> set[str]:
    told = {row.event_id: row.body["decision_id"] for row in events_of(connection, ids)}
    waiting = select(deliveries.c.event_id).where(
        and_(deliveries.c.event_id.in_(told), deliveries.c.state != DeliveryState.DELIVERED)
    )
    return {told[event_id] for event_id in connection.execute(waiting).scalars()}
