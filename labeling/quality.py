"""How well and how fast people review: agreement, accuracy and times, from reviews to figures. Nothing is read here.

A figure that rests on too little is None: "too few to say".
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from fairstall.labeling.agreement import CONFIDENCE, Agreement, cohen_kappa, krippendorff_alpha
from fairstall.labeling.consensus import Consensus, Judged
from fairstall.labeling.review_rows import ReviewRow
from fairstall.labeling.settling import disagree
from fairstall.model.intervals import Estimate, wilson

LEAST_PAIRS = 20  # decisions with two blind reviews
LEAST_NAMED = 5  # of them, in which either names the policy
LEAST_GOLDEN = 10
LEAST_JUDGED = 20
LEAST_TIMES = 10


@dataclass(frozen=True, slots=True)
class Pair:
    """The first two blind reviews of one decision, by two people."""

    first: ReviewRow
    second: ReviewRow

    @property
    def agrees(self) -> bool:
        return not disagree(self.first, self.second)

    def names(self, policy: str) -> bool:
        return self.first.names(policy) or self.second.names(policy)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds that half, and nine of ten, take at most; over `count` reviews."""

    median_s: float
    p90_s: float
    count: int


@dataclass(frozen=True, slots=True)
class Golden:
    """How many golden items somebody reviewed and got right; `accuracy` with Wilson's interval."""

    right: int
    answered: int
    accuracy: Estimate | None


@dataclass(frozen=True, slots=True)
class PolicyFigures:
    """`pairs` are all decisions with two blind reviews, `named` those in which either names this policy."""

    policy: str | None
    reviews: int
    pairs: int
    named: int
    kappa: Agreement | None
    to_touch: Times | None
    to_decision: Times | None


@dataclass(frozen=True, slots=True)
class ReviewerFigures:
    reviewer: str
    reviews: int
    golden: Golden
    judged: int
    consensus: Consensus | None
    to_touch: Times | None
    to_decision: Times | None


def pairs_of(rows: Iterable[ReviewRow]) -> list[Pair]:
    """Decisions that two people or more reviewed blindly, newest first."""
    by_decision: dict[str, list[ReviewRow]] = defaultdict(list)
    for row in sorted((one for one in rows if one.blind), key=lambda one: one.decided_at):
        if row.reviewer not in [earlier.reviewer for earlier in by_decision[row.decision_id]]:
            by_decision[row.decision_id].append(row)
    pairs = [Pair(*reviewed[:2]) for reviewed in by_decision.values() if len(reviewed) > 1]
    return sorted(pairs, key=lambda pair: pair.second.decided_at, reverse=True)


def verdict_alpha(pairs: Sequence[Pair]) -> Agreement | None:
    """Krippendorff's alpha of violation or compliant; None for too few pairs."""
    if len(pairs) < LEAST_PAIRS:
        return None
    violations = np.array([sum(one.verdict == "violation" for one in (pair.first, pair.second)) for pair in pairs])
    return krippendorff_alpha(np.column_stack([violations, 2 - violations]))


def policy_figures(rows: Sequence[ReviewRow], pairs: Sequence[Pair]) -> list[PolicyFigures]:
    """One for each policy that a case was about or a review names, the most reviewed first."""
    about: dict[str | None, list[ReviewRow]] = defaultdict(list)
    for row in rows:
        about[row.policy].append(row)
    codes = {*about, *(code for pair in pairs for one in (pair.first, pair.second) for code in one.policies)}
    figures = [_of_policy(code, about.get(code, []), pairs) for code in codes]
    return sorted(figures, key=lambda one: (-one.reviews, one.policy or "~"))


def reviewer_figures(rows: Sequence[ReviewRow], consensus: Mapping[str, Consensus]) -> list[ReviewerFigures]:
    """One for each reviewer, by name; `consensus` is that of everybody."""
    by_person: dict[str, list[ReviewRow]] = defaultdict(list)
    for row in rows:
        by_person[row.reviewer].append(row)
    return [_of_reviewer(name, by_person[name], consensus.get(name)) for name in sorted(by_person)]


def golden_of(rows: Iterable[ReviewRow]) -> Golden:
    answers = [row.right for row in rows if row.right is not None]
    right, enough = sum(answers), len(answers) >= LEAST_GOLDEN
    accuracy = wilson(right / len(answers), len(answers), confidence=CONFIDENCE) if enough else None
    return Golden(right, len(answers), accuracy)


def judged_of(pairs: Iterable[Pair], probabilities: Mapping[str, float]) -> list[Judged]:
    """The decisions of pairs, for a consensus."""
    return [
        Judged(
            {one.reviewer: one.verdict == "violation" for one in (pair.first, pair.second)},
            probabilities[pair.first.decision_id],
        )
        for pair in pairs
    ]


def time_to_touch(rows: Iterable[ReviewRow]) -> Times | None:
    """From the claim to the first sign of work; reviews without one are left out."""
    return _times([row.touched_at - row.claimed_at for row in rows if row.touched_at])


def time_to_decision(rows: Iterable[ReviewRow]) -> Times | None:
    """From the first sign of work to the decision."""
    return _times([row.decided_at - row.touched_at for row in rows if row.touched_at])


def _times(taken: Sequence[timedelta]) -> Times | None:
    if len(taken) < LEAST_TIMES:
        return None
    median, p90 = np.quantile([one.total_seconds() for one in taken], [0.5, 0.9])
    return Times(float(median), float(p90), len(taken))


def _of_policy(code: str | None, rows: Sequence[ReviewRow], pairs: Sequence[Pair]) -> PolicyFigures:
    named = 0 if code is None else sum(pair.names(code) for pair in pairs)
    kappa = None
    if code is not None and len(pairs) >= LEAST_PAIRS and named >= LEAST_NAMED:
        first, second = (np.array([one.names(code) for one in side]) for side in _sides(pairs))
        kappa = cohen_kappa(first, second)
    return PolicyFigures(code, len(rows), len(pairs), named, kappa, time_to_touch(rows), time_to_decision(rows))


def _sides(pairs: Sequence[Pair]) -> tuple[list[ReviewRow], list[ReviewRow]]:
    return [pair.first for pair in pairs], [pair.second for pair in pairs]


def _of_reviewer(name: str, rows: Sequence[ReviewRow], consensus: Consensus | None) -> ReviewerFigures:
    judged = consensus.decisions if consensus else 0
    return ReviewerFigures(
        reviewer=name,
        reviews=len(rows),
        golden=golden_of(rows),
        judged=judged,
        consensus=consensus if judged >= LEAST_JUDGED else None,
        to_touch=time_to_touch(rows),
        to_decision=time_to_decision(rows),
    )
