"""A key that scores faster than it may is told when to come back, in the words of whichever protocol it speaks."""

from datetime import UTC, datetime

import pytest

from fairstall.records.keys import ApiKey, Scope, create_key
from fairstall.serving.problems import RateLimited
from fairstall.serving.rates import SAVED_S, Rates

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SLOW = ApiKey("k-1", "shop", Scope.SCORE, NOW, listings_per_s=2.0)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_key_may_save_up_ten_seconds_of_its_rate_and_no_more(clock):
    rates = Rates(clock)
    for _ in range(2):
        for _ in range(int(2 * SAVED_S) + 1):
            rates.charge(SLOW)
        with pytest.raises(RateLimited):
            rates.charge(SLOW)
        clock.now += 3_600


def test_over_a_long_time_a_key_scores_at_its_rate(clock):
    rates, scored = Rates(clock), 0
    for _ in range(1_000):
        clock.now += 0.1
        try:
            rates.charge(SLOW)
            scored += 1
        except RateLimited:
            continue
    assert scored == pytest.approx(100 * 2 + 2 * SAVED_S, abs=2)


def test_who_waits_as_long_as_told_is_let_in(clock):
    rates = Rates(clock)
    rates.charge(SLOW, 100)
    with pytest.raises(RateLimited) as refused:
        rates.check(SLOW)
    clock.now += refused.value.retry_after_s
    rates.charge(SLOW)


def test_keys_do_not_use_each_others_rate_and_one_without_a_rate_has_none(clock):
    rates = Rates(clock)
    rates.charge(SLOW, 1_000)
    rates.charge(ApiKey("k-2", "other", Scope.SCORE, NOW, listings_per_s=2.0))
    for _ in range(100):
        rates.charge(ApiKey("k-3", "free", Scope.SCORE, NOW), 100)


@pytest.fixture
def slow(sqlite_engine, make_parts, serve_parts):
    """A service whose caller's key may score one listing in a hundred seconds, and so has a tenth of one saved."""
    secret = create_key(sqlite_engine, "slow", Scope.SCORE, now=NOW, listings_per_s=0.01).secret
    with serve_parts(make_parts(sqlite_engine), secret=secret) as served:
        yield served


def test_the_answer_beyond_the_rate_is_429_and_says_how_long_to_wait(slow, a_listing):
    assert slow.score(a_listing()).status_code == 200
    refused = slow.score(a_listing(2))
    assert refused.status_code == 429
    assert refused.json()["type"] == "urn:fairstall:problem:rate-limited"
    assert 80 <= int(refused.headers["Retry-After"]) <= 90
    assert slow.stored()[1] == 1


def test_a_batch_that_begins_within_the_rate_is_taken_whole(slow, a_listing):
    batch = {"listings": [a_listing(number) for number in range(5)]}
    assert slow.client.post("/v1/score/batch", json=batch).status_code == 200
    refused = slow.client.post("/v1/score/batch", json=batch)
    assert int(refused.headers["Retry-After"]) > 400
    assert slow.stored()[1] == 5


def test_a_request_that_is_refused_for_its_fields_costs_nothing(slow, a_listing):
    assert slow.score(a_listing(title=3)).status_code == 422
    assert slow.score(a_listing()).status_code == 200


def test_each_protocol_tells_it_in_its_own_words(slow, a_listing):
    assert slow.score(a_listing()).status_code == 200
    moderation = slow.client.post("/v1/moderations", json={"input": "chair"})
    assert (moderation.status_code, moderation.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    inference = slow.client.post("/v2/models/fairstall/infer", json={"inputs": []})
    assert inference.status_code == 429
    assert "listings a second" in inference.json()["error"]
    assert moderation.headers["Retry-After"]
    assert inference.headers["Retry-After"]
