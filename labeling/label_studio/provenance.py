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

    A decision in neither was never in this store. `reasons`: of each case about a decision that was found, by both ids.
    """

    found: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reasons: Mapping[tuple[str, str], str] = field(default_factory=dict)
    gone: Mapping[str, Gone] = field(default_factory=dict)

    def of(self, decision_id: str | None, case_id: str | None) -> dict[str, Any]:
        """The fields of a label on that decision, and those of the case if it is about it."""
        fields = dict(self.found.get(decision_id or "", {}))
        if reason := self.reasons.get((decision_id or "", case_id or "")):
            fields |= {"case_id": case_id, "reason": reason}
        return fields


def read_provenance(engine: Engine, decision_ids: Collection[str]) -> Provenance:
    """Look up at most a few hundred decisions."""
    about_them = select(cases.c.decision_id, cases.c.case_id, cases.c.reason)
    with reading(engine) as connection:
        rows = connection.execute(select(decisions).where(decisions.c.decision_id.in_(decision_ids))).all()
        asked = connection.execute(about_them.where(cases.c.decision_id.in_(decision_ids))).all()
        missing = set(decision_ids) - {row.decision_id for row in rows}
        leaf = audit_leaves.c
        archived = connection.scalars(select(leaf.row_id).where(leaf.row_id.in_(missing), leaf.archived.is_not(None)))
        gone = dict.fromkeys(archived, Gone.ARCHIVED)
    gone |= {row.decision_id: Gone.ERASED for row in rows if row.erased_at}
    return Provenance(
        found={row.decision_id: _fields(row) for row in rows if not row.erased_at},
        reasons={(row.decision_id, row.case_id): row.reason for row in asked},
        gone=gone,
    )


def _fields(row: Row[Any]) -> dict[str, Any]:
    return {
        "decision_id": row.decision_id,
        "model_version": row.model_version,
        "policies_version": row.policies_version,
        "inclusion_probability": row.assessment["sampling"]["inclusion_probability"],
        "scores": row.assessment["scores"],
    }
