"""What both clients do, on a real service: one suite, run on each of them."""

import asyncio
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import httpx
import pytest

from fairstall.client import (
    AsyncFairstall,
    BadAnswer,
    BadRequest,
    Conflict,
    Decision,
    Forbidden,
    InvalidListing,
    KeyReused,
    NotFound,
    OnTimeout,
    Outcome,
    Overloaded,
    TimedOut,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from fairstall.client.boundary import TimeLeft
from fairstall.records.keys import Scope, create_key
from fairstall.records.ledger import Ledger

BUSY = (429, {"retry-after": "1"})
DOWN = (503, {})


@pytest.fixture
def client(faulty, connect):
    with connect(faulty.url, key=faulty.key) as opened:
        yield opened


def test_a_listing_is_decided_and_the_decision_can_be_read_back(faulty, client, a_listing):
    decision = client.score(**a_listing(7, "Pure heroin"))
    assert (decision.outcome, decision.listing_id, decision.automated) == (Outcome.BLOCK, "l-7", True)
    finding = decision.findings[0]
    assert (finding.policy, finding.evidence[0].text, finding.band) == ("prohibited/drugs", "heroin", "high")
    assert decision.scores is None
    stored = client.decision(decision.decision_id, scores=True)
    assert (stored.findings, stored.versions, stored.case_id) == (decision.findings, decision.versions, None)
    assert (stored.seller_id, stored.actor, stored.overrides) == ("s-1", "model", None)
    assert stored.decided_at.utcoffset() is not None
    assert stored.scores["prohibited/drugs"] == finding.probability
    assert faulty.stored()[1] == 1


def test_every_field_of_a_listing_arrives_as_it_was_given(faulty, client, a_listing):
    more = {"category": "Möbel", "price": {"amount": Decimal("12.50"), "currency": "EUR"}, "language": "en"}
    decision = client.score(**a_listing(), **more, market=None, attributes={"colour": "red"}, scores=True)
    listing = Ledger(faulty.parts.engine).listing_of(decision.decision_id)
    assert (listing.category, listing.price.amount, listing.price.currency) == ("Möbel", Decimal("12.50"), "EUR")
    assert (listing.language, listing.market, dict(listing.attributes)) == ("en", None, {"colour": "red"})
    assert set(decision.scores) >= {"prohibited/drugs", "prohibited/weapons"}


def test_a_batch_has_an_answer_or_an_error_for_each_listing(faulty, client, a_listing):
    good, bad, other = client.score_batch([a_listing(1), a_listing(2) | {"colour": "red"}, a_listing(3, "Old pistol")])
    assert (good.outcome, other.outcome) == (Outcome.APPROVE, Outcome.REVIEW)
    assert isinstance(good, Decision)
    assert isinstance(bad, InvalidListing)
    assert [problem.field for problem in bad.problems] == ["colour"]
    assert bad.request_id == faulty.faults.sent("x-request-id")[0]
    assert faulty.stored()[1] == 2


def test_the_service_is_asked_for_its_health_and_versions_once(faulty, client, time):
    assert client.health().status == "ok"
    assert client.ready().versions.policies == "test-000000000000"
    faulty.faults.script = [DOWN]
    with pytest.raises(Unavailable):
        client.ready()
    assert time.slept == []


def test_what_the_policies_state_for_a_listing_without_an_answer_is_told_before_and_with_the_error(
    faulty, client, connect, time, a_listing, policies
):
    stated = client.policies()
    assert (stated.version, stated.on_timeout) == (policies.version, OnTimeout.HOLD)
    assert [policy.code for policy in stated.policies] == list(policies.codes)
    told = {b'{"on_timeout": "publish"}': OnTimeout.PUBLISH, b'{"on_timeout": "wait"}': OnTimeout.HOLD, b"{}": None}
    with connect(faulty.url, key=faulty.key, retries=time.retries(attempts=1)) as hasty:
        for body, on_timeout in told.items():
            faulty.faults.script = [(503, {}, body)]
            with pytest.raises(Unavailable) as unanswered:
                hasty.score(**a_listing())
            assert unanswered.value.on_timeout is on_timeout


def test_a_service_that_fails_twice_and_then_answers_is_asked_three_times(faulty, client, a_listing, time):
    faulty.faults.script = [DOWN, (502, {})]
    assert client.score(**a_listing()).outcome is Outcome.APPROVE
    assert time.slept == [0.05, 0.1]
    keys = faulty.faults.sent("idempotency-key")
    assert keys == [keys[0]] * 3
    assert keys[0]
    client.score(**a_listing())
    assert faulty.faults.sent("idempotency-key")[3] != keys[0]


@pytest.mark.parametrize("batch", [False, True], ids=["one", "batch"])
def test_a_lost_answer_is_asked_for_again_and_decided_once(faulty, client, a_listing, batch):
    faulty.faults.script = ["lost", "lost"]
    decision = client.score_batch([a_listing()])[0] if batch else client.score(**a_listing())
    assert len(faulty.faults.seen) == 3
    assert faulty.stored()[:2] == (1, 1)
    assert Ledger(faulty.parts.engine).find(decision.decision_id).listing_id == "l-1"


def test_the_time_that_the_service_asks_for_is_waited(faulty, client, a_listing, time):
    faulty.faults.script = [(429, {"retry-after": "7"})]
    client.score(**a_listing())
    assert time.slept == [7.05]


def test_a_wait_beyond_the_deadline_is_not_begun(faulty, client, a_listing, time):
    faulty.faults.script = [(429, {"retry-after": "3600"})]
    with pytest.raises(Overloaded) as caught:
        client.score(**a_listing())
    assert (caught.value.retry_after_s, caught.value.status, time.slept) == (3600.0, 429, [])


def test_every_wait_of_an_attempt_asks_for_the_time_that_is_left(faulty, connect, a_listing, monkeypatch):
    asked = []
    wait = TimeLeft.__getitem__
    monkeypatch.setattr(TimeLeft, "__getitem__", lambda waits, name: asked.append(name) or wait(waits, name))
    with connect(faulty.url, key=faulty.key) as client:
        client.score(**a_listing())
    assert set(asked) == {"pool", "connect", "write", "read"}


def test_a_call_whose_time_is_up_ends_though_each_wait_has_time(
    sqlite_engine, make_parts, serve_parts, gated, connect, a_listing, time
):
    batcher, scorer = gated()
    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served:
        retries = time.retries(deadline_s=0.2, attempts=1)
        with (
            connect(
                str(served.client.base_url), key=served.secret, retries=retries, timeouts=httpx.Timeout(60)
            ) as client,
            pytest.raises(TimedOut),
        ):
            client.score(**a_listing())
        scorer.gate.set()


def test_after_the_last_attempt_the_last_error_is_raised(faulty, client, a_listing, time):
    faulty.faults.script = [DOWN, DOWN, DOWN, BUSY, DOWN]
    with pytest.raises(Overloaded) as caught:
        client.score(**a_listing())
    assert len(faulty.faults.seen) == 4
    assert caught.value.idempotency_key == faulty.faults.sent("idempotency-key")[0]
    assert faulty.stored()[1] == 0


def test_wrong_fields_are_named_and_not_sent_again(faulty, client, a_listing):
    with pytest.raises(InvalidListing) as caught:
        client.score(**a_listing(title=7, language="?"))
    assert [problem.field for problem in caught.value.problems] == ["title", "language"]
    assert caught.value.request_id == faulty.faults.sent("x-request-id")[0]
    assert caught.value.request_id in str(caught.value)
    assert len(faulty.faults.seen) == 1


def test_a_key_of_another_listing_is_refused_and_not_sent_again(faulty, client, a_listing):
    first = client.score(**a_listing(1), idempotency_key="upload-1")
    again = client.score(**dict(reversed(a_listing(1).items())), idempotency_key="upload-1")
    assert again == first
    with pytest.raises(KeyReused):
        client.score(**a_listing(2), idempotency_key="upload-1")
    assert len(faulty.faults.seen) == 3


@pytest.mark.parametrize("key", ["", "x" * 256, "ké", "a\nb"])
def test_what_cannot_be_sent_is_refused_before_it_is(faulty, client, a_listing, key):
    with pytest.raises(BadRequest):
        client.score(**a_listing(), idempotency_key=key)
    for wrong in (float("nan"), object(), "\ud800"):
        with pytest.raises(InvalidListing):
            client.score(**a_listing(title=wrong))
    assert faulty.faults.seen == []


def test_there_is_no_such_decision(client):
    for wrong in ("01a21e86-dc33-79f9-bdaf-b6978a51697f", "../../metrics", "?"):
        with pytest.raises(NotFound):
            client.decision(wrong)


def test_a_key_that_is_unknown_or_has_another_scope_is_refused(faulty, connect, a_listing, time):
    reader = create_key(faulty.parts.engine, "reader", Scope.READ, now=faulty.parts.clock()).secret
    for key, kind in (("fs_unknown", Unauthorized), (reader, Forbidden)):
        with connect(faulty.url, key=key) as client, pytest.raises(kind):
            client.score(**a_listing())
    assert time.slept == []


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"answers": 1}', b'{"outcome": "approve"}', b"null", b"\xff"])
def test_what_is_no_answer_is_told_as_such_and_not_sent_again(faulty, client, a_listing, body):
    faulty.faults.script = [(200, {}, body), (200, {}, body)]
    for ask in (lambda: client.score(**a_listing()), lambda: client.score_batch([a_listing()])):
        with pytest.raises(BadAnswer) as caught:
            ask()
        assert caught.value.request_id
    assert len(faulty.faults.seen) == 2


