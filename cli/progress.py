"""Bars for what takes long, on standard error and on a terminal alone; a training run leaves a line a stage as well."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from fairstall.training.progress import Progress as Stage
    from fairstall.training.progress import Report


@contextmanager
def progress(doing: str, total: int) -> Iterator[Callable[[int], None]]:
    """One bar; what is given is told how many more of `total` are done."""
    with stages() as begin:
        yield begin(doing, total)


@contextmanager
def stages() -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """A bar for each stage that begins."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:

        def begin(doing: str, total: int) -> Callable[[int], None]:
            task = bar.add_task(doing, total=total)
            return lambda done: bar.advance(task, done)

        yield begin


@contextmanager
def stage_lines() -> Iterator["Report"]:
    """What a run reports to. Lines go to standard error, also where there is no terminal for a bar."""
    console = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        stages = _Stages(console, bars)
        yield stages.report
        stages.end()


class _Stages:
    def __init__(self, console: Console, bars: Progress) -> None:
        self._console, self._bars = console, bars
        self._last: Stage | None = None
        self._task, self._begun = TaskID(0), 0.0

    def report(self, stage: "Stage") -> None:
        if self._last is None or stage.stage != self._last.stage:
            self.end()
            self._task = self._bars.add_task(stage.stage, total=stage.total, speed="")
            self._begun = perf_counter()
        self._last = stage
        self._bars.update(self._task, completed=stage.done, speed=_speed(stage))

    def end(self) -> None:
        """The stage that ran is done: its line takes the place of its bar."""
        if self._last is None:
            return
        self._bars.remove_task(self._task)
        spent = timedelta(seconds=round(perf_counter() - self._begun))
        self._console.print(
            f"{self._last.stage:28} {self._last.total:>6} {spent} {_speed(self._last)}".rstrip(), markup=False
        )


def _speed(stage: "Stage") -> str:
    return f"{stage.rows_per_s:.0f} rows/s" if stage.rows_per_s else ""
