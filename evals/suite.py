"""What a suite is: one question to a sealed bundle, asked of labelled rows. The suites are in `fairstall.evals.suites`.

To add one, add a module there with a `SUITE`: nothing else changes but its line in docs/evaluating.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.progress import Begin, unwatched
from fairstall.evals.rows import EvalRow
from fairstall.evals.scored import ScoredRows, score_rows

if TYPE_CHECKING:
    from rich.table import Table

    from fairstall.model.bundle import Bundle
    from fairstall.model.policies import PolicySet

Columns = Mapping[str, Sequence[object]]


@dataclass(frozen=True)
class Subject:
    """What is measured, and on what.

    `folds` are bundles of the same recipe, each trained without some sources. `review_budget` is the share of listings
    that people can look at.
    """

    bundle: "Bundle"
    policies: "PolicySet"
    rows: Sequence[EvalRow]
    bootstrap: Bootstrap
    begin: Begin = unwatched
    folds: "Sequence[Bundle]" = ()
    review_budget: float = 0.1

    @cached_property
    def scored(self) -> ScoredRows:
        """All rows, scored once for every suite that reads them as they are."""
        progress = self.begin("listings", len(self.rows))
        return score_rows(self.bundle, self.rows, policies=self.policies, progress=progress)


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
    """`run` gives None when there is nothing that it could measure. Twice gives the same bytes, unless a suite says
    that it is not `repeatable`, since what it measures is the machine as well.
    """

    name: str
    about: str
    run: Callable[[Subject], SuiteReport | None]
    repeatable: bool = True
