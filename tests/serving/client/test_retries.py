"""When a call is sent again and when it is given up, without a network and without a moment's sleep."""

import httpx
import pytest

from fairstall.client import ClientError, Overloaded, TimedOut, Unavailable
from fairstall.client.boundary import SHORTEST_WAIT_S, TimeLeft
from fairstall.client.calls import health, score
from fairstall.client.errors import Reply
from fairstall.client.retries import Pause, Retries, Send

HEALTHY = Reply(200, {}, b'{"status": "ok"}', "r")
LISTING = {"listing_id": "1", "seller_id": "s", "title": "chair", "description": ""}


def refused(status, **headers):
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"", "r")


def drive(time, results, *, call=None, took_s=0.0, **changes):
    """The steps that are taken while attempts end as `results` say, `took_s` each; the error that ends them, if any."""
    call = call or score(LISTING, scores=False, idempotency_key=None)
    steps, taken, results, result = time.retries(**changes).steps(call), [], iter(results), None
    try:
        while True:
            taken.append(steps.send(result))
            if isinstance(taken[-1], Send):
                time.now += took_s
                result = next(results)
            else:
                result = time.sleep(taken[-1].seconds)
    except (ClientError, StopIteration) as end:
        return taken, end


def pauses(steps):
    return [step.seconds for step in steps if isinstance(step, Pause)]


@pytest.mark.parametrize("status", [408, 409, 429, 502, 503, 504])
def test_what_passes_is_sent_again(time, status):
    steps, _ = drive(time, [refused(status)] * 4)
    assert len(pauses(steps)) == 3


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 405, 413, 415, 418, 422, 499, 500, 501, 505])
def test_what_does_not_pass_is_sent_once(time, status):
    steps, _ = drive(time, [refused(status)])
    assert [type(step) for step in steps] == [Send]


def test_the_same_call_is_sent_each_time(time):
    steps, _ = drive(time, [TimedOut()] * 4)
    assert len({id(step.call) for step in steps if isinstance(step, Send)}) == 1


def test_pauses_grow_by_two_up_to_the_longest_and_chance_shortens_them(time):
    named = {"attempts": 7, "deadline_s": 100.0, "longest_pause_s": 1.0}
    steps, _ = drive(time, [TimedOut()] * 7, random=lambda: 1.0, **named)
    assert pauses(steps) == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    steps, _ = drive(time, [TimedOut()] * 7, random=lambda: 0.0, **named)
    assert pauses(steps) == [0.0] * 6


def test_no_attempt_begins_after_the_deadline_and_the_last_error_is_raised(time):
    results = [refused(503), refused(503), refused(429), refused(503)]
    steps, end = drive(time, results, took_s=4.0, deadline_s=10.0)
    assert len(pauses(steps)) == 2
    assert isinstance(end, Overloaded)


def test_each_wait_is_cut_to_the_time_that_is_left(time):
    steps, _ = drive(time, [TimedOut()], deadline_s=10.0, attempts=1)
    waits = TimeLeft(httpx.Timeout(connect=2.0, write=None, read=9.0, pool=2.0), steps[0].left_s)
    assert dict(waits) == {"connect": 2.0, "write": 10.0, "read": 9.0, "pool": 2.0}
    time.now += 9.0
    assert dict(waits) == {"connect": 1.0, "write": 1.0, "read": 1.0, "pool": 1.0}
    time.now += 9.0
    assert set(waits.values()) == {SHORTEST_WAIT_S}


def test_a_probe_is_sent_once(time):
    steps, end = drive(time, [refused(503)], call=health())
    assert len(steps) == 1
    assert isinstance(end, Unavailable)
    assert drive(time, [HEALTHY], call=health())[1].value.status == "ok"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "3"}, 3.05),
        ({"retry_after": "Fri, 27 Nov 2026 12:00:09 GMT", "date": "Fri, 27 Nov 2026 12:00:05 GMT"}, 4.05),
        ({"retry_after": "Fri, 27 Nov 2026 12:00:01 GMT", "date": "Fri, 27 Nov 2026 12:00:05 GMT"}, 0.05),
        ({"retry_after": "Fri, 27 Nov 2026 12:00:09 GMT"}, 0.05),
        ({"retry_after": "soon"}, 0.05),
        ({"retry_after": "-1"}, 0.05),
        ({"retry_after": "²"}, 0.05),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(time, headers, seconds):
    steps, _ = drive(time, [refused(503, **headers)] * 4)
    assert pauses(steps)[0] == pytest.approx(seconds)


def test_what_retries_say_by_default_is_what_the_guide_says():
    usual = Retries()
    assert (usual.attempts, usual.deadline_s, usual.first_pause_s, usual.longest_pause_s) == (4, 20.0, 0.1, 5.0)
    assert 0 <= usual.random() < 1
    assert usual.clock() <= usual.clock()
