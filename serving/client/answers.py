"""What the service answers, as frozen values. New fields of a newer service are passed over, never an error."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

Value = TypeVar("Value")


class Outcome(StrEnum):
    """What becomes of a listing. An outcome that this client does not know is kept as it came, and is not APPROVE."""

    APPROVE = "approve"
    REVIEW = "review"
    BLOCK = "block"

    @classmethod
    def _missing_(cls, value: object) -> "Outcome | None":
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_, unknown._value_ = "UNKNOWN", value
        return unknown


class OnTimeout(StrEnum):
    """What a policy states for a listing that gets no answer: HOLD it, have it reviewed, or PUBLISH it.

    One that this client does not know counts as HOLD.
    """

    HOLD = "hold"
    REVIEW = "review"
    PUBLISH = "publish"

    @classmethod
    def _missing_(cls, _value: object) -> "OnTimeout":
        return cls.HOLD


@dataclass(frozen=True, slots=True)
class Evidence:
    """The raw text `start:end` of a field, in Unicode code points."""

    field: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Resemblance:
    """The decision that blocked a listing which is nearly the same, and how much of both is the same, 0 to 1."""

    decision_id: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One policy that stood in the way of approval. `probability` is None when no model scores this policy.

    `resembles` is None when no blocked listing is nearly the same.
    """

    policy: str
    probability: float | None
    band: str
    source: str
    evidence: tuple[Evidence, ...]
    reason: str
    resembles: Resemblance | None = None


@dataclass(frozen=True, slots=True)
class Versions:
    """Which model and which policies took part."""

    model: str
    policies: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    decision_id: str
    listing_id: str
    outcome: Outcome
    findings: tuple[Finding, ...]
    doubts: tuple[str, ...]
    evasion: Mapping[str, int]
    case_id: str | None
    versions: Versions
    automated: bool
    repeated: bool
    scores: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(_Decided):
    """What was decided of a listing and stored before it was answered; `scores` when they were asked for."""

    timings_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDecision(_Decided):
    """A decision read back. `overrides` names the decision that this one takes the place of.

    Since `erased_at` seller and listing are pseudonyms, and evidence has no text; None when nothing was erased.
    """

    seller_id: str
    decided_at: datetime
    actor: str
    overrides: str | None
    erased_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Health:
    status: str


@dataclass(frozen=True, slots=True)
class Readiness:
    status: str
    versions: Versions


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy in the words for sellers."""

    code: str
    title: str
    seller_text: str
    severity: str
    on_timeout: OnTimeout


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies in force. `on_timeout` is the strictest of theirs: what holds for a listing without an answer."""

    version: str
    on_timeout: OnTimeout
    policies: tuple[Policy, ...]


def read_policies(body: Mapping[str, Any]) -> Policies:
    policies = tuple(_known(Policy, policy, on_timeout=OnTimeout(policy["on_timeout"])) for policy in body["policies"])
    return _known(Policies, body, on_timeout=OnTimeout(body["on_timeout"]), policies=policies)


def read_decision(body: Mapping[str, Any]) -> Decision:
    return _known(Decision, body, **_decided(body))


def read_stored_decision(body: Mapping[str, Any]) -> StoredDecision:
    decided_at = datetime.fromisoformat(body["decided_at"])
    erased_at = datetime.fromisoformat(body["erased_at"]) if body.get("erased_at") else None
    return _known(StoredDecision, body, **_decided(body), decided_at=decided_at, erased_at=erased_at)


def read_readiness(body: Mapping[str, Any]) -> Readiness:
    return _known(Readiness, body, versions=_known(Versions, body["versions"]))


def read_health(body: Mapping[str, Any]) -> Health:
    return _known(Health, body)


def _decided(body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "outcome": Outcome(body["outcome"]),
        "findings": tuple(_finding(finding) for finding in body["findings"]),
        "doubts": tuple(body["doubts"]),
        "versions": _known(Versions, body["versions"]),
    }


def _finding(body: Mapping[str, Any]) -> Finding:
    resembles = body.get("resembles")
    return _known(
        Finding,
        body,
        evidence=tuple(_known(Evidence, evidence) for evidence in body["evidence"]),
        resembles=_known(Resemblance, resembles) if resembles else None,
    )


def _known(kind: type[Value], body: Mapping[str, Any], **read: Any) -> Value:
    """A value from the fields of a JSON object that this client knows. Raises TypeError when one is missing."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in body.items() if name in names} | read)
