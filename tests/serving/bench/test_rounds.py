"""Who takes part in a round and who may miss it."""

from contextlib import contextmanager

import pytest

from fairstall.model.errors import SetupError
from fairstall.model.listing import Listing
from fairstall.model.wire import json_line, listing_body
from fairstall.serving.bench.contestants import DURABLE, PLAIN, plain_contestants
from fairstall.serving.bench.results import Arrivals
from fairstall.serving.bench.rounds import ALONE, Field, Pace, run_rounds

LISTING = Listing("l", "s", "Garden chair", "hardly used")
PACE = Pace(rounds=2, seconds=1.0, rest_s=0.0, warm_up_s=1.0, loads=(ALONE,))


@contextmanager
def never_ready():
    raise SetupError("it is not ready")
    yield


@pytest.fixture
def taking_part(tiny_bundle, tmp_path):
    def make(**contestants):
        file = tmp_path / "listings.jsonl"
        file.write_text(json_line(listing_body(LISTING)) + "\n")
        return Field(tiny_bundle.folder, [LISTING], file, contestants, tmp_path)

    return make


def test_another_server_that_does_not_start_is_left_out_and_told_of(taking_part, tiny_bundle, tmp_path):
    plain = plain_contestants(tiny_bundle.folder, tmp_path)[PLAIN]
    steps: list[int] = []
    found = run_rounds(taking_part(**{"framework": never_ready, PLAIN: plain}), PACE, steps.append)
    assert [(run.contestant, run.round) for run in found.servers] == [(PLAIN, 1), (PLAIN, 2)]
    assert found.failures == [f"round {number}, framework: it is not ready" for number in (1, 2)]
    assert len(found.raw) == 2
    assert sum(steps) == PACE.steps([PLAIN])


def test_without_the_service_there_is_nothing_to_compare(taking_part):
    with pytest.raises(SetupError, match="not ready"):
        run_rounds(taking_part(**{DURABLE: never_ready}), PACE, lambda _more: None)


def test_the_service_is_put_under_all_loads_and_others_under_closed_loops():
    assert {load.arrivals for load in Pace().loads_of(DURABLE)} == set(Arrivals)
    assert {load.arrivals for load in Pace().loads_of(PLAIN)} == {Arrivals.CLOSED}
