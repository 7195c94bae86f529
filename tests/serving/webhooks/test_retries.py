"""When a delivery is tried again, and when an endpoint is left alone."""

from datetime import UTC, datetime, timedelta

import pytest

from fairstall.records.deliveries import Delivery, DeliveryState, Health, Target
from fairstall.serving.webhooks.retries import DELAYS_S, SPAN, Attempt, judge_attempt, judge_endpoint
from fairstall.serving.webhooks.sender import Answer

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def an_attempt(answer, number=1):
    return Attempt(Delivery("e-1", "decision.made", {}, NOW, number), answer)


def wait_s(answer, number=1, chance=0.0):
    outcome = judge_attempt(an_attempt(answer, number), now=NOW, chance=chance)
    assert outcome.state is DeliveryState.WAITING
    return (outcome.due_at - NOW).total_seconds()


def judge(*answers, failing_since=None):
    attempts = [an_attempt(answer) for answer in answers]
    return judge_endpoint(Target("t-1", "https://shop.example", ("s",), failing_since), attempts, now=NOW)


def pause_s(*answers, failing_for=None):
    health = judge(*answers, failing_since=NOW - failing_for if failing_for is not None else None)
    assert health.works is False
    return (health.paused_until - NOW).total_seconds()


def test_the_schedule_spans_three_days_in_growing_steps():
    assert [wait_s(Answer(500), number) for number in range(1, 10)] == [*DELAYS_S]
    assert list(DELAYS_S) == sorted(DELAYS_S)
    assert timedelta(days=3) < SPAN < timedelta(days=4)


def test_jitter_lengthens_a_delay_by_a_tenth_at_most():
    assert [wait_s(Answer(500), 2, chance) for chance in (0.0, 0.5, 0.999)] == [300, 315, pytest.approx(329.97)]


def test_the_tenth_failure_is_the_last():
    assert judge_attempt(an_attempt(Answer(500), 10), now=NOW, chance=0).state is DeliveryState.FAILED


@pytest.mark.parametrize(("asked", "waited"), [(60, 60), (2, 5), (3_600, 3_600), (999_999, 3_600)])
def test_retry_after_is_honoured_up_to_an_hour_and_shortens_nothing(asked, waited):
    assert wait_s(Answer(503, retry_after_s=asked)) == waited
    assert pause_s(Answer(503, retry_after_s=asked)) == waited


def test_a_success_is_a_success_whatever_it_asks_for():
    assert judge_attempt(an_attempt(Answer(200, retry_after_s=60), 10), now=NOW, chance=0).result == "HTTP 200"
    assert judge(Answer(200, retry_after_s=60)) == Health(works=True)


def test_gone_fails_at_once_and_ends_the_endpoint():
    assert judge_attempt(an_attempt(Answer(410)), now=NOW, chance=0).state is DeliveryState.FAILED
    assert judge(Answer(200), Answer(410)).disabled_because == "it answered 410 Gone"


@pytest.mark.parametrize(
    ("failing_for", "pause"), [(None, 5), (timedelta(0), 5), (timedelta(minutes=10), 60), (timedelta(days=1), 300)]
)
def test_a_failing_endpoint_is_left_alone_the_longer_the_longer_it_fails(failing_for, pause):
    assert pause_s(Answer(500), Answer(None, "timed out"), failing_for=failing_for) == pause


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_endpoint_that_is_overloaded_is_given_a_pause_though_something_got_through(status):
    assert judge(Answer(200), Answer(status)) == Health(works=True, paused_until=NOW + timedelta(seconds=5))


def test_one_bad_event_among_good_ones_does_not_slow_its_endpoint():
    assert judge(Answer(200), Answer(500)) == Health(works=True)


def test_an_endpoint_that_fails_for_the_whole_schedule_is_disabled():
    almost = judge(Answer(500), failing_since=NOW - SPAN + timedelta(seconds=1))
    assert almost.disabled_because is None
    told = judge(Answer(500), failing_since=NOW - SPAN).disabled_because
    assert told == "no delivery succeeded for 76 hours; the last answer: HTTP 500"


def test_nothing_is_learnt_from_no_answer():
    assert judge() == Health()
