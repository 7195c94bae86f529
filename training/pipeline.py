"""One run from rows to a sealed bundle: tune, export, calibrate, certify, check, seal. Recording it is for `runs`."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fairstall.evals.certify import Evidence, certify
from fairstall.model.bundle import MODEL_FILE, TOKENIZER_FILE, Bundle, BundleFacts, seal_bundle
from fairstall.model.calibration import PlattCalibration
from fairstall.model.certificates import PolicyThresholds
from fairstall.model.encoding import Encoder, open_encoder
from fairstall.model.errors import SetupError
from fairstall.model.policies import PolicySet
from fairstall.model.routing import Routing
from fairstall.model.scorer import GraphScorer
from fairstall.model.wire import iso_utc
from fairstall.training.calibrate import fit_calibration, real_odds
from fairstall.training.config import TrainingConfig
from fairstall.training.examples import Window, row_windows
from fairstall.training.export import EXACT_FILE, export_int8
from fairstall.training.finetune import Tuned, tune
from fairstall.training.material import Material
from fairstall.training.network import ListingClassifier, new_encoder, write_tokenizer
from fairstall.training.parity import Graphs, Parity, check_parity
from fairstall.training.progress import Progress, Report
from fairstall.training.route import choose_routing
from fairstall.training.rows import JUDGED_TRUST, Row, Split
from fairstall.training.scoring import ScoredRows, calibrated, score_rows
from fairstall.training.speed import default_rows_per_s
from fairstall.training.splits import one_a_group
from fairstall.training.weights import BaseWeights, base_weights

SESSIONS = 2


@dataclass(frozen=True, slots=True)
class Revision:
    """What code and which moment a bundle comes from."""

    code: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Trained:
    """A bundle's parts before they are sealed, and all that was measured on the way.

    `scored` holds the calibration, certification and test rows, one a group, with their int8 logits.
    """

    folder: Path
    facts: BundleFacts
    tuned: Tuned
    parity: Parity
    scored: Mapping[Split, ScoredRows]

    def probabilities(self, split: Split) -> Any:
        """Calibrated probabilities (rows, policies) of a split."""
        return calibrated(self.scored[split].logits, self.facts.labels, self.facts.calibration)


def train(
    material: Material, policies: PolicySet, config: TrainingConfig, folder: Path, *, revision: Revision, report: Report
) -> Trained:
    """Trains, leaves `model.onnx` and `tokenizer.json` in `folder`. Raises SetupError on drift or bulk."""
    folder.mkdir(parents=True, exist_ok=True)
    config = as_computed_here(config)
    torch.manual_seed(config.seed)
    weights = base_weights() if config.encoder.kind == "minilm" else None
    rows = [grouped.row for grouped in material.splits.train]
    tokenizer = folder / TOKENIZER_FILE
    write_tokenizer(config.encoder, weights, [f"{row.title} {row.description}" for row in rows], tokenizer)
    encoder = _encoder(tokenizer, config)
    model = ListingClassifier(new_encoder(config.encoder, weights), len(material.codes))
    tuned = tune(model, rows, encoder, config, report)
    usual = (
        default_rows_per_s(rows, len(material.codes), encoder, config, weights) if config.examine.timed_rows else 0.0
    )
    with tempfile.TemporaryDirectory() as scratch:
        graphs = Graphs(Path(scratch) / EXACT_FILE, folder / MODEL_FILE)
        export_int8(model, graphs.int8, Path(scratch), scale_windows(rows, encoder, config))
        scored = _score_held_out(graphs.int8, encoder, material, report)
        calibration = fit_calibration(scored["calibration"], material.codes, config.certify)
        thresholds = certify_policies(scored, policies, material.codes, calibration, config)
        routing = choose_routing(scored, material.codes, calibration, thresholds, config)
        parity = check_parity(
            model,
            graphs,
            encoder,
            _parity_rows(scored["test"].rows, config),
            codes=material.codes,
            calibration=calibration,
            thresholds=thresholds,
            config=config.export,
        )
    facts = _facts(material, config, calibration, thresholds, routing, revision, weights, tuned, parity, usual)
    _refuse_bulk(folder, config)
    return Trained(folder, facts, tuned, parity, scored)


def as_computed_here(config: TrainingConfig) -> TrainingConfig:
    """Without bf16 on a processor that would only imitate it, which takes twice the time of float32."""
    native = any(has for name, has in torch.cpu.get_capabilities().items() if name.endswith("bf16"))
    return replace(config, tune=replace(config.tune, bf16=config.tune.bf16 and native))


def seal(trained: Trained, card: str) -> Bundle:
    """Writes the card and seals the folder."""
    (trained.folder / "card.md").write_text(card, encoding="utf-8")
    return seal_bundle(trained.folder, trained.facts)


def certify_policies(
    scored: Mapping[Split, ScoredRows],
    policies: PolicySet,
    codes: tuple[str, ...],
    calibration: Mapping[str, PlattCalibration],
    config: TrainingConfig,
) -> dict[str, PolicyThresholds]:
    """Thresholds per policy for the targets that the policies set, from rows scored by split."""
    held, probabilities = scored["certification"], calibrated(scored["certification"].logits, codes, calibration)
    found = {}
    for column, code in enumerate(codes):
        odds_are_real = real_odds(scored["calibration"], column, config.certify)
        shown = evidence(held, probabilities[:, column], column, config, odds_are_real=odds_are_real)
        found[code] = certify(shown, policies[code].targets, config.certify)
    return found


def evidence(
    scored: ScoredRows, probabilities: Any, column: int, config: TrainingConfig, *, odds_are_real: bool
) -> Evidence:
    """What the certification rows say about one policy: real rows as evidence, look-alikes only against it.

    Without a single clean real row, look-alikes stand in for them: a release threshold must lie somewhere. Then, or
    when the odds were learned from real rows, the ceiling binds it.
    """
    real = np.array([row.real for row in scored.rows], dtype=bool)
    clean = np.array(
        [row.real and row.compliant and row.language in config.languages for row in scored.rows], dtype=bool
    )
    known = scored.trust[:, column] >= JUDGED_TRUST
    broken = scored.labels[:, column] > 0
    look_alikes = ~real & known & ~broken
    return Evidence(
        violations=probabilities[real & known & broken],
        compliant=probabilities[real & known & ~broken],
        clean=probabilities[clean if clean.any() else look_alikes],
        look_alikes=probabilities[look_alikes],
        ceiling=odds_are_real or not clean.any(),
    )


def _encoder(tokenizer: Path, config: TrainingConfig) -> Encoder:
    windows = config.windows
    return open_encoder(
        tokenizer,
        max_tokens=windows.max_tokens,
        overlap_tokens=windows.overlap_tokens,
        max_windows=windows.max_windows,
    )


def _score_held_out(graph: Path, encoder: Encoder, material: Material, report: Report) -> dict[Split, ScoredRows]:
    scorers = [GraphScorer(graph) for _ in range(SESSIONS)]
    scored: dict[Split, ScoredRows] = {}
    for name in ("calibration", "certification", "test"):
        kept = one_a_group(material.splits.named()[name])
        rows = [grouped.row for grouped in kept]
        logits = score_rows(scorers, encoder, rows, report=_reporter(report, f"score {name}", len(rows)))
        scored[name] = ScoredRows(
            tuple(rows), tuple(g.group for g in kept), logits.reshape(len(rows), len(material.codes))
        )
    return scored


def _reporter(report: Report, stage: str, total: int) -> Callable[[int], None]:
    import time

    started = time.perf_counter()
    return lambda done: report(Progress(stage, done, total, done / max(time.perf_counter() - started, 1e-9)))


def scale_windows(rows: Sequence[Row], encoder: Encoder, config: TrainingConfig) -> list[Window]:
    """First windows of training rows that set the scales of an int8 graph, violations and compliant rows alike."""
    return [row_windows(row, encoder)[0] for row in _both_sides(rows, config.export.scale_rows)]


def _parity_rows(rows: Sequence[Row], config: TrainingConfig) -> list[Row]:
    real = [row for row in rows if row.real] or rows
    if not rows:
        raise SetupError("no test rows are left to check the export on: give more rows or a smaller training share")
    return _both_sides(real, config.export.parity_rows)


def _both_sides(rows: Sequence[Row], count: int) -> list[Row]:
    """As many violations of all policies as compliant rows, as far as there are, in the order of their ids' hashes."""
    ordered = sorted(rows, key=lambda row: (row.id.partition(":")[2], row.id))
    broken = [row for row in ordered if not row.compliant][: count // 2]
    return broken + [row for row in ordered if row.compliant][: count - len(broken)]


def _facts(
    material: Material,
    config: TrainingConfig,
    calibration: Mapping[str, PlattCalibration],
    thresholds: Mapping[str, PolicyThresholds],
    routing: Routing,
    revision: Revision,
    weights: BaseWeights | None,
    tuned: Tuned,
    parity: Parity,
    usual_rows_per_s: float,
) -> BundleFacts:
    return BundleFacts(
        name=config.name,
        created_at=iso_utc(revision.created_at),
        code_revision=revision.code,
        labels=material.codes,
        languages=config.languages,
        calibration=calibration,
        thresholds=thresholds,
        routing=routing,
        max_tokens=config.windows.max_tokens,
        overlap_tokens=config.windows.overlap_tokens,
        max_windows=config.windows.max_windows,
        data=material.facts,
        training={
            "config": asdict(config),
            "base": weights.origin if weights else "random",
            "rows_seen": tuned.rows,
            "rows_per_second": round(tuned.rows_per_s, 1),
            "speed_gain": round(tuned.rows_per_s / usual_rows_per_s, 2) if usual_rows_per_s else None,
        },
        parity=parity.facts(),
    )


def _refuse_bulk(folder: Path, config: TrainingConfig) -> None:
    size = (folder / MODEL_FILE).stat().st_size + (folder / TOKENIZER_FILE).stat().st_size
    if size > config.export.largest_bundle_bytes:
        raise SetupError(
            f"the bundle takes {size} bytes, above the {config.export.largest_bundle_bytes} that [export] allows"
        )