def test_a_redirect_is_not_followed(faulty, client, a_listing):
    faulty.faults.script = [(307, {"location": "/metrics"})]
    with pytest.raises(BadAnswer):
        client.score(**a_listing())


def test_where_nobody_listens_a_call_tries_again_and_tells_its_key(connect, a_listing, time):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with connect(f"http://127.0.0.1:{port}", key="k") as client, pytest.raises(Unreachable) as caught:
        client.score(**a_listing(), idempotency_key="upload-1")
    assert len(time.slept) == 3
    assert caught.value.idempotency_key == "upload-1"
    assert isinstance(caught.value.__cause__, httpx.ConnectError)


def test_a_call_that_timed_out_can_be_made_again_under_its_key(
    sqlite_engine, make_parts, serve_parts, gated, connect, a_listing, time
):
    batcher, scorer = gated()
    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served:
        short = {"timeouts": httpx.Timeout(5, read=0.2), "retries": time.retries(attempts=1)}
        with (
            connect(str(served.client.base_url), key=served.secret, **short) as client,
            pytest.raises(TimedOut) as caught,
        ):
            client.score(**a_listing())
        scorer.gate.set()
        with connect(str(served.client.base_url), key=served.secret) as client:
            decision = client.score(**a_listing(), idempotency_key=caught.value.idempotency_key)
            assert client.decision(decision.decision_id).listing_id == "l-1"
        assert served.stored()[1] == 1


