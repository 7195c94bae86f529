"""The order of the queue: harm first, and nobody waits for ever."""

from datetime import UTC, datetime, timedelta

import pytest

from fairstall.model.urgency import exposure, urgency_of

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_a_case_stands_between_its_opening_and_its_due_time():
    worst, harmless = urgency_of(NOW, 1.0, reach=10**9), urgency_of(NOW, 0.0)
    assert (worst.urgent_at, harmless.urgent_at) == (NOW, NOW + timedelta(hours=24))
    assert worst.due_at == harmless.due_at == NOW + timedelta(hours=24)


def test_no_case_is_overtaken_by_one_that_was_opened_after_it_was_due():
    oldest = urgency_of(NOW, 0.0, reach=0)
    newest = urgency_of(oldest.due_at + timedelta(seconds=1), 1.0, reach=10**9)
    assert oldest.urgent_at < newest.urgent_at


def test_each_tenfold_of_reach_counts_about_the_same_up_to_a_million():
    assert (exposure(0), exposure(10**6), exposure(10**9)) == (0.5, 1.0, 1.0)
    steps = [exposure(10 ** (n + 1)) - exposure(10**n) for n in range(1, 6)]
    assert max(steps) - min(steps) < 0.01
    assert exposure(None) == pytest.approx(0.75, abs=0.01)
