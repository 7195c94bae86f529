"""Rows through an int8 graph as serving runs it: logits and calibrated probabilities per row. It judges nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fairstall.model.calibration import PlattCalibration
from fairstall.model.encoding import Encoder
from fairstall.model.scorer import Scorer, run_side_by_side
from fairstall.training.examples import TokenWindows, row_windows
from fairstall.training.rows import Row

Matrix = npt.NDArray[np.float64]
CHUNK_ROWS = 1000


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """`logits` (rows, policies) pooled over windows by maximum; `labels` and `trust` of the same shape."""

    rows: tuple[Row, ...]
    groups: tuple[str, ...]
    logits: Matrix

    @property
    def labels(self) -> Matrix:
        return np.array([row.labels for row in self.rows], dtype=np.float64).reshape(self.logits.shape)

    @property
    def trust(self) -> Matrix:
        return np.array([row.trust for row in self.rows], dtype=np.float64).reshape(self.logits.shape)

    def where(self, keep: Callable[[Row], bool]) -> "ScoredRows":
        """The rows that `keep` wants."""
        kept = [index for index, row in enumerate(self.rows) if keep(row)]
        rows, groups = tuple(self.rows[i] for i in kept), tuple(self.groups[i] for i in kept)
        return ScoredRows(rows, groups, self.logits[kept])


def score_rows(
    scorers: Sequence[Scorer], encoder: Encoder, rows: Sequence[Row], *, report: Callable[[int], None] = lambda _: None
) -> Matrix:
    """Logits (rows, policies), batched as in serving."""
    parts = []
    for start in range(0, len(rows), CHUNK_ROWS):
        parts.append(chunk_logits(scorers, [row_windows(row, encoder) for row in rows[start : start + CHUNK_ROWS]]))
        report(min(start + CHUNK_ROWS, len(rows)))
    return np.concatenate(parts) if parts else np.zeros((0, 0))


def chunk_logits(scorers: Sequence[Scorer], windows: Sequence[TokenWindows]) -> Matrix:
    """Logits (rows, policies) of rows that are cut into windows already."""
    logits = run_side_by_side(scorers, [window for of_row in windows for window in of_row])
    starts = np.cumsum([0, *(len(of_row) for of_row in windows[:-1])])
    return np.maximum.reduceat(logits, starts, axis=0).astype(np.float64)


def calibrated(logits: Matrix, labels: Sequence[str], calibration: Mapping[str, PlattCalibration]) -> Matrix:
    """Probabilities of the same shape as `logits`."""
    slopes = np.array([calibration[label].slope for label in labels])
    intercepts = np.array([calibration[label].intercept for label in labels])
    values: Matrix = 1 / (1 + np.exp(-np.clip(logits * slopes + intercepts, -700, 700)))
    return values
