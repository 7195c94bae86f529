"""Histograms count what waits for each policy, on both databases, and a range gives the cases that were counted."""

import pytest

from fairstall.labeling import score_ranges
from fairstall.labeling.permissions import Role
from fairstall.labeling.score_bars import score_bars
from fairstall.labeling.score_ranges import Bin, Histogram, read_histograms, read_range
from fairstall.labeling.together import Together
from fairstall.labeling.verdicts import Judgement, ReviewVerdict
from fairstall.model.certificates import Certificate, PolicyThresholds, Threshold
from fairstall.model.decide import Band
from fairstall.records.ledger import CaseReason

WEAPONS, DRUGS, WILDLIFE = "prohibited/weapons", "prohibited/drugs", "prohibited/wildlife"


def bins_of(histogram) -> dict[tuple[int, int], int]:
    return {(one.low, one.high): one.count for one in histogram.bins if one.count}


def test_cases_are_counted_for_the_policy_that_they_wait_for(store):
    zoe = store.user("zoe", Role.SENIOR)
    for probability in (0.0, 0.049, 0.05, 0.42, 0.44, 0.999, 1.0):
        store.open_case(probability=probability)
    store.open_case(policy=DRUGS)
    store.open_case(policy=WILDLIFE)
    found = read_histograms(store.engine, zoe, store.clock())
    by_policy = {one.policy: one for one in found.by_policy}
    assert list(by_policy) == [WEAPONS, DRUGS, WILDLIFE]
    assert bins_of(by_policy[WEAPONS]) == {(0, 5): 2, (5, 10): 1, (40, 45): 2, (95, 100): 2}
    assert bins_of(by_policy[DRUGS]) == {(0, 5): 1}
    assert (by_policy[WILDLIFE].scored, by_policy[WILDLIFE].without_score) == (0, 1)
    assert (found.looked_at, found.bounded) == (9, False)


def test_only_uncertain_cases_that_are_free_for_the_visitor_are_counted(store):
    zoe, noor = store.user("zoe", Role.SENIOR), store.user("noor")
    store.open_case(priority=0.9)
    store.queue.claim(noor)
    for reason in CaseReason:
        store.open_case(reason=reason, priority=0.1)
    [histogram] = read_histograms(store.engine, zoe, store.clock()).by_policy
    assert histogram.scored == 1


def test_a_range_gives_the_cases_of_its_bins_the_most_urgent_first(store):
    zoe = store.user("zoe", Role.SENIOR)
    low, later, sooner = (
        store.open_case(probability=p, priority=q) for p, q in ((0.39, 0.9), (0.4, 0.1), (0.449, 0.5))
    )
    found = read_range(store.engine, zoe, store.clock(), WEAPONS, 40, 45)
    assert (found.case_ids, found.total) == ((sooner, later), 2)
    assert read_range(store.engine, zoe, store.clock(), DRUGS, 40, 45).total == 0
    assert read_range(store.engine, zoe, store.clock(), WEAPONS, 0, 100).total == 3
    Together(store.engine, store.clock).decide(found.case_ids, zoe, Judgement(ReviewVerdict.COMPLIANT))
    assert read_range(store.engine, zoe, store.clock(), WEAPONS, 0, 100).case_ids == (low,)


def test_only_the_most_urgent_are_counted_and_it_says_so(store, monkeypatch):
    monkeypatch.setattr(score_ranges, "LOOKED_AT", 2)
    monkeypatch.setattr(score_ranges, "MOST_AT_ONCE", 1)
    zoe = store.user("zoe", Role.SENIOR)
    for priority in (0.9, 0.5, 0.1):
        store.open_case(priority=priority)
    found = read_histograms(store.engine, zoe, store.clock())
    assert (found.looked_at, found.bounded, found.by_policy[0].scored) == (2, True, 2)
    some = read_range(store.engine, zoe, store.clock(), WEAPONS, 40, 45)
    assert (len(some.case_ids), some.total) == (1, 2)


def thresholds(release: float, block: float | None, *, holds: bool = True) -> PolicyThresholds:
    certificate = Certificate(target=0.99, bound=0.99, rows=300, errors=0, holds=holds)
    return PolicyThresholds(Threshold(release, certificate), Threshold(block, certificate) if block else None)


@pytest.fixture
def histogram() -> Histogram:
    return Histogram(WEAPONS, tuple(Bin(low, low + 5, low // 5) for low in range(0, 100, 5)), 0)


def test_bars_carry_the_band_of_their_scores_and_the_thresholds_inside_them(histogram, policies):
    drawn = score_bars(histogram, policies[WEAPONS], thresholds(0.32, 0.95))
    by_low = {bar.bin.low: bar for bar in drawn.bars}
    assert (by_low[25].bands, by_low[30].bands, by_low[35].bands) == (
        (Band.LOW,),
        (Band.LOW, Band.MEDIUM),
        (Band.MEDIUM,),
    )
    assert (by_low[90].bands, by_low[95].bands) == ((Band.MEDIUM,), (Band.HIGH,))
    assert (by_low[30].thresholds, by_low[95].thresholds) == ({"release": 4.0}, {"block": 0.0})
    assert (by_low[95].height, by_low[0].height) == (100.0, 0.0)
    assert (drawn.release, drawn.block) == (0.32, 0.95)


def test_a_block_threshold_that_may_not_act_is_not_drawn(histogram, policies):
    drawn = score_bars(histogram, policies[WEAPONS], thresholds(0.3, 0.9, holds=False))
    assert (drawn.block, drawn.bars[-1].bands) == (None, (Band.MEDIUM,))
    assert {bar.bands for bar in score_bars(histogram, policies[WEAPONS], None).bars} == {()}
