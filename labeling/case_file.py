"""Everything that is read about one case, for one page. It changes nothing and knows no HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, bindparam, exists, func, select

from fairstall.model.decide import Doubt, Finding, Outcome
from fairstall.model.decision import MODEL_ACTOR, Assessment
from fairstall.model.errors import NotFound
from fairstall.model.listing import Listing
from fairstall.model.model_evidence import WeighedSpan
from fairstall.model.wire import assessment_from_body
from fairstall.records.case_evidence import spans_from_body
from fairstall.records.engine import reading
from fairstall.records.ledger import BLIND_REASONS, COMPARED, CaseReason, listing_from_body
from fairstall.records.tables import case_evidence, cases, decisions, disagreements, listings, opened_with, reviews

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
class Opinion:
    """What one of two people said who disagree. Nobody is told who."""

    verdict: str
    policies: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class CaseFile:
    """One case as a moderator may see it. A blind one carries no finding, doubt or sign of what the model thought.

    `model_evidence` is there a moment after the case, and may be empty. `resembled` has the blocked listings that
    findings name, by decision. `opinions`: what two people said who disagree, where this case settles it; their order
    tells nothing. `erased_at`: since then there is no text.
    """

    case_id: str
    decision_id: str
    reason: CaseReason
    opened_at: datetime
    decided: bool
    listing: Listing
    findings: tuple[Finding, ...]
    model_evidence: tuple[WeighedSpan, ...]
    doubts: tuple[Doubt, ...]
    history: SellerHistory
    resembled: Mapping[str, Resembled]
    opinions: tuple[Opinion, ...] = ()
    erased_at: datetime | None = None

    @property
    def blind(self) -> bool:
        return self.reason in BLIND_REASONS

    @property
    def shown(self) -> tuple[str, ...]:
        """The decisions on the listings of which the file has a text."""
        return (self.decision_id, *(earlier.decision_id for earlier in self.history.newest), *self.resembled)


def shown_reason(name: str, decided: str = Outcome.REVIEW) -> CaseReason:
    """The reason that a reviewer may be told for a case with this one, about a decision with that outcome.

    Whoever is being compared must not know: he sees the reason for which the decision became a case first.
    """
    reason = CaseReason(name)
    if reason not in COMPARED:
        return reason
    return CaseReason.UNCERTAIN if decided == Outcome.REVIEW else CaseReason.CONTROL


def read_case(engine: Engine, case_id: str) -> CaseFile:
    """The file of a case. Raises NotFound."""
    with reading(engine) as connection:
        row = connection.execute(_case(), {"case_id": case_id}).one_or_none()
        if row is None:
            raise NotFound("There is no such case.")
        listing = listing_from_body(row.body)
        history = _history(connection, listing)
        assessment = assessment_from_body(row.assessment)
        resembled = _resembled(connection, assessment.findings)
        opinions = opinions_of(connection, case_id)
    return _case_file(row, listing, assessment, history, resembled, opinions)


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
    opinions: tuple[Opinion, ...],
) -> CaseFile:
    file = CaseFile(
        case_id=row.case_id,
        decision_id=row.decision_id,
        reason=shown_reason(row.reason, row.outcome),
        opened_at=datetime.fromisoformat(row.opened_at),
        decided=row.state == "decided",
        listing=listing,
        findings=assessment.findings,
        model_evidence=spans_from_body(row.spans or ()),
        doubts=assessment.doubts,
        history=history,
        resembled=resembled,
        opinions=opinions,
        erased_at=datetime.fromisoformat(row.erased_at) if row.erased_at else None,
    )
    return replace(file, findings=(), model_evidence=(), doubts=(), resembled={}) if file.blind else file


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


def opinions_of(connection: Connection, case_id: str) -> tuple[Opinion, ...]:
    """What the two said whose disagreement an escalation settles; nothing for any other case."""
    found = connection.execute(_opinions(), {"case_id": case_id})
    opinions = [Opinion(row.verdict, tuple(row.policies), row.note) for row in found]
    return tuple(sorted(opinions, key=lambda one: (one.verdict, one.policies)))


def _history(connection: Connection, listing: Listing) -> SellerHistory:
    """Decisions on this very listing are left out: they would tell what a blind case must not."""
    about = {"seller": listing.seller_id, "listing": listing.listing_id}
    counts = connection.execute(_outcomes_of_seller(), about)
    newest = connection.execute(_newest_of_seller(), about).all()
    return SellerHistory({Outcome(outcome): count for outcome, count in counts}, _earlier(newest))


# Each statement is made once: making one takes longer than running it.
@cache
def _case() -> Select[Any]:
    first = cases.alias("first")  # whose evidence is shown in every case about the decision
    return (
        select(
            cases,
            listings.c.body,
            decisions.c.assessment,
            decisions.c.outcome,
            decisions.c.erased_at,
            case_evidence.c.body.label("spans"),
        )
        .join(decisions, cases.c.decision_id == decisions.c.decision_id)
        .join(listings, decisions.c.listing_digest == listings.c.digest)
        .outerjoin(first, opened_with(decisions, first))
        .outerjoin(case_evidence, case_evidence.c.case_id == func.coalesce(first.c.case_id, cases.c.case_id))
        .where(cases.c.case_id == bindparam("case_id"))
    )


@cache
def _opinions() -> Select[Any]:
    both = reviews.c.review_id.in_((disagreements.c.first_review_id, disagreements.c.second_review_id))
    return select(reviews).join(disagreements, both).where(disagreements.c.case_id == bindparam("case_id"))


@cache
def _outcomes_of_seller() -> Select[Any]:
    counted = _of_seller().limit(SELLER_DECISIONS_COUNTED).subquery()
    return select(counted.c.outcome, func.count()).group_by(counted.c.outcome)


@cache
def _newest_of_seller() -> Select[Any]:
    return _with_body(_of_seller().limit(SELLER_DECISIONS_SHOWN))


def _of_seller() -> Select[Any]:
    newer = decisions.alias("newer")
    return (
        select(
            decisions.c.decision_id,
            decisions.c.outcome,
            decisions.c.actor,
            decisions.c.decided_at,
            decisions.c.listing_digest,
        )
        .where(decisions.c.seller_id == bindparam("seller"), decisions.c.listing_id != bindparam("listing"))
        .where(~exists().where(newer.c.overrides == decisions.c.decision_id))
        .order_by(decisions.c.decided_at.desc())
    )


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
