"""A clock that is set back: every decision is stored, a small step leaves their order alone, and keys go on."""

from datetime import UTC, datetime, timedelta

import pytest

from fairstall.records.ledger import Ledger
from fairstall.serving.clock import HELD, ForwardClock

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class SetClock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def set_back(self, by: timedelta) -> None:
        self.now -= by


def test_a_small_step_back_is_not_seen():
    clock = SetClock()
    forward = ForwardClock(clock)
    first = forward()
    clock.set_back(HELD - timedelta(seconds=1))
    assert first < forward() < forward() < NOON + timedelta(milliseconds=1)
    clock.now = NOON + timedelta(seconds=1)
    assert forward() == clock.now


def test_a_large_step_back_is_followed_and_told(caplog):
    clock = SetClock()
    forward = ForwardClock(clock)
    forward()
    clock.set_back(timedelta(hours=1))
    assert forward() == NOON - timedelta(hours=1)
    assert "set back by 1:00:00" in caplog.text


@pytest.fixture
def stepping(engine, make_parts, serve_parts):
    """An app on each database, and the clock that it goes by."""
    clock = SetClock()
    with serve_parts(make_parts(engine, clock=clock)) as served:
        yield served, clock


def test_two_decisions_of_a_listing_keep_their_order_over_a_small_step(stepping, a_listing):
    served, clock = stepping
    served.score(a_listing(1))
    clock.set_back(timedelta(seconds=30))
    second = served.score(a_listing(1)).json()
    assert Ledger(served.parts.engine).latest("l-1").decision_id == second["decision_id"]


def test_everything_is_stored_once_whatever_the_clock_does(stepping, a_listing):
    served, clock = stepping
    answers = []
    for step in (0, 1, 3_600, -7_200, 86_400 * 365):
        clock.set_back(timedelta(seconds=step))
        for number in range(3):
            key = {"Idempotency-Key": f"{step}-{number}"}
            sent = [served.score(a_listing(f"{step}-{number}"), headers=key) for _ in range(2)]
            assert [one.status_code for one in sent] == [200, 200]
            assert sent[0].content == sent[1].content
            answers.append(sent[0].json()["decision_id"])
    assert served.stored()[1] == len(set(answers)) == 15


def test_an_answer_is_found_again_after_the_clock_was_set_back(stepping, a_listing):
    served, clock = stepping
    key = {"Idempotency-Key": "once"}
    first = served.score(a_listing(), headers=key)
    clock.set_back(timedelta(hours=5))
    assert served.score(a_listing(), headers=key).content == first.content
    assert served.stored()[1] == 1
