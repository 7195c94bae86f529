"""What is stored of a listing that was scored: the decision, the case that it opens, and the event that tells of it."""

from datetime import datetime

from fairstall.model.assess import Assessor
from fairstall.model.decide import Outcome
from fairstall.model.decision import Assessment, Decision
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.records.ledger import LedgerEntry
from fairstall.records.outbox import decision_event
from fairstall.serving.cases import case_for


def ledger_entry(
    listing: Listing,
    assessment: Assessment,
    assessor: Assessor,
    *,
    now: datetime,
    fingerprint: bytes | None,
    repeated: bool = False,
) -> LedgerEntry:
    """A new decision on a listing by the assessor that scored it. It names only a case of review: others are blind."""
    case = case_for(listing, assessment, assessor.policies, assessor.bundle.facts, now=now)
    decision = Decision(
        decision_id=time_ordered_id(now),
        listing_id=listing.listing_id,
        seller_id=listing.seller_id,
        decided_at=now,
        assessment=assessment,
        case_id=case.case_id if case and assessment.outcome is Outcome.REVIEW else None,
        repeated=repeated,
    )
    return LedgerEntry(listing, decision, case, (decision_event(decision),), fingerprint)
