"""What the audit chain says of one row: what is kept for good, and a commitment to what may be erased.

Leaves and nodes are hashed as in RFC 6962, section 2.1. Where rows come from, the database or an archive, is not known
here.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SALT_BYTES = 32
_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))

_DECISION_KEPT = (
    "decision_id",
    "decided_at",
    "outcome",
    "actor",
    "model_version",
    "policies_version",
    "overrides",
    "repeated",
)
_DECISION_ERASABLE = ("seller_id", "listing_id", "listing_digest", "erased_at")
_REVIEW_KEPT = (
    "review_id",
    "case_id",
    "reviewed",
    "user_id",
    "verdict",
    "policies",
    "claimed_at",
    "decided_at",
    "decision_id",
    "undoes",
)
_ACT_KEPT = ("act_id", "kind", "actor", "body", "happened_at")


class Kind(StrEnum):
    DECISION = "decision"
    REVIEW = "review"
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Content:
    """One row: `kept` stays for good, `erasable` may be erased. Both hold JSON values only."""

    kind: Kind
    row_id: str
    kept: Mapping[str, Any]
    erasable: Mapping[str, Any]

    def commitment(self, salt: bytes) -> bytes:
        """SHA-256 of the salt and of what may be erased: without the salt nobody can try out what it was."""
        return hashlib.sha256(salt + canonical_json(self.erasable)).digest()

    def leaf(self, commitment: bytes) -> bytes:
        """The hash of the leaf."""
        body = {"kind": str(self.kind), "row": self.kept, "commitment": commitment.hex()}
        return hashlib.sha256(b"\x00" + canonical_json(body)).digest()


def decision_content(row: Mapping[str, Any]) -> Content:
    """Of a row of `decisions`: seller, listing and the text of evidence may be erased. The listing is in its digest."""
    assessment = row["assessment"]
    texts = [[evidence["text"] for evidence in finding["evidence"]] for finding in assessment["findings"]]
    kept = {name: row[name] for name in _DECISION_KEPT} | {"assessment": without_text(assessment)}
    erasable = {name: row[name] for name in _DECISION_ERASABLE} | {"evidence": texts}
    return Content(Kind.DECISION, row["decision_id"], kept, erasable)


def review_content(row: Mapping[str, Any]) -> Content:
    """Of a row of `reviews`, and the decision that was `reviewed`: the note may be erased."""
    kept = {name: row[name] for name in _REVIEW_KEPT}
    return Content(Kind.REVIEW, row["review_id"], kept, {"note": row["note"], "erased_at": row["erased_at"]})


def act_content(row: Mapping[str, Any]) -> Content:
    """Of a row of `audit_acts`: nothing of it may be erased."""
    return Content(Kind.ACT, row["act_id"], {name: row[name] for name in _ACT_KEPT}, {})


CONTENT: Mapping[Kind, Callable[[Mapping[str, Any]], Content]] = {
    Kind.DECISION: decision_content,
    Kind.REVIEW: review_content,
    Kind.ACT: act_content,
}


def without_text(assessment: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of an assessment with every text of evidence empty; its places stay."""
    findings = [
        {**finding, "evidence": [{**evidence, "text": ""} for evidence in finding["evidence"]]}
        for finding in assessment["findings"]
    ]
    return {**assessment, "findings": findings}


def digest_of_body(body: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of a listing, in hexadecimal."""
    return hashlib.sha256(canonical_json(body)).hexdigest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root of the tree over hashes of leaves, of which there is one at least.

    Pairs are joined level by level, and one without a neighbour moves up: the same tree as that of RFC 6962.
    """
    level = list(leaves)
    while len(level) > 1:
        pairs = [hashlib.sha256(b"\x01" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(level) & ~1 :]
    return level[0]


def canonical_json(value: object) -> bytes:
    """The one way in which a value is written before it is hashed: sorted names, no spaces, UTF-8."""
    return _CANONICAL.encode(value).encode()
