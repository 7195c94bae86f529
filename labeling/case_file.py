"""Everything that is read about one case, for one page. It changes nothing and knows no HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, exists, func, select

from fairstall.model.decide import Doubt, Finding, Outcome
from fairstall.model.decision import MODEL_ACTOR, Assessment
from fairstall.model.errors import NotFound
from fairstall.model.listing import Listing
from fairstall.model.wire import assessment_from_body
from fairstall.records.engine import reading
from fairstall.records.ledger import CaseReason, listing_from_body
from fairstall.records.tables import cases, decisions, listings

# Whoever reviews these must not know what the model, or anybody else, made of the listing.
BLIND_REASONS = frozenset({CaseReason.CONTROL})
# Whoever reviews these must not know that he is being compared.
_SHOWN_AS = {CaseReason.GOLDEN: CaseReason.UNCERTAIN}

SELLER_DECISIONS_COUNTED = 500
SELLER_DECISIONS_SHOWN = 6
HEADING_CHARACTERS = 120
ERASED = "erased at the seller's request"


@dataclass(frozen=True, slots=True)
class EarlierDecision:
    """A decision in force on another listing of the same seller."""

    decision_id: str
    heading: str
    outcome: Outcome
    by_person: bool
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class SellerHistory:
    """The seller's other listings: how many of the last 500 decisions had which outcome, and the newest few."""

    counts: dict[Outcome, int]
    newest: tuple[EarlierDecision, ...]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Resembled:
    """A blocked listing that this one is nearly the same as, and how much of both is the same, 0 to 1."""

    heading: str
    description: str
    similarity: float
    by_person: bool
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class CaseFile:
    """One case as a moderator may see it. A blind one carries no finding, doubt or sign of what the model thought.

    `resembled` has the blocked listings that findings name, by decision. `erased_at`: since then there is no text.
    """

    case_id: str
    decision_id: str
    reason: CaseReason
    opened_at: datetime
    decided: bool
    listing: Listing
    findings: tuple[Finding, ...]
    doubts: tuple[Doubt, ...]
    history: SellerHistory
    resembled: Mapping[str, Resembled]
    erased_at: datetime | None = None

    @property
    def blind(self) -> bool:
        return self.reason in BLIND_REASONS

    @property
    def shown(self) -> tuple[str, ...]:
        """The decisions on the listings of which the file has a text."""
        return (self.decision_id, *(earlier.decision_id for earlier in self.history.newest), *self.resembled)


def shown_reason(name: str) -> CaseReason:
    """The reason that a reviewer may be told for a case with this one."""
    reason = CaseReason(name)
    return _SHOWN_AS.get(reason, reason)


def read_case(engine: Engine, case_id: str) -> CaseFile:
    """The file of a case. Raises NotFound."""
    query = (
        select(cases, listings.c.body, decisions.c.assessment, decisions.c.erased_at)
        .join(decisions, cases.c.decision_id == decisions.c.decision_id)
        .join(listings, decisions.c.listing_digest == listings.c.digest)
        .where(cases.c.case_id == case_id)
    )
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFound("There is no such case.")
        listing = listing_from_body(row.body)
        history = _history(connection, listing)
        assessment = assessment_from_body(row.assessment)
        resembled = _resembled(connection, assessment.findings)
    return _case_file(row, listing, assessment, history, resembled)


def heading_of(body: Mapping[str, Any]) -> str:
    """What stands for a stored listing in a list: its title, or the beginning of its description.

    A listing has text when it is uploaded: one without any was erased.
    """
    title = str(body["title"])
    return title if title.strip() else str(body["description"])[:HEADING_CHARACTERS] or ERASED


def _case_file(
    row: Row[Any],
    listing: Listing,
    assessment: Assessment,
    history: SellerHistory,
    resembled: Mapping[str, Resembled],
) -> CaseFile:
    file = CaseFile(
        case_id=row.case_id,
        decision_id=row.decision_id,
        reason=shown_reason(row.reason),
        opened_at=datetime.fromisoformat(row.opened_at),
        decided=row.state == "decided",
        listing=listing,
        findings=assessment.findings,
        doubts=assessment.doubts,
        history=history,
        resembled=resembled,
        erased_at=datetime.fromisoformat(row.erased_at) if row.erased_at else None,
    )
    return replace(file, findings=(), doubts=(), resembled={}) if file.blind else file


def _resembled(connection: Connection, findings: Sequence[Finding]) -> dict[str, Resembled]:
    similarity = {one.resembles.decision_id: one.resembles.similarity for one in findings if one.resembles}
    if not similarity:
        return {}
    query = (
        select(decisions.c.decision_id, decisions.c.actor, decisions.c.decided_at, listings.c.body)
        .join(listings, decisions.c.listing_digest == listings.c.digest)
        .where(decisions.c.decision_id.in_(similarity))
    )
    return {
        row.decision_id: Resembled(
            heading=heading_of(row.body),
            description=str(row.body["description"]),
            similarity=similarity[row.decision_id],
            by_person=row.actor != MODEL_ACTOR,
            decided_at=datetime.fromisoformat(row.decided_at),
        )
        for row in connection.execute(query)
    }


def _history(connection: Connection, listing: Listing) -> SellerHistory:
    """Decisions on this very listing are left out: they would tell what a blind case must not."""
    newer = decisions.alias("newer")
    recent = (
        select(
            decisions.c.decision_id,
            decisions.c.outcome,
            decisions.c.actor,
            decisions.c.decided_at,
            decisions.c.listing_digest,
        )
        .where(decisions.c.seller_id == listing.seller_id, decisions.c.listing_id != listing.listing_id)
        .where(~exists().where(newer.c.overrides == decisions.c.decision_id))
        .order_by(decisions.c.decided_at.desc())
    )
    counted = recent.limit(SELLER_DECISIONS_COUNTED).subquery()
    counts = connection.execute(select(counted.c.outcome, func.count()).group_by(counted.c.outcome)).all()
    newest = connection.execute(_with_body(recent.limit(SELLER_DECISIONS_SHOWN))).all()
    return SellerHistory({Outcome(outcome): count for outcome, count in counts}, _earlier(newest))


def _with_body(recent: Select[Any]) -> Select[Any]:
    shown = recent.subquery()
    joined = select(shown, listings.c.body).join(listings, shown.c.listing_digest == listings.c.digest)
    return joined.order_by(shown.c.decided_at.desc())


def _earlier(rows: Sequence[Row[Any]]) -> tuple[EarlierDecision, ...]:
    return tuple(
        EarlierDecision(
            decision_id=row.decision_id,
            heading=heading_of(row.body),
            outcome=Outcome(row.outcome),
            by_person=row.actor != MODEL_ACTOR,
            decided_at=datetime.fromisoformat(row.decided_at),
        )
        for row in rows
    )
