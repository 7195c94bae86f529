"""Policies as values: what is forbidden, in whose words, and what to do about it. `policy_file` reads them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any


class RuleAction(StrEnum):
    """What a match does by itself."""

    EVIDENCE = "evidence"  # marks the words, decides nothing: an ambiguous word
    REVIEW = "review"  # a person looks
    BLOCK = "block"  # the operator accepts blocking on this rule alone


class OnTimeout(StrEnum):
    """What becomes of a listing that the model had no time for."""

    HOLD = "hold"  # it stays unpublished until it is sent again and decided: nothing is stored
    REVIEW = "review"  # a person looks
    PUBLISH = "publish"  # the operator accepts that it is published unread


class Severity(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Term:
    """A word or phrase matched whole, on word boundaries, in the canonical view, ignoring case."""

    text: str
    action: RuleAction


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression in RE2 syntax (linear time), run on the canonical view, ignoring case."""

    regex: str
    action: RuleAction


@dataclass(frozen=True, slots=True)
class Targets:
    """What a threshold must be certified for before it may act.

    `precision`: the 95 % lower bound of precision among automatically blocked listings.
    `missed`: the 95 % upper bound of the share of violations that a release threshold lets through.
    """

    precision: float = 0.99
    missed: float = 0.05


@dataclass(frozen=True, slots=True)
class ReviewTerms:
    """How people review what may violate a policy.

    A case is due `due_hours` after it was opened, or what `market_due_hours` states for its market. `reason_required`:
    whoever decides that it is violated says why. `blur`: the text is hidden until the reviewer asks for it.
    `second_share`: of the decisions that name it, how many a second person reviews blindly, 0 to 1.
    """

    due_hours: float = 24.0
    market_due_hours: tuple[tuple[str, float], ...] = ()
    reason_required: bool = False
    blur: bool = False
    second_share: float = 0.0

    def due_hours_in(self, market: str | None) -> float:
        return dict(self.market_due_hours).get(market or "", self.due_hours)


@dataclass(frozen=True, slots=True)
class DsaClass:
    """Category and keyword of the DSA transparency database (statement of reasons, API 2.0)."""

    category: str
    keyword: str


@dataclass(frozen=True, slots=True)
class Example:
    """A listing in a seller's words, and why it does or does not break the policy."""

    title: str
    why: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """One rule of the marketplace."""

    code: str
    title: str
    seller_text: str
    guideline: str
    severity: Severity
    points: int
    dsa: DsaClass
    violations: tuple[Example, ...]
    look_alikes: tuple[Example, ...]
    terms: tuple[Term, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    targets: Targets = field(default_factory=Targets)
    on_timeout: OnTimeout = OnTimeout.HOLD
    review: ReviewTerms = field(default_factory=ReviewTerms)


@dataclass(frozen=True)
class PolicySet:
    """All policies in force. `version` is the declared name and the first twelve digits of the content's SHA-256."""

    version: str
    policies: tuple[Policy, ...]

    @classmethod
    def named(cls, declared: str, policies: tuple[Policy, ...]) -> "PolicySet":
        """The set with its version made from the declared name and all of the content, as canonical JSON.

        What `_ADDED_LATER` names counts only where it is stated, so that it changed no version when it came.
        """
        content = [_content(policy) for policy in policies]
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return cls(f"{declared}-{sha256(canonical.encode()).hexdigest()[:12]}", policies)

    @cached_property
    def by_code(self) -> Mapping[str, Policy]:
        return {policy.code: policy for policy in self.policies}

    @cached_property
    def on_timeout(self) -> OnTimeout:
        """The strictest of what its policies state: without scores, a listing may violate any of them."""
        return min((policy.on_timeout for policy in self.policies), key=list(OnTimeout).index, default=OnTimeout.HOLD)

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(policy.code for policy in self.policies)

    def __iter__(self) -> Iterator[Policy]:
        return iter(self.policies)

    def __getitem__(self, code: str) -> Policy:
        return self.by_code[code]


_ADDED_LATER = {"on_timeout": OnTimeout.HOLD, "review": asdict(ReviewTerms())}


def _content(policy: Policy) -> dict[str, Any]:
    return {name: value for name, value in asdict(policy).items() if _ADDED_LATER.get(name) != value}
