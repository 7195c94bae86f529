"""Cases as they are shown before they are decided together. It changes nothing and knows no HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select

from fairstall.labeling.accounts import User
from fairstall.labeling.eligible import may_decide_together
from fairstall.model.decide import Doubt, Finding
from fairstall.model.listing import Listing
from fairstall.model.wire import assessment_from_body
from fairstall.records.engine import reading
from fairstall.records.ledger import listing_from_body
from fairstall.records.tables import cases, decisions, listings


@dataclass(frozen=True, slots=True)
class Previewed:
    """One case: what the seller wrote and what was found in it."""

    case_id: str
    opened_at: datetime
    policy: str | None
    listing: Listing
    findings: tuple[Finding, ...]
    doubts: tuple[Doubt, ...]


def read_previews(engine: Engine, user: User, now: datetime, case_ids: Sequence[str]) -> tuple[Previewed, ...]:
    """Those of the cases that the user may decide together, the most urgent first."""
    query = (
        select(cases.c.case_id, cases.c.opened_at, cases.c.policy, listings.c.body, decisions.c.assessment)
        .join(decisions, cases.c.decision_id == decisions.c.decision_id)
        .join(listings, decisions.c.listing_digest == listings.c.digest)
        .where(cases.c.case_id.in_(case_ids), may_decide_together(user, now))
        .order_by(cases.c.urgent_at, cases.c.case_id)
    )
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    found = []
    for row in rows:
        assessment = assessment_from_body(row.assessment)
        opened_at, listing = datetime.fromisoformat(row.opened_at), listing_from_body(row.body)
        shown = Previewed(row.case_id, opened_at, row.policy, listing, assessment.findings, assessment.doubts)
        found.append(shown)
    return tuple(found)
