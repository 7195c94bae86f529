"""The index of blocked listings finds what is nearly the same, and nothing else, whatever its size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairstall.model.decide import Likeness, Resemblance
from fairstall.model.fingerprint import BINS
from fairstall.records.blocked import BlockedPrint
from fairstall.serving.blocked import CANDIDATES_PER_BAND, UNSORTED_AT_MOST, BlockedIndex

DRUGS, WEAPONS = "prohibited/drugs", "prohibited/weapons"


def some_prints(count: int, seed: int = 1) -> list[bytes]:
    rows = np.random.default_rng(seed).integers(0, 256, (count, BINS), dtype=np.uint8)
    return [row.tobytes() for row in rows]


def blocked(number: int, fingerprint: bytes, *policies: str, withdrawn: bool = False) -> BlockedPrint:
    return BlockedPrint(f"d-{number:06d}", policies or (DRUGS,), fingerprint, withdrawn, "2026-11-22T12:00:00.000000Z")


def an_index(prints: list[BlockedPrint], *, most: int = 100_000, threshold: float = 0.75) -> BlockedIndex:
    index = BlockedIndex(most=most, threshold=threshold)
    index.change(prints)
    return index


def changed(fingerprint: bytes, bins: int) -> bytes:
    """The fingerprint with so many of its bins changed, spread over all."""
    places = np.linspace(0, BINS - 1, bins).astype(int)
    row = np.frombuffer(fingerprint, np.uint8).copy()
    row[places] ^= 0xFF
    return row.tobytes()


@pytest.mark.parametrize("count", [1, UNSORTED_AT_MOST, UNSORTED_AT_MOST + 1, 5_000])
def test_each_is_found_among_any_number(count):
    prints = some_prints(count)
    index = an_index([blocked(number, one) for number, one in enumerate(prints)])
    assert index.count == count
    for number in {0, count // 2, count - 1}:
        assert index.resembled(prints[number]) == [Likeness(DRUGS, Resemblance(f"d-{number:06d}", 1.0))]
    assert index.resembled(some_prints(1, seed=2)[0]) == []


@settings(max_examples=30, deadline=None)
@given(st.integers(0, BINS), st.sampled_from([10, 2_000]))
def test_what_is_at_the_threshold_or_above_is_found_with_its_similarity(bins, count):
    prints = some_prints(count)
    found = an_index([blocked(n, one) for n, one in enumerate(prints)]).resembled(changed(prints[3], bins))
    if bins > 16:
        assert found == []
    elif bins < 15:  # at 15 and 16 chance may have broken every band
        assert [one.resembles.decision_id for one in found] == ["d-000003"]
        assert found[0].resembles.similarity == pytest.approx(1 - bins / BINS, abs=0.005)


def test_the_nearest_stands_for_each_policy_and_the_newest_of_equals():
    [one] = some_prints(1)
    near = changed(one, 4)
    index = an_index([blocked(1, one), blocked(2, near, DRUGS, WEAPONS), blocked(3, one)])
    assert {found.policy: found.resembles.decision_id for found in index.resembled(one)} == {
        DRUGS: "d-000003",
        WEAPONS: "d-000002",
    }


@pytest.mark.parametrize("count", [2, 3_000])
def test_a_withdrawn_one_is_found_no_more(count):
    prints = some_prints(count)
    index = an_index([blocked(number, one) for number, one in enumerate(prints)])
    index.change([blocked(1, prints[1], withdrawn=True)])
    assert (index.resembled(prints[1]), index.count) == ([], count - 1)
    index.change([blocked(count + n, one) for n, one in enumerate(some_prints(UNSORTED_AT_MOST + 1, seed=5))])
    assert index.resembled(prints[1]) == []
    assert index.resembled(prints[0])


def test_an_index_that_is_still_empty_is_one_all_the_same():
    index = an_index([])
    assert (bool(index), index.count) == (True, 0)


def test_what_is_read_again_is_kept_once():
    rows = [blocked(number, one) for number, one in enumerate(some_prints(5))]
    index = an_index(rows)
    for _ in range(3):
        index.change(rows)
    assert index.count == 5


def test_the_newest_are_kept_when_there_are_too_many():
    prints = some_prints(3_000)
    index = an_index([blocked(number, one) for number, one in enumerate(prints)], most=500)
    assert index.count == 500
    assert index.resembled(prints[2_499]) == []
    assert index.resembled(prints[2_500])


def test_a_flood_of_copies_is_looked_through_in_part():
    [one] = some_prints(1)
    index = an_index([blocked(number, one) for number in range(10_000)])
    rows = index._state.base.candidates(np.frombuffer(one, np.uint8))
    assert len(rows) == CANDIDATES_PER_BAND
    assert index.resembled(one)[0].resembles.decision_id == "d-009999"
