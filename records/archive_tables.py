"""The tables of an archive: which columns each has, and how a row of the database becomes one of them and back.

Nothing is lost on the way: what was sealed can be computed from the archived row.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from fairstall.model.errors import MissingExtra
from fairstall.model.wire import iso_utc, json_line
from fairstall.records.leaves import Kind

if TYPE_CHECKING:
    import pyarrow

Values: TypeAlias = dict[str, Any]

_PLACE = {"seal": "int32", "position": "int32"}
_DECISIONS = {
    "decision_id": "string",
    "listing_id": "string",
    "seller_id": "string",
    "listing_digest": "string",
    "decided_at": "moment",
    "outcome": "string",
    "actor": "string",
    "model_version": "string",
    "policies_version": "string",
    "overrides": "string",
    "repeated": "bool",
    "erased_at": "moment",
    "received_at": "moment",
    "language": "string",
    "market": "string",
    "case_id": "string",
    "case_reason": "string",
    "case_priority": "float64",
    "case_opened_at": "moment",
    "listing": "json",
    "assessment": "json",
}
_REVIEWS = {
    "review_id": "string",
    "case_id": "string",
    "reviewed": "string",
    "user_id": "string",
    "verdict": "string",
    "policies": "strings",
    "note": "string",
    "claimed_at": "moment",
    "decided_at": "moment",
    "decision_id": "string",
    "undoes": "string",
    "erased_at": "moment",
    "batch_id": "string",
    "decided_together": "int32",
}
_SCORES = {"decision_id": "string", "policy": "string", "probability": "float64"}
_FINDINGS = {
    "decision_id": "string",
    "policy": "string",
    "probability": "float64",
    "band": "string",
    "source": "string",
    "evidence": "int32",
    "resembles": "string",
    "similarity": "float64",
}


@dataclass(frozen=True, slots=True)
class ArchiveTable:
    """One table: `columns` and their types. `kind` is that of its sealed rows, None for one that follows from them."""

    name: str
    columns: Mapping[str, str]
    kind: Kind | None = None

    @property
    def key(self) -> str:
        """The column with the ids of the rows, where each has one."""
        return f"{self.kind}_id"

    def schema(self) -> "pyarrow.Schema":
        arrow = load_pyarrow()
        types = {"moment": arrow.timestamp("us", "UTC"), "json": arrow.string(), "strings": arrow.list_(arrow.string())}
        known = types | {name: arrow.type_for_alias(name) for name in ("string", "bool", "int32", "float64")}
        return arrow.schema([(name, known[kind]) for name, kind in self.columns.items()])

    def stored(self, row: Mapping[str, Any]) -> Values:
        """A row with the database's values as one with the archive's."""
        return {name: _STORED.get(kind, _same)(row[name]) for name, kind in self.columns.items()}

    def read(self, row: Mapping[str, Any]) -> Values:
        """A row of the archive with the database's values, None in columns that came after its file was written."""
        return {name: _READ.get(kind, _same)(row.get(name)) for name, kind in self.columns.items()}


DECISIONS = ArchiveTable("decisions", _DECISIONS | _PLACE, Kind.DECISION)
REVIEWS = ArchiveTable("reviews", _REVIEWS | _PLACE, Kind.REVIEW)
SCORES = ArchiveTable("scores", _SCORES)
FINDINGS = ArchiveTable("findings", _FINDINGS)
SEALED = {Kind.DECISION: DECISIONS, Kind.REVIEW: REVIEWS}


def with_listing(row: Mapping[str, Any], body: Mapping[str, Any]) -> Values:
    """A row of `decisions` with its listing, whose language and market have columns of their own."""
    return {**row, "listing": dict(body), "language": body.get("language"), "market": body.get("market")}


def score_rows(decision: Mapping[str, Any]) -> Iterable[Values]:
    """The rows of `scores` that follow from one of `decisions`."""
    for policy, probability in decision["assessment"]["scores"].items():
        yield {"decision_id": decision["decision_id"], "policy": policy, "probability": probability}


def finding_rows(decision: Mapping[str, Any]) -> Iterable[Values]:
    """The rows of `findings` that follow from one of `decisions`; of evidence there is the count."""
    for finding in decision["assessment"]["findings"]:
        alike = finding.get("resembles") or {"decision_id": None, "similarity": None}
        same = {name: finding[name] for name in ("policy", "probability", "band", "source")}
        found = {"decision_id": decision["decision_id"], "evidence": len(finding["evidence"])}
        yield found | same | {"resembles": alike["decision_id"], "similarity": alike["similarity"]}


def load_pyarrow() -> Any:
    """Raises MissingExtra: only archives need it, and they are not a part of serving."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingExtra("archive", "archive") from error
    return pyarrow


def _same(value: Any) -> Any:
    return value


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _moment_text(moment: datetime | None) -> str | None:
    return iso_utc(moment) if moment else None


_STORED: Mapping[str, Callable[[Any], Any]] = {"moment": _moment, "json": json_line}
_READ: Mapping[str, Callable[[Any], Any]] = {"moment": _moment_text, "json": json.loads}
