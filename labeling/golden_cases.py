"""Golden items mixed into somebody's work unseen: which claim gets one, and which one. Making them is `golden`'s."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, insert, or_, select

from fairstall.labeling.claims import IS_OPEN, Claimant, reviewed_by
from fairstall.labeling.lanes import SHARED, lane_of_person
from fairstall.model.control import ListingShare
from fairstall.model.identifiers import time_ordered_id
from fairstall.records.ledger import CaseReason
from fairstall.records.tables import cases, decisions, golden_cases, golden_items, opened_with

PURPOSE = "golden"
ITEMS_CONSIDERED = 500


@dataclass(frozen=True, slots=True)
class GoldenMix:
    """Puts a golden item before a `share` of the cases that somebody claims, drawn by a keyed hash of him and the case.

    He gets none that he added, reviewed or was given before, and never two at a time.
    """

    key: bytes
    share: float

    def instead_of(self, connection: Connection, claimed: Row[Any], claimant: Claimant) -> Row[Any] | None:
        """A case of a golden item that the claimant has now, to be decided before the one that he claimed; mostly None.

        It takes over that one's moments, and an id of the time when that one was opened: nothing tells it apart.
        """
        drawn = ListingShare(self.key, PURPOSE, self.share)
        just_claimed = claimed.lane == SHARED and claimed.claimed_at == claimant.now
        if not just_claimed or not drawn.draws(f"{claimant.user_id} {claimed.case_id}"):
            return None
        if connection.execute(_given(claimed.case_id, claimant.user_id).limit(1)).first():
            return None
        items = connection.execute(_items(claimant.user_id)).all()
        if not items:
            return None
        item = min(
            items, key=lambda one: hmac.digest(self.key, f"{claimant.user_id} {one.golden_id}".encode(), "sha256")
        )
        case = connection.execute(insert(cases).values(_values(item, claimed, claimant)).returning(cases)).one()
        given = {"golden_id": item.golden_id, "user_id": claimant.user_id, "instead_of": claimed.case_id}
        connection.execute(insert(golden_cases).values(case_id=case.case_id, **given))
        return case

    def _turn_of(self, golden_id: str, user_id: str) -> bytes:
        """By which each person meets the items in an order of his own."""
        return hmac.digest(self.key, f"{user_id} {golden_id}".encode(), "sha256")


def _given(case_id: str, user_id: str) -> Select[Any]:
    """The golden cases that a person has open, or was given before this case already."""
    return (
        select(golden_cases.c.case_id)
        .join(cases, golden_cases.c.case_id == cases.c.case_id)
        .where(golden_cases.c.user_id == user_id, or_(IS_OPEN, golden_cases.c.instead_of == case_id))
    )


def _items(user_id: str) -> Select[Any]:
    before = exists().where(golden_cases.c.golden_id == golden_items.c.golden_id, golden_cases.c.user_id == user_id)
    return (
        select(golden_items.c.golden_id, golden_items.c.decision_id, cases.c.policy, cases.c.priority, cases.c.market)
        .join(decisions, golden_items.c.decision_id == decisions.c.decision_id)
        .join(cases, opened_with(decisions))
        .where(
            golden_items.c.retired_at.is_(None),
            golden_items.c.added_by != user_id,
            ~before,
            ~reviewed_by(user_id, golden_items.c.decision_id),
        )
        .order_by(golden_items.c.added_at.desc())
        .limit(ITEMS_CONSIDERED)
    )


def _values(item: Row[Any], claimed: Row[Any], claimant: Claimant) -> dict[str, Any]:
    return {
        "case_id": time_ordered_id(datetime.fromisoformat(claimed.opened_at)),
        "decision_id": item.decision_id,
        "reason": str(CaseReason.GOLDEN),
        "policy": item.policy,
        "priority": item.priority,
        "opened_at": claimed.opened_at,
        "urgent_at": claimed.urgent_at,
        "due_at": claimed.due_at,
        "lane": lane_of_person(claimant.user_id),
        "market": item.market,
        "lease_holder": claimant.user_id,
        "lease_until": claimant.lease_until,
        "claimed_at": claimant.now,
    }
