"""What a list of times amounts to, and that bundles are timed in turns on the same listings."""

import numpy as np
import pytest

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.speed import listing_times, measure_speed
from fairstall.model.policy_file import starter_policies


def test_times_become_a_rate_and_latencies_with_intervals():
    times = np.concatenate([np.full(99, 0.010), [0.100]])
    found = measure_speed(times, bootstrap=Bootstrap(draws=200))
    assert found.listings == 100
    assert found.listings_per_s.value == pytest.approx(100 / 1.09)
    assert found.p50_ms.value == pytest.approx(10)
    assert 10 < found.p99_ms.value <= 100
    assert found.listings_per_s.low < found.listings_per_s.value < found.listings_per_s.high
    assert {"speed/listings_per_s", "speed/p99_ms.high"} <= set(found.metrics())


def test_every_listing_is_timed_on_every_bundle_and_reported_once_a_round(tiny_bundle, listings):
    done: list[int] = []
    times = listing_times(
        [tiny_bundle, tiny_bundle],
        [row.listing() for row in listings[:6]],
        policies=starter_policies(),
        rounds=2,
        progress=done.append,
    )
    assert times.shape == (2, 6)
    assert np.isfinite(times).all()
    assert (times > 0).all()
    assert sum(done) == 12
