"""What one run of the bench found, as plain values, and how it is kept in `bench.json`. What it means is `figures`'."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from fairstall.model.errors import SetupError

RESULT_FILE = "bench.json"


class Arrivals(StrEnum):
    """When requests are sent: each connection when it was answered, or at intended times whatever the answers do."""

    CLOSED = "closed"
    EVEN = "even"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Load:
    """`connections` of a closed loop; `share` of the throughput at 32 connections is the rate of an open one."""

    arrivals: Arrivals
    connections: int = 0
    share: float = 0.0

    def __str__(self) -> str:
        if self.arrivals is Arrivals.CLOSED:
            return f"{self.connections} connections" if self.connections > 1 else "1 connection"
        return f"{self.share:.0%} load" + (", random" if self.arrivals is Arrivals.RANDOM else "")


@dataclass(frozen=True, slots=True)
class Latencies:
    """In milliseconds, by nearest rank; all 0 when nothing was answered."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class LoadRun:
    """One server under one load for `seconds`.

    `answered` are answers with status 200 and what was asked for in them; all else has `failed`. `stored` are the
    decisions of this run found in the store afterwards, None where nothing is stored. CPU times are in seconds, of all
    processes of the server and of the load generator; `server_peak_mb` is the sum of their peaks of resident memory.
    """

    load: Load
    seconds: float
    answered: int
    failed: int
    latencies: Latencies
    server_cpu_s: float
    server_peak_mb: float
    generator_cpu_s: float
    stored: int | None = None

    @property
    def answers_per_s(self) -> float:
        return self.answered / self.seconds

    @property
    def lost(self) -> int:
        """Answers whose decision is not in the store."""
        return 0 if self.stored is None else max(0, self.answered - self.stored)


@dataclass(frozen=True, slots=True)
class ServerRun:
    """One start of one contestant. `ready_s` runs from the start of its process to its first answer."""

    contestant: str
    round: int
    ready_s: float
    runs: tuple[LoadRun, ...]


@dataclass(frozen=True, slots=True)
class RawLimit:
    """What tokenizer and model do without a service: all listings in batches, and one at a time on one thread."""

    listings_per_s: float
    one: Latencies


@dataclass(frozen=True, slots=True)
class ListingFacts:
    """The listings that were sent. `outcomes` are the share of each, as the bundle decides them in an empty store."""

    source: str
    count: int
    median_words: float
    median_tokens: float
    sha256: str
    outcomes: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and how often was measured, and on which kind of store."""

    rounds: int
    seconds: float
    ledger_rows: int
    database: str
    quick: bool


@dataclass(frozen=True, slots=True)
class BenchResult:
    """One run of the bench, complete. `failures` tell which contestant could not be measured in which round."""

    begun_at: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    bundle: str
    bundle_digest: str
    listings: ListingFacts
    settings: Settings
    install_mb: Mapping[str, float]
    raw: tuple[RawLimit, ...]
    servers: tuple[ServerRun, ...]
    failures: tuple[str, ...] = ()

    def of(self, contestant: str) -> list[ServerRun]:
        """The runs of one contestant, one for each round, in their order."""
        return [one for one in self.servers if one.contestant == contestant]

    def by_load(self, contestant: str) -> dict[Load, list[LoadRun]]:
        """The runs of one contestant under each load, one for each round."""
        found: dict[Load, list[LoadRun]] = {}
        for server in self.of(contestant):
            for run in server.runs:
                found.setdefault(run.load, []).append(run)
        return found

    @property
    def contestants(self) -> list[str]:
        return list(dict.fromkeys(one.contestant for one in self.servers))


def latencies(values_ms: Sequence[float]) -> Latencies:
    """The percentiles of latencies."""
    if not values_ms:
        return Latencies(0.0, 0.0, 0.0, 0.0)
    p50, p90, p99, most = np.percentile(values_ms, (50, 90, 99, 100), method="inverted_cdf").tolist()
    return Latencies(p50, p90, p99, most)


def result_json(result: BenchResult) -> bytes:
    """The content of `bench.json`."""
    return _RESULT.dump_json(result, indent=1) + b"\n"


def read_result(path: Path) -> BenchResult:
    """The run that a file holds. Raises SetupError."""
    try:
        return _RESULT.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise SetupError(f"{path} is no result of the bench: {error}") from error


_RESULT = TypeAdapter(BenchResult)
