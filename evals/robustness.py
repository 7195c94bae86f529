"""The attack suite: what is left of a bundle's recall when sellers disguise their words, and what undoing that costs.

The attacks are in `attacks`; listings are scored as serving would, canonical view, rules and decide() included.
"""

import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fairstall.evals.arrays import Floats
from fairstall.evals.attacks import ATTACKS, Attack
from fairstall.evals.bootstrap import Bootstrap, Estimate
from fairstall.evals.compare import Contender, compare
from fairstall.evals.progress import Progress
from fairstall.evals.recall import Kept, recall_kept, stopped
from fairstall.evals.rows import EvalRow
from fairstall.evals.scored import score_rows, scored_rows
from fairstall.evals.slices import MACRO, flagged
from fairstall.model.canonical.offsets import Layer
from fairstall.model.view import CanonicalText, ListingView

if TYPE_CHECKING:
    from fairstall.model.bundle import Bundle
    from fairstall.model.policies import PolicySet

NO_LAYERS: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True)
class Robustness:
    """Per attack what is kept by the model's score for the violated policy alone (`scores`), and by the whole decision
    (`decisions`: not approved, a disguise sends a listing to a person). `defence`: the difference that the canonical
    view makes to the macro average precision of the same texts without any attack, view minus raw.
    """

    scores: Mapping[str, Kept]
    decisions: Mapping[str, Kept]
    defence: Estimate | None

    def metrics(self) -> dict[str, float]:
        flat: dict[str, float] = {}
        for kind, found in (("score", self.scores), ("decision", self.decisions)):
            for attack, kept in found.items():
                flat |= kept.metrics(f"attack/{attack}/{kind}")
        if self.defence:
            flat |= self.defence.metrics("attack/none/average_precision_gain")
        return flat


def attacked(row: EvalRow, attack: Attack, *, seed: int = 0) -> EvalRow:
    """The row with its title and description disguised; the same row and seed give the same text."""
    draw = random.Random(f"{seed}:{zlib.crc32(row.id.encode())}")
    return replace(row, title=attack(row.title, draw), description=attack(row.description, draw))


def measure_robustness(
    bundle: "Bundle",
    rows: Sequence[EvalRow],
    *,
    policies: "PolicySet | None" = None,
    attacks: Mapping[str, Attack] = ATTACKS,
    bootstrap: Bootstrap | None = None,
    progress: Progress | None = None,
) -> Robustness:
    """Every attack on the violations among `rows`; compliant rows serve to measure what the defence costs."""
    bootstrap = bootstrap or Bootstrap()
    violating = [row for row in rows if row.policies]
    plain = score_rows(bundle, violating, policies=policies, progress=progress)
    by_score: dict[str, Kept] = {}
    by_decision: dict[str, Kept] = {}
    for name, attack in attacks.items():
        changed = score_rows(bundle, [attacked(row, attack) for row in violating], policies=policies, progress=progress)
        pairs = (
            (by_score, flagged(plain, bundle.facts.thresholds), flagged(changed, bundle.facts.thresholds)),
            (by_decision, stopped(plain), stopped(changed)),
        )
        for found, before, after in pairs:
            if (kept := recall_kept(plain, before, after, bootstrap=bootstrap)) is not None:
                found[name] = kept
    return Robustness(by_score, by_decision, _defence(bundle, rows, bootstrap, progress))


def _defence(
    bundle: "Bundle", rows: Sequence[EvalRow], bootstrap: Bootstrap, progress: Progress | None
) -> Estimate | None:
    sides = []
    for raw in (True, False):
        probabilities = _probabilities(bundle, rows, raw=raw)
        if progress:
            progress(len(rows))
        scored = scored_rows(rows, bundle.facts.labels, probabilities)
        sides.append(Contender("raw" if raw else "view", scored))
    found = compare(*sides, bootstrap=bootstrap).find(MACRO, "average_precision")
    return found.difference if found else None


def _probabilities(bundle: "Bundle", rows: Sequence[EvalRow], *, raw: bool) -> Floats:
    """Calibrated probabilities (rows, labels) of the texts as they are, or as the canonical view reads them."""
    from fairstall.model.encoding import bundle_encoder
    from fairstall.model.scorer import OnnxScorer, run_side_by_side
    from fairstall.model.view import view_listing

    encoder, scorers = bundle_encoder(bundle), [OnnxScorer(bundle) for _ in range(2)]
    windows = [encoder.windows(_as_written(row) if raw else view_listing(row.listing())).ids for row in rows]
    logits = run_side_by_side(scorers, [window for of_row in windows for window in of_row])
    starts = np.cumsum([0, *(len(of_row) for of_row in windows[:-1])])
    pooled = np.maximum.reduceat(logits, starts, axis=0)
    calibration = [bundle.facts.calibration[label] for label in bundle.facts.labels]
    return np.array(
        [[line.probability(float(logit)) for line, logit in zip(calibration, of_row, strict=True)] for of_row in pooled]
    )


def _as_written(row: EvalRow) -> ListingView:
    title, description = (CanonicalText(text, text, NO_LAYERS, {}) for text in (row.title, row.description))
    return ListingView(title, description, {})
