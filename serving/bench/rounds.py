"""The rounds: every contestant started anew in turn, put under its loads one after another, and ended."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep

from fairstall.model.errors import SetupError
from fairstall.model.listing import Listing
from fairstall.serving.bench.asking import make_requests
from fairstall.serving.bench.closed_loop import Sent, closed_loop
from fairstall.serving.bench.contestants import DURABLE, SERVICE, Opening, Target
from fairstall.serving.bench.open_loop import intended_times_s, open_loop
from fairstall.serving.bench.raw import raw_limit
from fairstall.serving.bench.results import Arrivals, Load, LoadRun, RawLimit, ServerRun

CONNECTIONS = (1, 8, 32, 128)
SHARES = (0.25, 0.5, 0.75, 0.9)
AT_32 = Load(Arrivals.CLOSED, connections=32)
WARM_UP = Load(Arrivals.CLOSED, connections=8)
ALONE = Load(Arrivals.CLOSED, connections=1)
AT_HALF = Load(Arrivals.EVEN, share=0.5)
AT_HALF_RANDOM = Load(Arrivals.RANDOM, share=0.5)
CLOSED_LOADS = tuple(Load(Arrivals.CLOSED, connections=count) for count in CONNECTIONS)
OPEN_LOADS = (*(Load(Arrivals.EVEN, share=share) for share in SHARES), AT_HALF_RANDOM)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often each contestant is started; seconds under each load, of rest before it, of warming up after a start.

    Others than the service are put under the closed loops alone.
    """

    rounds: int = 3
    seconds: float = 10.0
    rest_s: float = 0.5
    warm_up_s: float = 2.0
    loads: tuple[Load, ...] = (*CLOSED_LOADS, *OPEN_LOADS)

    def loads_of(self, contestant: str) -> list[Load]:
        return [one for one in self.loads if contestant in SERVICE or one.arrivals is Arrivals.CLOSED]

    def steps(self, contestants: Iterable[str]) -> int:
        """How often `run_rounds` tells that something is done."""
        return self.rounds * (1 + sum(len(self.loads_of(one)) for one in contestants))


QUICK = Pace(rounds=1, seconds=1.0, rest_s=0.1, warm_up_s=1.0, loads=(ALONE, AT_32, AT_HALF, AT_HALF_RANDOM))


@dataclass(frozen=True, slots=True)
class Field:
    """What takes part: the bundle, the listings, also as a file, who answers, and the folder to work in."""

    bundle: Path
    listings: Sequence[Listing]
    listings_file: Path
    contestants: Mapping[str, Opening]
    folder: Path


@dataclass(slots=True)
class Found:
    """What the rounds found so far. `failures` tell which contestant could not be measured in a round, and why."""

    raw: list[RawLimit] = field(default_factory=list)
    servers: list[ServerRun] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def run_rounds(taking_part: Field, pace: Pace, progress: Callable[[int], None]) -> Found:
    """All contestants in turn, as often as there are rounds, so that a busy moment hits all alike.

    Raises SetupError when the service itself cannot be measured; one of the others is left out of that round.
    """
    found = Found()
    for number in range(1, pace.rounds + 1):
        found.raw.append(raw_limit(taking_part.bundle, taking_part.listings_file, seconds=2 * pace.seconds))
        progress(1)
        full_rate = 0.0
        for name, opening in taking_part.contestants.items():
            try:
                with opening() as target:
                    course = _Course(target, taking_part, pace, full_rate, progress)
                    run = ServerRun(name, number, target.process.ready_s, course.run(pace.loads_of(name)))
            except SetupError as error:
                if name in SERVICE:
                    raise
                found.failures.append(f"round {number}, {name}: {error}")
                continue
            found.servers.append(run)
            full_rate = course.full_rate if name == DURABLE else full_rate
    return found


class _Course:
    """One server under its loads. `full_rate` is what the service answered at 32 connections in this round."""

    def __init__(
        self, target: Target, taking_part: Field, pace: Pace, full_rate: float, progress: Callable[[int], None]
    ) -> None:
        self.full_rate = full_rate
        self._target = target
        self._folder = taking_part.folder
        self._pace = pace
        self._progress = progress
        self._requests = make_requests(target.asking, taking_part.listings)

    def run(self, loads: Sequence[Load]) -> tuple[LoadRun, ...]:
        self._send(WARM_UP, self._pace.warm_up_s)
        return tuple([self._under(load) for load in loads])

    def _under(self, load: Load) -> LoadRun:
        sleep(self._pace.rest_s)  # what the load before left in flight is none of this one's
        process = self._target.process
        process.forget_peak()
        before = process.cpu_s()
        sent = self._send(load, self._pace.seconds)
        used, peak = process.cpu_s() - before, process.peak_mb()
        if load == AT_32 and not self.full_rate:
            self.full_rate = sent.answered / sent.seconds
        self._progress(1)
        count = self._target.count_stored
        return LoadRun(
            load=load,
            seconds=sent.seconds,
            answered=sent.answered,
            failed=sent.failed,
            latencies=sent.latencies,
            server_cpu_s=used,
            server_peak_mb=peak,
            generator_cpu_s=sent.cpu_s,
            stored=count(sent.run) if count else None,
        )

    def _send(self, load: Load, seconds: float) -> Sent:
        target, proof = self._target, self._target.asking.proof
        if load.arrivals is Arrivals.CLOSED:
            return closed_loop(
                target.port, self._requests, proof, connections=load.connections, seconds=seconds, folder=self._folder
            )
        if not self.full_rate:
            raise SetupError("the service answered nothing at 32 connections: an open loop has no rate")
        times_s = intended_times_s(load.arrivals, rate_per_s=load.share * self.full_rate, seconds=seconds)
        return open_loop(target.port, self._requests, proof, times_s)
