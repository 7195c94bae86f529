"""Scores and policies in, a decision with reasons out: pure, so that any stored decision can be replayed.

Per policy: block only at or above a threshold certified on held-out data; approve only when every policy is below its
release threshold, no rule asks for a person and no blocked listing is nearly the same; everything else goes to review.
Doubt goes to review, but for one: of a listing that could not be scored in time, the policies state what becomes of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fairstall.model.certificates import PolicyThresholds
from fairstall.model.listing import Field
from fairstall.model.policies import OnTimeout, Policy, PolicySet, RuleAction


class Outcome(StrEnum):
    APPROVE = "approve"
    REVIEW = "review"
    BLOCK = "block"


class Band(StrEnum):
    """Where a policy's probability lies: below release, between, or at a certified block threshold."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Source(StrEnum):
    MODEL = "model"
    RULE = "rule"
    BOTH = "model+rule"
    NEAR_DUPLICATE = "near_duplicate"  # nothing else speaks: neither model nor rule asks for anything


class Doubt(StrEnum):
    """Why a listing cannot be decided by scores alone, whatever they are."""

    LANGUAGE = "language_not_covered"
    TOO_LONG = "longer_than_the_model_reads"
    EVASION = "text_disguised"
    NOT_SCORED = "not_scored_in_time"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Raw text `start:end` of a field, in Unicode code points."""

    field: Field
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class RuleMatch:
    policy: str
    action: RuleAction
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Resemblance:
    """The decision that blocked a listing which is nearly the same, and how much of both is the same, 0 to 1."""

    decision_id: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Likeness:
    """That a listing resembles one that was blocked by `policy`."""

    policy: str
    resembles: Resemblance


@dataclass(frozen=True, slots=True)
class Finding:
    """One policy that stood in the way of approval. `probability` is None when no model scores this policy."""

    policy: str
    probability: float | None
    band: Band
    source: Source
    evidence: tuple[Evidence, ...]
    reason: str
    resembles: Resemblance | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What scores, rules and doubts amount to, before it is stored and given an id."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    doubts: tuple[Doubt, ...]


@dataclass(frozen=True, slots=True)
class _Judged:
    finding: Finding | None
    outcome: Outcome


def decide(
    policies: PolicySet,
    probabilities: Mapping[str, float],
    thresholds: Mapping[str, PolicyThresholds],
    matches: Sequence[RuleMatch] = (),
    doubts: Sequence[Doubt] = (),
    likenesses: Sequence[Likeness] = (),
) -> Verdict:
    """The verdict on one listing.

    `probabilities` are calibrated, per policy code; a policy that no model scores is absent and rests on its rules.
    A likeness sends to review and never blocks. Findings come with the gravest first.
    """
    alike = {likeness.policy: likeness.resembles for likeness in likenesses}
    matched = {match.policy for match in matches}
    judged = []
    for policy in policies:
        code, probability = policy.code, probabilities.get(policy.code)
        band = _band(probability, thresholds.get(code), precision_target=policy.targets.precision)
        if band is not Band.LOW or code in matched or code in alike:
            own = [match for match in matches if match.policy == code] if code in matched else []
            judged.append(_judge(policy, probability, band, own, alike.get(code)))
    findings = sorted((j.finding for j in judged if j.finding), key=_gravity, reverse=True)
    return Verdict(
        _outcome([j.outcome for j in judged], [doubt for doubt in doubts if _asks(doubt, policies)]),
        tuple(findings),
        tuple(doubts),
    )


def _outcome(outcomes: Sequence[Outcome], doubts: Sequence[Doubt]) -> Outcome:
    if Outcome.BLOCK in outcomes:
        return Outcome.BLOCK
    return Outcome.REVIEW if doubts or Outcome.REVIEW in outcomes else Outcome.APPROVE


def _asks(doubt: Doubt, policies: PolicySet) -> bool:
    """Whether a doubt asks for a person."""
    return doubt is not Doubt.NOT_SCORED or policies.on_timeout is not OnTimeout.PUBLISH


def _judge(
    policy: Policy,
    probability: float | None,
    band: Band,
    matches: Sequence[RuleMatch],
    resembles: Resemblance | None,
) -> _Judged:
    asked = {match.action for match in matches} - {RuleAction.EVIDENCE}
    if band is Band.HIGH or RuleAction.BLOCK in asked:
        outcome = Outcome.BLOCK
    elif band is Band.MEDIUM or asked or resembles:
        outcome = Outcome.REVIEW
    else:
        return _Judged(None, Outcome.APPROVE)
    evidence = tuple(match.evidence for match in matches)
    by_model = band is not Band.LOW
    source = _source(by_model=by_model, by_rule=bool(matches)) if by_model or asked else Source.NEAR_DUPLICATE
    return _Judged(Finding(policy.code, probability, band, source, evidence, policy.seller_text, resembles), outcome)


def _band(probability: float | None, thresholds: PolicyThresholds | None, *, precision_target: float) -> Band:
    if probability is None or thresholds is None:
        return Band.LOW
    if thresholds.may_block(probability, precision_target=precision_target):
        return Band.HIGH
    return Band.LOW if probability < thresholds.release.value else Band.MEDIUM


def _source(*, by_model: bool, by_rule: bool) -> Source:
    if by_model and by_rule:
        return Source.BOTH
    return Source.RULE if by_rule else Source.MODEL


def _gravity(finding: Finding) -> tuple[int, float]:
    return (list(Band).index(finding.band), finding.probability or 0.0)
