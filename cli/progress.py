"""Bars for what takes long: on standard error, on a terminal alone, and gone when it is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


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
