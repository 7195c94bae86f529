"""Model evidence of cases, kept apart from decisions since it is found after them: places in the text, never words."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Select, delete, select

from fairstall.model.listing import Listing
from fairstall.model.model_evidence import WeighedSpan, Weight
from fairstall.model.wire import assessment_from_body, iso_utc
from fairstall.records.engine import reading, writing
from fairstall.records.idempotency import insert_new
from fairstall.records.ledger import BLIND_REASONS, COMPARED, CaseReason, listing_from_body
from fairstall.records.tables import case_evidence, cases, decisions, listings

LATER = COMPARED | {CaseReason.ESCALATION}  # they show the evidence of the case that the decision was opened with


@dataclass(frozen=True, slots=True)
class Unexplained:
    """An open case whose evidence is not there yet. `policies` are those of its findings."""

    case_id: str
    listing: Listing
    policies: tuple[str, ...]
    model_version: str


@dataclass(frozen=True, slots=True)
class Explained:
    """What made the model of that version open the case: nothing, where `spans` is empty."""

    case_id: str
    model_version: str
    spans: tuple[WeighedSpan, ...]
    made_at: datetime


def unexplained_ids(engine: Engine, *, opened_before: datetime, at_most: int) -> list[str]:
    """Cases that have no evidence, the most urgent first; a blind one never has any."""
    query = _unexplained(cases.c.case_id).where(cases.c.opened_at < iso_utc(opened_before))
    with reading(engine) as connection:
        return list(connection.execute(query.order_by(*_MOST_URGENT).limit(at_most)).scalars())


def unexplained_case(engine: Engine, case_id: str) -> Unexplained | None:
    """A case with what it takes to explain it; None when that is done, or not wanted any more."""
    columns = (decisions.c.assessment, decisions.c.model_version, listings.c.body)
    query = _unexplained(*columns).join(listings, decisions.c.listing_digest == listings.c.digest)
    with reading(engine) as connection:
        row = connection.execute(query.where(cases.c.case_id == case_id)).one_or_none()
    if row is None:
        return None
    policies = tuple(finding.policy for finding in assessment_from_body(row.assessment).findings)
    return Unexplained(case_id, listing_from_body(row.body), policies, row.model_version)


def keep_evidence(engine: Engine, explained: Explained) -> None:
    """Store it, in a transaction of its own. What another process stored stays, and what was erased does not come back.

    Raises StoreUnavailable.
    """
    row = {
        "case_id": explained.case_id,
        "model_version": explained.model_version,
        "body": [asdict(span) for span in explained.spans],
        "made_at": iso_utc(explained.made_at),
    }
    with writing(engine) as connection:
        if _is_there(connection, explained.case_id):
            connection.execute(insert_new(connection, case_evidence), [row])


def spans_from_body(body: Sequence[dict[str, Any]]) -> tuple[WeighedSpan, ...]:
    """The body of a stored row."""
    return tuple(WeighedSpan(**{**one, "weight": Weight(one["weight"])}) for one in body)


def drop_evidence(connection: Connection, decision_ids: Sequence[str]) -> None:
    """Delete what is stored for the cases of these decisions, inside the caller's transaction."""
    mine = select(cases.c.case_id).where(cases.c.decision_id.in_(decision_ids))
    connection.execute(delete(case_evidence).where(case_evidence.c.case_id.in_(mine)))


_MOST_URGENT = (cases.c.priority.desc(), cases.c.opened_at)


def _unexplained(*columns: Any) -> Select[Any]:
    query = select(*columns).join_from(cases, decisions, cases.c.decision_id == decisions.c.decision_id)
    return query.outerjoin(case_evidence, case_evidence.c.case_id == cases.c.case_id).where(
        cases.c.state == "open",
        cases.c.reason.not_in(sorted(BLIND_REASONS | LATER)),
        decisions.c.erased_at.is_(None),
        case_evidence.c.case_id.is_(None),
    )


def _is_there(connection: Connection, case_id: str) -> bool:
    """Whether the case is there with its text, which nobody erases before this transaction ends."""
    query = select(cases.c.case_id).join(decisions, cases.c.decision_id == decisions.c.decision_id)
    query = query.where(cases.c.case_id == case_id, decisions.c.erased_at.is_(None))
    return connection.execute(query.with_for_update(read=True, of=decisions)).one_or_none() is not None
