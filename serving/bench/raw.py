"""The raw limit: tokenizer and model alone, as many lanes as the service has, in a process of their own.

Views, rules, decisions, HTTP and storage are what the service adds; none of it is here.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import cycle
from pathlib import Path
from time import perf_counter

from fairstall.model.bundle import open_bundle
from fairstall.model.encoding import Encoder, Windows, bundle_encoder
from fairstall.model.errors import SetupError
from fairstall.model.scorer import OnnxScorer, Scorer, run_side_by_side
from fairstall.model.view import ListingView, view_listing
from fairstall.model.wire import parse_listing
from fairstall.serving.bench.results import Latencies, RawLimit, latencies
from fairstall.serving.limits import Limits


def raw_limit(bundle: Path, listings: Path, *, seconds: float) -> RawLimit:
    """Measured in a process of its own, on a file of listings, one a line; half of the time each. Raises SetupError."""
    command = [sys.executable, "-m", __name__, str(bundle), str(listings), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"the raw limit was not measured:\n{done.stderr}")
    told = json.loads(done.stdout)
    return RawLimit(told["listings_per_s"], Latencies(**told["one"]))


def measure_raw(bundle: Path, listings: Path, seconds: float) -> RawLimit:
    """The same in this process."""
    opened = open_bundle(bundle)
    encoder, scorers = bundle_encoder(opened), [OnnxScorer(opened) for _ in range(Limits().lanes)]
    views = [view_listing(parse_listing(line)) for line in listings.read_bytes().splitlines()]
    with ThreadPoolExecutor(len(scorers)) as pool:

        def all_at_once() -> None:
            windows = pool.map(encoder.windows, views)
            run_side_by_side(scorers, [ids for one in windows for ids in one.ids])

        all_at_once()
        times_s = _times_s(all_at_once, seconds / 2)
    return RawLimit(len(views) * len(times_s) / sum(times_s), _one_at_a_time(encoder, scorers[0], views, seconds / 2))


def _one_at_a_time(encoder: Encoder, scorer: Scorer, views: Sequence[ListingView], seconds: float) -> Latencies:
    following = cycle(views)

    def one() -> None:
        windows: Windows = encoder.windows(next(following))
        for ids in windows.ids:
            scorer.run([ids])

    return latencies([1_000 * time_s for time_s in _times_s(one, seconds)])


def _times_s(work: Callable[[], None], seconds: float) -> list[float]:
    """How long each turn took, of as many as there is time for, at least one."""
    times: list[float] = []
    while not times or sum(times) < seconds:
        begun = perf_counter()
        work()
        times.append(perf_counter() - begun)
    return times


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(measure_raw(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))))
