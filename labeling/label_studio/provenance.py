"""What the store knows of decisions whose tasks come back annotated: it is never sent along, so as not to tell."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, Row, select

from fairstall.records.engine import reading
from fairstall.records.tables import audit_leaves, cases, decisions


class Gone(StrEnum):
    """Why the store can no longer say how likely it was that a listing got a label."""

    ERASED = "erased since"
    ARCHIVED = "in the archive"


@dataclass(frozen=True, slots=True)
class Provenance:
    """`found`: per decision, the fields of a label that the store fills in. `gone`: decisions that are not there now.

    A decision in neither was never in this store.
    """

    found: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gone: Mapping[str, Gone] = field(default_factory=dict)


def read_provenance(engine: Engine, decision_ids: Collection[str]) -> Provenance:
    """Look up at most a few hundred decisions."""
    query = (
        select(decisions, cases.c.case_id, cases.c.reason)
        .outerjoin(cases, cases.c.decision_id == decisions.c.decision_id)
        .where(decisions.c.decision_id.in_(decision_ids))
    )
    with reading(engine) as connection:
        rows = connection.execute(query).all()
        missing = set(decision_ids) - {row.decision_id for row in rows}
        leaf = audit_leaves.c
        archived = connection.scalars(select(leaf.row_id).where(leaf.row_id.in_(missing), leaf.archived.is_not(None)))
        gone = dict.fromkeys(archived, Gone.ARCHIVED)
    gone |= {row.decision_id: Gone.ERASED for row in rows if row.erased_at}
    return Provenance({row.decision_id: _fields(row) for row in rows if not row.erased_at}, gone)


def _fields(row: Row[Any]) -> dict[str, Any]:
    return {
        "decision_id": row.decision_id,
        "case_id": row.case_id,
        "reason": row.reason,
        "model_version": row.model_version,
        "policies_version": row.policies_version,
        "inclusion_probability": row.assessment["sampling"]["inclusion_probability"],
        "scores": row.assessment["scores"],
    }
