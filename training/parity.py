"""How much the int8 graph lost against torch, measured on real rows, and the refusal when it is too much."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from fairstall.model.calibration import PlattCalibration
from fairstall.model.certificates import PolicyThresholds
from fairstall.model.encoding import Encoder
from fairstall.model.errors import SetupError
from fairstall.model.scorer import GraphScorer
from fairstall.training.config import ExportConfig
from fairstall.training.examples import TokenWindows, Window, padded, row_windows
from fairstall.training.network import ListingClassifier
from fairstall.training.rows import JUDGED_TRUST, Row
from fairstall.training.scoring import Matrix, calibrated, chunk_logits

LEAST_VIOLATIONS = 10  # with fewer, one changed place moves average precision by points
TIMED_WINDOWS, TIMED_ROUNDS = 100, 5


@dataclass(frozen=True, slots=True)
class Parity:
    """How far int8 is from torch fp32 on the same real rows, as calibrated probabilities; and from itself.

    `average_precision_loss` is macro over policies with enough violations among the rows. `changed_decisions`: share
    of rows that thresholds alone would decide otherwise. `batch_*`: a row scored alone against the same row scored with
    others. `speed_gain`: times as many windows a second as the fp32 graph, one at a time on one thread.
    """

    rows: int
    max_probability_change: float
    mean_probability_change: float
    average_precision_loss: float
    changed_decisions: float
    speed_gain: float
    batch_max_probability_change: float
    batch_mean_probability_change: float

    def facts(self) -> dict[str, float]:
        return {name: round(float(value), 6) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Graphs:
    """The same classifier as the fp32 graph and as the int8 one."""

    exact: Path
    int8: Path


def check_parity(
    model: ListingClassifier,
    graphs: Graphs,
    encoder: Encoder,
    rows: Sequence[Row],
    *,
    codes: Sequence[str],
    calibration: Mapping[str, PlattCalibration],
    thresholds: Mapping[str, PolicyThresholds],
    config: ExportConfig,
) -> Parity:
    """Measures int8 against torch on `rows`. Raises SetupError when it drifts further than `config` allows."""
    windows = [row_windows(row, encoder) for row in rows]
    scorer = GraphScorer(graphs.int8)
    exact = calibrated(_torch_logits(model, windows), codes, calibration)
    alone = calibrated(_alone(scorer, windows), codes, calibration)
    together = calibrated(_together(scorer, windows), codes, calibration)
    change, batch_change = np.abs(alone - exact), np.abs(together - alone)
    parity = Parity(
        rows=len(rows),
        max_probability_change=float(change.max()),
        mean_probability_change=float(change.mean()),
        average_precision_loss=_mean_precision(exact, rows) - _mean_precision(alone, rows),
        changed_decisions=_changed(exact, alone, codes, thresholds),
        speed_gain=speed_gain(graphs, [of_row[0] for of_row in windows[:: max(1, len(windows) // TIMED_WINDOWS)]]),
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


def speed_gain(graphs: Graphs, windows: Sequence[Window]) -> float:
    """The median over rounds of the fp32 graph's time over the int8 graph's, in turn, one window at a time."""
    scorers = [GraphScorer(graph) for graph in (graphs.exact, graphs.int8)]
    ratios = []
    for _ in range(TIMED_ROUNDS):
        seconds = []
        for scorer in scorers:
            started = time.perf_counter()
            for window in windows:
                scorer.run([window])
            seconds.append(time.perf_counter() - started)
        ratios.append(seconds[0] / seconds[1])
    return float(np.median(ratios))


def _changed(exact: Matrix, int8: Matrix, codes: Sequence[str], thresholds: Mapping[str, PolicyThresholds]) -> float:
    """The share of rows that are blocked, reviewed or approved by one and not by the other."""
    release = np.array([thresholds[code].release.value for code in codes])
    blocks = [thresholds[code].block for code in codes]
    block = np.array([one.value if one else np.inf for one in blocks])

    def outcomes(probabilities: Matrix) -> Matrix:
        reviewed, blocked = (probabilities >= release).any(axis=1), (probabilities >= block).any(axis=1)
        return np.where(blocked, 2, reviewed).astype(np.float64)

    return float((outcomes(exact) != outcomes(int8)).mean())


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
