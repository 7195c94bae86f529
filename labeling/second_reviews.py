"""Which decisions a second person reviews, without knowing that he is the second, nor the first that there is one.

What happens when they disagree is `settling`'s business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, exists, func, insert, select

from fairstall.labeling.lanes import SENIOR, SHARED
from fairstall.labeling.permissions import PERMISSIONS, Permission
from fairstall.labeling.settling import FIRST
from fairstall.model.control import ListingShare
from fairstall.model.decide import Band, Finding, Outcome
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.model.policies import Policy, PolicySet, Severity
from fairstall.model.urgency import urgency_of
from fairstall.model.wire import assessment_from_body, iso_utc
from fairstall.records.ledger import CaseReason, listing_from_body
from fairstall.records.tables import cases, decisions, listings, users

WIDE_REACH = 100_000  # people a day
CLEAN_HISTORY = 20  # listings approved and none blocked
HISTORY_LOOKED_AT = 50
PURPOSE = "second review"


@dataclass(frozen=True, slots=True)
class SecondReviews:
    """Draws decisions by a keyed hash of their id, so that a draw can be repeated and nobody can foresee it."""

    policies: PolicySet
    key: bytes

    def open_after(self, connection: Connection, case: Row[Any], violated: Sequence[str], now: datetime) -> None:
        """Open the second case after a first review that named the policies `violated`, when there shall be one.

        There is none after a case that was escalated, or where nobody else reviews.
        """
        if CaseReason(case.reason) not in FIRST or case.lane == SENIOR:
            return
        row = connection.execute(_DECIDED.where(decisions.c.decision_id == case.decision_id)).one()
        listing, found = listing_from_body(row.body), assessment_from_body(row.assessment).findings
        named = [self.policies[one] for one in {*violated, *(f.policy for f in found)} if one in self.policies.by_code]
        drawn = ListingShare(self.key, PURPOSE, max((one.review.second_share for one in named), default=0.0))
        if not (
            drawn.draws(case.decision_id) or self._of_high_impact(connection, listing, found, violated=bool(violated))
        ):
            return
        if _has_a_second(connection, case.decision_id) or _reviewers(connection) < 2:
            return
        connection.execute(insert(cases).values(_second_case(case, listing, named, now)))

    def _of_high_impact(
        self, connection: Connection, listing: Listing, found: Sequence[Finding], *, violated: bool
    ) -> bool:
        """Whether a mistake would cost much: many see the listing, a strong critical finding is waved through, or the
        listing of a seller with a clean history is blocked."""
        if (listing.reach or 0) >= WIDE_REACH:
            return True
        if violated:
            return _is_clean(connection, listing)
        return any(finding.band is Band.HIGH and self._is_critical(finding.policy) for finding in found)

    def _is_critical(self, code: str) -> bool:
        policy = self.policies.by_code.get(code)
        return policy is not None and policy.severity is Severity.CRITICAL


def _second_case(case: Row[Any], listing: Listing, named: Sequence[Policy], now: datetime) -> dict[str, Any]:
    urgency = urgency_of(now, case.priority, policies=named, market=listing.market, reach=listing.reach)
    return {
        "case_id": time_ordered_id(now),
        "decision_id": case.decision_id,
        "reason": str(CaseReason.SECOND_OPINION),
        "policy": case.policy,
        "priority": case.priority,
        "opened_at": iso_utc(now),
        "urgent_at": iso_utc(urgency.urgent_at),
        "due_at": iso_utc(urgency.due_at),
        "lane": SHARED,
        "market": case.market,
    }


def _has_a_second(connection: Connection, decision_id: str) -> bool:
    """One opened before the first review was taken back goes on."""
    second = select(cases.c.case_id).where(
        cases.c.decision_id == decision_id, cases.c.reason == str(CaseReason.SECOND_OPINION)
    )
    return connection.execute(second.limit(1)).first() is not None


def _reviewers(connection: Connection) -> int:
    roles = [str(role) for role, allowed in PERMISSIONS.items() if Permission.REVIEW in allowed]
    query = select(func.count()).select_from(users).where(users.c.disabled.is_(False), users.c.role.in_(roles))
    return connection.execute(query).scalar_one()


def _is_clean(connection: Connection, listing: Listing) -> bool:
    """Of the newest decisions in force on the seller's other listings, none blocks and many approve."""
    newer = decisions.alias("newer")
    recent = (
        select(decisions.c.outcome)
        .where(decisions.c.seller_id == listing.seller_id, decisions.c.listing_id != listing.listing_id)
        .where(~exists().where(newer.c.overrides == decisions.c.decision_id))
        .order_by(decisions.c.decided_at.desc())
        .limit(HISTORY_LOOKED_AT)
    )
    outcomes = [Outcome(one) for one in connection.execute(recent).scalars()]
    return Outcome.BLOCK not in outcomes and outcomes.count(Outcome.APPROVE) >= CLEAN_HISTORY


_DECIDED = select(decisions.c.assessment, listings.c.body).join(
    listings, decisions.c.listing_digest == listings.c.digest
)
