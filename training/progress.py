"""How a run tells where it stands. Who shows it is not its business."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a stage stands: `done` of `total` rows at `rows_per_s`."""

    stage: str
    done: int
    total: int
    rows_per_s: float
    loss: float | None = None


Report = Callable[[Progress], None]


def counted(report: Report, stage: str, total: int) -> Callable[[int], None]:
    """A callback that is told how many more rows are done, and reports how many are in all."""
    done = 0

    def progress(more: int) -> None:
        nonlocal done
        done += more
        report(Progress(stage, done, total, 0.0))

    return progress
