"""How `fairstall policy backtest` goes through a ledger: in pieces, by several processes. Counting is for evals."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fairstall.cli.bundles import bundle_in_force, bundles_at_hand
from fairstall.cli.progress import progress
from fairstall.model.errors import InputError, MissingExtra
from fairstall.model.policies import PolicySet

if TYPE_CHECKING:
    from fairstall.evals.backtest import Tally
    from fairstall.evals.change_sample import ChangedListing
    from fairstall.evals.replay import Models, Replay
    from fairstall.records.history import History, Span

ROWS_A_PIECE = 10_000

Piecewise: TypeAlias = Callable[[Callable[["Span"], "Tally"], Iterable["Span"]], Iterator["Tally"]]


@dataclass(frozen=True)
class Plan:
    """All that a process has to know."""

    url: str
    old: PolicySet
    new: PolicySet
    models: "Models"
    sample: int
    seed: int

    def replay(self) -> "Replay":
        from fairstall.evals.replay import Replay

        return Replay(self.old, self.new, self.models)

    def tally(self) -> "Tally":
        from fairstall.evals.backtest import Tally
        from fairstall.evals.change_sample import ChangeSample

        return Tally(self.old, self.new, ChangeSample(self.sample, self.seed))

    @contextmanager
    def history(self) -> "Iterator[History]":
        from fairstall.records.engine import open_engine
        from fairstall.records.history import History

        engine = open_engine(self.url)
        try:
            yield History(engine)
        finally:
            engine.dispose()


def prepare(url: str) -> None:
    """Bring the store up to date. Raises MissingExtra where no store can be read."""
    if not find_spec("sqlalchemy"):
        raise MissingExtra("policy backtest", "records")
    from fairstall.records.engine import open_engine
    from fairstall.records.schema import migrate

    engine = open_engine(url)
    migrate(engine)
    engine.dispose()


def known_models(home: Path, bundle: Path | None) -> "Models":
    """The thresholds of all bundles at hand."""
    from fairstall.evals.replay import Models

    in_force = bundle_in_force(home, bundle)
    known = {one.version: one.facts.thresholds for one in bundles_at_hand(home, in_force)}
    return Models(known, in_force.facts.thresholds)


def replay_ledger(
    plan: Plan, since: datetime | None, until: datetime | None, *, processes: int, rows: int = ROWS_A_PIECE
) -> "Tally":
    """Every decision of the model in that time, replayed and counted; pieces of `rows` go to the processes in turn.

    Raises InputError when there is none.
    """
    from fairstall.records.history import Span

    with plan.history() as history:
        span = Span.between(since, until)
        total, pieces = history.count(span), history.cut(span, rows)
    tally, side_by_side = plan.tally(), min(processes, len(pieces))
    with progress("decisions", total) as advance, _mapped(side_by_side) as mapped:
        for piece in mapped(partial(replay_piece, plan), pieces):
            tally.absorb(piece)
            advance(rows)
    if not tally.decisions:
        raise InputError("the ledger has no decision of the model in that time")
    return tally


def replay_piece(plan: Plan, span: "Span") -> "Tally":
    """The decisions of one piece."""
    from fairstall.evals.backtest import replay_past

    replay, tally = plan.replay(), plan.tally()
    with plan.history() as history:
        for page in history.read(span):
            for past in page:
                tally.add(replay_past(replay, past))
    return tally


def changes_to_read(plan: Plan, tally: "Tally") -> "list[ChangedListing]":
    """The sampled decisions with their text, in the order of the sample, but for what was erased since."""
    from fairstall.evals.change_sample import changed_listing

    replay, chosen = plan.replay(), tally.sample.chosen()
    with plan.history() as history:
        found = {past.decision_id: past for past in history.find(chosen)}
    return [
        changed_listing(name, past.listing, replay.change(past.assessment, past.listing), past.violated)
        for name, past in ((name, found[name]) for name in chosen if name in found)
    ]


@contextmanager
def _mapped(processes: int) -> Iterator[Piecewise]:
    """`map` in this process, or with the work spread over several; results come in order."""
    if processes < 2:
        yield map
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield pool.map
