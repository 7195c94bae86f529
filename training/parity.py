"""How much the int8 graph lost against torch, measured on real rows, and the refusal when it is too much."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from fairstall.model.calibration import PlattCalibration
from fairstall.model.encoding import Encoder
from fairstall.model.errors import SetupError
from fairstall.model.scorer import GraphScorer
from fairstall.training.config import ExportConfig
from fairstall.training.examples import TokenWindows, padded, row_windows
from fairstall.training.network import ListingClassifier
from fairstall.training.rows import JUDGED_TRUST, Row
from fairstall.training.scoring import Matrix, calibrated, chunk_logits

LEAST_VIOLATIONS = 10  # with fewer, one changed place moves average precision by points


@dataclass(frozen=True, slots=True)
class Parity:
    """How far int8 is from torch fp32 on the same real rows, as calibrated probabilities; and from itself.

    `average_precision_loss` is macro over policies with enough violations among the rows. `batch_*`: a row scored alone
    against the same row scored with others, since dynamic quantisation takes its scale from the whole batch.
    """

    rows: int
    max_probability_change: float
    mean_probability_change: float
    average_precision_loss: float
    batch_max_probability_change: float
    batch_mean_probability_change: float

    def facts(self) -> dict[str, float]:
        return {name: round(float(value), 6) for name, value in asdict(self).items()}


def check_parity(
    model: ListingClassifier,
    graph: Path,
    encoder: Encoder,
    rows: Sequence[Row],
    *,
    codes: Sequence[str],
    calibration: Mapping[str, PlattCalibration],
    config: ExportConfig,
) -> Parity:
    """Measures int8 against torch on `rows`. Raises SetupError when it drifts further than `config` allows."""
    windows = [row_windows(row, encoder) for row in rows]
    scorer = GraphScorer(graph)
    exact = calibrated(_torch_logits(model, windows), codes, calibration)
    alone = calibrated(_alone(scorer, windows), codes, calibration)
    together = calibrated(_together(scorer, windows), codes, calibration)
    change, batch_change = np.abs(alone - exact), np.abs(together - alone)
    parity = Parity(
        rows=len(rows),
        max_probability_change=float(change.max()),
        mean_probability_change=float(change.mean()),
        average_precision_loss=_mean_precision(exact, rows) - _mean_precision(alone, rows),
        batch_max_probability_change=float(batch_change.max()),
        batch_mean_probability_change=float(batch_change.mean()),
    )
    refuse_drift(parity, config)
    return parity


def refuse_drift(parity: Parity, config: ExportConfig) -> None:
    """Raises SetupError that names the first bound which is exceeded."""
    bounds = {
        "max_probability_change": (parity.max_probability_change, config.max_probability_change),
        "mean_probability_change": (parity.mean_probability_change, config.mean_probability_change),
        "precision_loss": (parity.average_precision_loss, config.precision_loss),
    }
    for name, (found, allowed) in bounds.items():
        if not found <= allowed:
            raise SetupError(
                f"the int8 graph drifted from torch: {name} is {found:.4f} over {parity.rows} rows, above the"
                f" {allowed:g} that [export] allows; nothing was exported"
            )


def _torch_logits(model: ListingClassifier, windows: Sequence[TokenWindows]) -> Matrix:
    model.eval()
    with torch.inference_mode():
        return np.array([model(*padded(of_row)).max(0).values.numpy() for of_row in windows], dtype=np.float64)


def _alone(scorer: GraphScorer, windows: Sequence[TokenWindows]) -> Matrix:
    return np.array([scorer.run(of_row).max(0) for of_row in windows], dtype=np.float64)


def _together(scorer: GraphScorer, windows: Sequence[TokenWindows]) -> Matrix:
    return chunk_logits([scorer], windows)


def _mean_precision(probabilities: Matrix, rows: Sequence[Row]) -> float:
    from sklearn.metrics import average_precision_score

    labels, trust = np.array([row.labels for row in rows]), np.array([row.trust for row in rows])
    found = []
    for column in range(labels.shape[1]):
        known = trust[:, column] >= JUDGED_TRUST
        violations = int(labels[known, column].sum())
        if LEAST_VIOLATIONS <= violations < known.sum():
            found.append(average_precision_score(labels[known, column], probabilities[known, column]))
    return float(np.mean(found)) if found else 0.0