def test_a_read_that_timed_out_is_sent_again_and_decided_once(
    sqlite_engine, make_parts, serve_parts, gated, connect, a_listing, time
):
    batcher, scorer = gated()

    def sleep(seconds):
        scorer.gate.set()
        time.sleep(seconds)

    patient = {"retries": time.retries(attempts=10_000, deadline_s=1e6), "timeouts": httpx.Timeout(5, read=0.5)}
    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served:
        with connect(str(served.client.base_url), key=served.secret, sleep=sleep, **patient) as client:
            decision = client.score(**a_listing())
        assert time.slept
        assert served.client.get(f"/v1/decisions/{decision.decision_id}").status_code == 200
        assert served.stored()[1] == 1


def test_a_twin_waits_until_the_first_is_answered_and_gets_the_same_decision(
    sqlite_engine, make_parts, serve_parts, gated, connect, a_listing
):
    batcher, scorer = gated()

    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served, ThreadPoolExecutor() as pool:
        address = str(served.client.base_url)
        with connect(address, key=served.secret) as one:
            first = pool.submit(one.score, **a_listing(), idempotency_key="twin")
            scorer.entered.wait()

            def sleep(_seconds):
                scorer.gate.set()
                first.result()

            with connect(address, key=served.secret, sleep=sleep) as other:
                twin = other.score(**a_listing(), idempotency_key="twin")
            assert twin == first.result()
        assert served.stored()[1] == 1


def test_a_twin_that_is_never_done_is_a_conflict(faulty, client, a_listing):
    faulty.faults.script = [(409, {"retry-after": "1"})] * 4
    with pytest.raises(Conflict):
        client.score(**a_listing())


def test_the_key_is_nowhere_to_be_read(faulty, client, a_listing, caplog):
    faulty.faults.script = [DOWN, "lost", (400, {})]
    with caplog.at_level(logging.DEBUG), pytest.raises(BadRequest) as caught:
        client.score(**a_listing(title="secret title"))
    told = [repr(client), str(caught.value), repr(caught.value), caplog.text]
    assert not [text for text in told if faulty.key in text or "secret title" in text]
    assert faulty.url.rstrip("/") in repr(client)


def test_the_service_is_told_which_client_asks(faulty, client, a_listing):
    client.score(**a_listing())
    assert faulty.faults.sent("user-agent")[0].startswith("fairstall-client/")


def test_a_cancelled_call_ends_and_is_not_sent_again(sqlite_engine, make_parts, serve_parts, gated, a_listing):
    batcher, scorer = gated()

    async def cancel_and_go_on(served):
        async with AsyncFairstall(str(served.client.base_url), key=served.secret) as client:
            call = asyncio.create_task(client.score(**a_listing(1)))
            await asyncio.to_thread(scorer.entered.wait)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            while batcher.waiting_tokens:  # until the service has noticed
                await asyncio.sleep(0)
            scorer.gate.set()
            return await client.score(**a_listing(2))

    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served:
        assert asyncio.run(cancel_and_go_on(served)).listing_id == "l-2"
        assert served.stored()[1] == 1


def test_many_calls_share_one_async_client(faulty, a_listing):
    async def score_twenty():
        async with AsyncFairstall(faulty.url, key=faulty.key, limits=httpx.Limits(max_connections=4)) as client:
            return await asyncio.gather(*(client.score(**a_listing(number)) for number in range(20)))

    answers = asyncio.run(score_twenty())
    assert [answer.listing_id for answer in answers] == [f"l-{number}" for number in range(20)]
    assert faulty.stored()[1] == 20
