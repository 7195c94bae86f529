"""Whether certificates keep their word: thresholds certified on random draws of rows whose risk is known exactly.

A certificate promises that its risk (wrong blocks among blocks, missed violations among violations) is above the target
with a probability of 1 less the confidence at most, for rows drawn from those that it will meet. So the rows at hand are
taken for all that there is, and certification rows are drawn from them with replacement. What a plain halving leaves
over would not do: it has just the errors that the certifying half was spared.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from fairstall.evals.arrays import Ints
from fairstall.evals.bootstrap import CONFIDENCE, Estimate, wilson
from fairstall.evals.certify import CertifyConfig, Evidence, block_threshold, release_threshold
from fairstall.evals.progress import Progress
from fairstall.evals.scored import ScoredRows
from fairstall.model.certificates import Threshold
from fairstall.model.policies import PolicySet, Targets

RESAMPLES = 200
BLOCK, RELEASE = "block", "release"


@dataclass(frozen=True, slots=True)
class Guarantee:
    """`exceeded` of `certified` thresholds had a risk above the target. `promised` is the largest share of them that may.
    The interval of `share` takes thresholds for independent, which those of one policy are not.
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
    resamples: int = RESAMPLES,
    seed: int = 0,
    progress: Progress,
) -> Mapping[str, Guarantee]:
    """By `block` and `release`; a kind of which no draw certified a threshold is left out."""
    columns = {column: policies.by_code[code].targets for column, code in _columns(scored, policies)}
    rows = np.unique(scored.groups, return_index=True)[1]  # one a group, as certificates are made
    outcomes: list[_Outcome] = []
    for number in range(resamples):
        drawn = np.random.default_rng([seed, number]).choice(rows, size=rows.size)
        for column, targets in columns.items():
            outcomes += _certified(scored, column, drawn, rows, targets, config)
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


def _certified(
    scored: ScoredRows, column: int, drawn: Ints, rows: Ints, targets: Targets, config: CertifyConfig
) -> Iterator[_Outcome]:
    evidence = _evidence(scored, column, drawn)
    rows = rows[scored.known[rows, column]]
    probabilities, broken = scored.probabilities[rows, column], scored.truth[rows, column]
    block = block_threshold(evidence, targets, config)
    if _holds(block) and (blocked := probabilities >= block.value).any():
        yield _Outcome(BLOCK, bool((~broken[blocked]).mean() > 1 - targets.precision))
    release = release_threshold(evidence, targets, config)
    if _holds(release) and broken.any():
        yield _Outcome(RELEASE, bool((probabilities[broken] < release.value).mean() > targets.missed))


def _holds(threshold: Threshold | None) -> TypeGuard[Threshold]:
    return threshold is not None and threshold.certificate.holds


def _evidence(scored: ScoredRows, column: int, drawn: Ints) -> Evidence:
    known = drawn[scored.known[drawn, column]]
    broken, probabilities = scored.truth[known, column], scored.probabilities[known, column]
    return Evidence(
        violations=probabilities[broken],
        compliant=probabilities[~broken],
        clean=scored.probabilities[drawn[~scored.violating[drawn]], column],
        look_alikes=np.zeros(0),
    )
