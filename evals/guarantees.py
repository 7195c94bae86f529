"""Whether certificates keep their word: thresholds certified on one half of the rows, and their risk on the other.

A certificate promises that its risk (wrong blocks among blocks, missed violations among violations) is above the target
with a probability of 1 less the confidence at most. Many random halvings say how often it was.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from fairstall.evals.arrays import Bools
from fairstall.evals.bootstrap import CONFIDENCE, Estimate, wilson
from fairstall.evals.certify import CertifyConfig, Evidence, block_threshold, release_threshold
from fairstall.evals.progress import Progress
from fairstall.evals.scored import ScoredRows
from fairstall.model.certificates import Threshold
from fairstall.model.policies import PolicySet, Targets

RESPLITS = 200
BLOCK, RELEASE = "block", "release"


@dataclass(frozen=True, slots=True)
class Guarantee:
    """`exceeded` of `certified` thresholds had a risk above the target on the other half. `promised` is the largest
    share of them that may. The interval of `share` takes thresholds for independent, which those of one policy are not.
    """

    certified: int
    exceeded: int
    promised: float
    share: Estimate

    def metrics(self, scope: str) -> dict[str, float]:
        flat = {f"guarantees/{scope}/{name}": float(getattr(self, name)) for name in ("certified", "promised")}
        return flat | self.share.metrics(f"guarantees/{scope}/exceeded")


@dataclass(frozen=True, slots=True)
class _Outcome:
    kind: str
    exceeded: bool


def measure_guarantees(
    scored: ScoredRows,
    policies: PolicySet,
    config: CertifyConfig,
    *,
    resplits: int = RESPLITS,
    seed: int = 0,
    progress: Progress,
) -> Mapping[str, Guarantee]:
    """By `block` and `release`; a kind of which no halving certified a threshold is left out."""
    columns = {column: policies.by_code[code].targets for column, code in _columns(scored, policies)}
    firsts = np.unique(scored.groups, return_index=True)[1]  # one row a group, as certificates are made
    outcomes: list[_Outcome] = []
    for number in range(resplits):
        half = np.zeros(len(scored), dtype=np.bool_)
        half[np.random.default_rng([seed, number]).permutation(firsts)[: firsts.size // 2]] = True
        rest = np.isin(np.arange(len(scored)), firsts) & ~half
        for column, targets in columns.items():
            outcomes += _halving(scored, column, half, rest, targets, config)
        progress(1)
    found = {}
    for kind in (BLOCK, RELEASE):
        of_kind = [outcome.exceeded for outcome in outcomes if outcome.kind == kind]
        if of_kind:
            share = wilson(sum(of_kind) / len(of_kind), len(of_kind), confidence=CONFIDENCE)
            found[kind] = Guarantee(len(of_kind), sum(of_kind), 1 - config.confidence, share)
    return found


def _columns(scored: ScoredRows, policies: PolicySet) -> Iterator[tuple[int, str]]:
    for column, code in enumerate(scored.labels):
        if code in policies.by_code and (scored.truth & scored.known)[:, column].any():
            yield column, code


def _halving(
    scored: ScoredRows, column: int, half: Bools, rest: Bools, targets: Targets, config: CertifyConfig
) -> Iterator[_Outcome]:
    evidence, known = _evidence(scored, column, half), scored.known[:, column] & rest
    probabilities, broken = scored.probabilities[known, column], scored.truth[known, column]
    block = block_threshold(evidence, targets, config)
    if _holds(block) and (blocked := probabilities >= block.value).any():
        yield _Outcome(BLOCK, bool((~broken[blocked]).mean() > 1 - targets.precision))
    release = release_threshold(evidence, targets, config)
    if _holds(release) and broken.any():
        yield _Outcome(RELEASE, bool((probabilities[broken] < release.value).mean() > targets.missed))


def _holds(threshold: Threshold | None) -> TypeGuard[Threshold]:
    return threshold is not None and threshold.certificate.holds


def _evidence(scored: ScoredRows, column: int, mask: Bools) -> Evidence:
    probabilities, known = scored.probabilities[:, column], scored.known[:, column] & mask
    broken, nothing = scored.truth[:, column], np.zeros(0)
    return Evidence(
        violations=probabilities[known & broken],
        compliant=probabilities[known & ~broken],
        clean=probabilities[mask & ~scored.violating],
        look_alikes=nothing,
    )
