"""Whether certificates keep their word: thresholds certified on random draws of rows whose risk is known exactly.

A certificate promises that its risk (wrong blocks among blocks, missed violations among violations) is above the target
with a probability of 1 less the confidence at most, for rows drawn from those that it will meet. So the rows at hand
are taken for all that there is, and certification rows are drawn from them with replacement. What a plain halving
leaves over would not do: it has just the errors that the certifying half was spared.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from fairstall.evals.arrays import Ints
from fairstall.evals.bootstrap import CONFIDENCE, Estimate, wilson
from fairstall.evals.certify import CertifyConfig, Evidence, block_threshold, release_threshold
from fairstall.evals.progress import Progress
from fairstall.evals.scored import ScoredRows
from fairstall.evals.slices import POLICY_PREFIX, policy_scope
from fairstall.model.certificates import Threshold
from fairstall.model.policies import PolicySet, Targets

RESAMPLES = 200
BLOCK, RELEASE = "block", "release"


@dataclass(frozen=True, slots=True)
class Guarantee:
    """One policy's certificates of one kind: of `draws` draws, `certified` gave a threshold, and `exceeded` gave one
    with a risk above the target. `promised` is the largest share of draws that may; `share` is how many did.
    """

    draws: int
    certified: int
    exceeded: int
    promised: float
    share: Estimate


Guarantees = Mapping[str, Mapping[str, Guarantee]]  # by `block` and `release`, then by policy


def measure_guarantees(
    scored: ScoredRows,
    policies: PolicySet,
    config: CertifyConfig,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    progress: Progress,
) -> Guarantees:
    """For every policy of which any draw certified a threshold."""
    columns = {column: policies.by_code[code].targets for column, code in _columns(scored, policies)}
    rows = np.unique(scored.groups, return_index=True)[1]  # one a group, as certificates are made
    certified: Counter[tuple[str, int]] = Counter()
    exceeded: Counter[tuple[str, int]] = Counter()
    for number in range(resamples):
        drawn = np.random.default_rng([seed, number]).choice(rows, size=rows.size)
        for column, targets in columns.items():
            for kind, above in _certified(scored, column, drawn, rows, targets, config):
                certified[kind, column] += 1
                exceeded[kind, column] += above
        progress(1)
    found: dict[str, dict[str, Guarantee]] = {}
    for kind, column in sorted(certified):
        misses = exceeded[kind, column]
        share = wilson(misses / resamples, resamples, confidence=CONFIDENCE)
        of_kind = found.setdefault(kind, {})
        of_kind[scored.labels[column]] = Guarantee(
            resamples, certified[kind, column], misses, 1 - config.confidence, share
        )
    return found


def guarantee_metrics(found: Guarantees) -> dict[str, float]:
    """`guarantees/KIND/exceeded` is that of the worst policy."""
    flat: dict[str, float] = {}
    for kind, by_policy in found.items():
        for code, one in by_policy.items():
            scope = f"guarantees/{kind}/{policy_scope(code).removeprefix(POLICY_PREFIX)}"
            flat |= {f"{scope}/certified": float(one.certified), **one.share.metrics(f"{scope}/exceeded")}
        worst = max(by_policy.values(), key=lambda one: one.share.value)
        flat |= worst.share.metrics(f"guarantees/{kind}/exceeded") | {f"guarantees/{kind}/promised": worst.promised}
        certified, exceeded = (sum(getattr(one, of) for one in by_policy.values()) for of in ("certified", "exceeded"))
        flat |= {f"guarantees/{kind}/certified": float(certified)}
        flat |= {f"guarantees/{kind}/exceeded_of_certified": exceeded / certified}
    return flat


def _columns(scored: ScoredRows, policies: PolicySet) -> Iterator[tuple[int, str]]:
    for column, code in enumerate(scored.labels):
        if code in policies.by_code and (scored.truth & scored.known)[:, column].any():
            yield column, code


def _certified(
    scored: ScoredRows, column: int, drawn: Ints, rows: Ints, targets: Targets, config: CertifyConfig
) -> Iterator[tuple[str, bool]]:
    """Kind, and whether the risk is above the target."""
    evidence = _evidence(scored, column, drawn)
    rows = rows[scored.known[rows, column]]
    probabilities, broken = scored.probabilities[rows, column], scored.truth[rows, column]
    block = block_threshold(evidence, targets, config)
    if _holds(block) and (blocked := probabilities >= block.value).any():
        yield BLOCK, bool((~broken[blocked]).mean() > 1 - targets.precision)
    release = release_threshold(evidence, targets, config)
    if _holds(release) and broken.any():
        yield RELEASE, bool((probabilities[broken] < release.value).mean() > targets.missed)


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
