"""What a run amounts to: each figure with what is wanted of it, over the rounds. It draws nothing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from fairstall.serving.bench.contestants import DURABLE, FULL, NOT_DURABLE, PLAIN, PLAINS, SERVICE
from fairstall.serving.bench.install_size import total_mb
from fairstall.serving.bench.results import BenchResult, Load, LoadRun
from fairstall.serving.bench.rounds import ALONE, AT_32, AT_HALF, AT_HALF_RANDOM


@dataclass(frozen=True, slots=True)
class Wanted:
    """A bound, whether more or less than that is good, and the goal beyond it."""

    bound: float
    at_least: bool
    goal: float | None = None

    def __str__(self) -> str:
        told = f"{'at least' if self.at_least else 'at most'} {self.bound:g}"
        return f"{told}, goal {self.goal:g}" if self.goal is not None else told

    def met_by(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True)
class Figure:
    """`values` has one number a round, and is empty for what was not measured; `unit` is empty for a ratio."""

    name: str
    values: tuple[float, ...]
    wanted: Wanted | None = None
    unit: str = ""

    @property
    def value(self) -> float | None:
        return median(self.values) if self.values else None

    @property
    def falls_short(self) -> bool:
        return self.value is not None and self.wanted is not None and not self.wanted.met_by(self.value)


def figures(result: BenchResult) -> list[Figure]:
    """Every figure that something is wanted of, and those that explain them, in the order of their weight."""
    answered, p99 = _Rounds(result, lambda run: run.answers_per_s), _Rounds(result, lambda run: run.latencies.p99_ms)
    durable = answered.of(DURABLE, AT_32)
    one_ms = [raw.one.p50_ms for raw in result.raw]
    service_runs = [run for name in SERVICE for server in result.of(name) for run in server.runs]
    peer = best(result, [name for name in result.contestants if name not in (*SERVICE, *PLAINS)])
    plain = best(result, PLAINS)
    return [
        Figure("raw limit", tuple(raw.listings_per_s for raw in result.raw), unit="listings/s"),
        Figure("throughput at 32 connections", tuple(durable), unit="listings/s"),
        Figure(
            "that as a share of the raw limit",
            _ratios(durable, [raw.listings_per_s for raw in result.raw]),
            Wanted(0.80, at_least=True, goal=0.88),
        ),
        Figure(
            f"that against {peer or 'the best framework'}",
            _ratios(durable, answered.of(peer, AT_32)),
            Wanted(1.5, at_least=True),
        ),
        Figure(
            f"that against {plain or 'plain FastAPI'}",
            _ratios(durable, answered.of(plain, AT_32)),
            Wanted(1.4, at_least=True),
        ),
        Figure("that against storing nothing", _ratios(durable, answered.of(NOT_DURABLE, AT_32))),
        Figure(
            "one connection against plain FastAPI",
            _ratios(answered.of(DURABLE, ALONE), answered.of(PLAIN, ALONE)),
            Wanted(1.0, at_least=True),
        ),
        Figure("one listing, raw, p50", tuple(one_ms), unit="ms"),
        Figure("p99 at half load against that", _ratios(p99.of(DURABLE, AT_HALF), one_ms), Wanted(3.0, at_least=False)),
        Figure("the same with random arrivals", _ratios(p99.of(DURABLE, AT_HALF_RANDOM), one_ms)),
        *(
            Figure(
                f"p99 with {result.settings.ledger_rows:,} decisions against none, {load}",
                _ratios(p99.of(FULL, load), p99.of(DURABLE, load)),
                Wanted(1.1, at_least=False),
            )
            for load in (AT_HALF, AT_32)
        ),
        Figure("start to ready", tuple(run.ready_s for run in result.of(DURABLE)), Wanted(2.0, at_least=False), "s"),
        Figure(
            "peak memory at 32 connections",
            tuple(_Rounds(result, lambda run: run.server_peak_mb).of(DURABLE, AT_32)),
            Wanted(350, at_least=False),
            "MB",
        ),
        Figure(
            "serving install",
            (total_mb(result.install_mb),) if result.install_mb else (),
            Wanted(300, at_least=False),
            "MB",
        ),
        Figure("requests without a good answer", (sum(run.failed for run in service_runs),), Wanted(0, at_least=False)),
        Figure(
            "answers without a stored decision", (sum(run.lost for run in service_runs),), Wanted(0, at_least=False)
        ),
    ]


def best(result: BenchResult, contestants: Iterable[str]) -> str:
    """Who answered most at 32 connections, by the median of its rounds; empty when none was measured."""
    answered = _Rounds(result, lambda run: run.answers_per_s)
    medians = {name: median(found) for name in contestants if (found := answered.of(name, AT_32))}
    return max(medians, key=medians.__getitem__, default="")


class _Rounds:
    """One number of each round's run under a load."""

    def __init__(self, result: BenchResult, number: Callable[[LoadRun], float]) -> None:
        self._result = result
        self._number = number

    def of(self, contestant: str, load: Load) -> list[float]:
        return [self._number(run) for run in self._result.by_load(contestant).get(load, ())]


def _ratios(over: Sequence[float], under: Sequence[float]) -> tuple[float, ...]:
    """Round by round; none when either was not measured in all, or nothing was answered."""
    if len(over) != len(under) or not all(under):
        return ()
    return tuple(one / other for one, other in zip(over, under, strict=True))
