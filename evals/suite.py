"""What a suite is: one question to a sealed bundle, asked of labelled rows. The suites are in `fairstall.evals.suites`.

To add one, add a module there with a `SUITE`: nothing else changes but its line in docs/evaluating.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.rows import EvalRow

if TYPE_CHECKING:
    from rich.table import Table

    from fairstall.model.bundle import Bundle
    from fairstall.model.policies import PolicySet

Progress = Callable[[int], None]
Columns = Mapping[str, Sequence[object]]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured, and on what. `begin(stage, total)` gives what is told how many more of `total` are done."""

    bundle: "Bundle"
    policies: "PolicySet"
    rows: Sequence[EvalRow]
    bootstrap: Bootstrap
    begin: Callable[[str, int], Progress]


@dataclass(frozen=True, slots=True)
class SuiteReport:
    """What a suite found.

    `metrics`: every number by its full name. `facts`: all of it with every interval, as JSON; the same subject gives
    the same bytes. `plots` are PNGs, `tables` have columns of one length, both by file name. `shown` is for the
    terminal.
    """

    metrics: Mapping[str, float]
    facts: str
    shown: "Sequence[Table]"
    plots: Mapping[str, bytes] = field(default_factory=dict)
    tables: Mapping[str, Columns] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Suite:
    """`run` gives None when there is nothing that it could measure."""

    name: str
    about: str
    run: Callable[[Subject], SuiteReport | None]
