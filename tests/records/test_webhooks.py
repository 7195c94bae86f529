"""Endpoints and their deliveries, the same on SQLite and on PostgreSQL."""

import base64
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from fairstall.model.errors import Conflict, InputError, NotFound
from fairstall.model.identifiers import time_ordered_id
from fairstall.records import deliveries as queue_module
from fairstall.records import redelivery, webhooks
from fairstall.records.deliveries import DeliveryQueue, DeliveryState, Health, Outcome
from fairstall.records.engine import reading, writing
from fairstall.records.outbox import Event, write_events
from fairstall.records.tables import deliveries, events, webhook_endpoints

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=60)
URL = "https://shop.example/hooks"
NOTHING_LEARNT = Health()


@pytest.fixture
def endpoint(engine):
    return webhooks.add_endpoint(engine, URL, now=NOW).endpoint_id


@pytest.fixture
def queue(engine):
    return DeliveryQueue(engine)


def happen(engine, count=1, *, kind="decision.made", at=NOW):
    made = [Event(time_ordered_id(at), kind, {"outcome": "block"}, at) for _ in range(count)]
    with writing(engine) as connection:
        write_events(connection, made)
    return sorted(event.event_id for event in made)


def rows(engine, *columns):
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(deliveries.c.event_id))]


def end(queue, batch, state, *, now=NOW, health=NOTHING_LEARNT, due_at=None):
    outcomes = [Outcome(one, state, due_at or now, "HTTP 200") for one in batch.deliveries]
    queue.settle(batch.target.endpoint_id, outcomes, health, now=now)


def ids(batch):
    return [one.event_id for one in batch.deliveries]


def test_an_endpoint_gets_what_happens_from_its_registration_on(engine, queue):
    happen(engine)
    assert queue.due(NOW) == []
    added = webhooks.add_endpoint(engine, URL, now=NOW)
    later = happen(engine, 2)
    assert queue.due(NOW) == [added.endpoint_id]
    batch = queue.claim(added.endpoint_id, now=NOW, lease=LEASE, at_most=10)
    assert ids(batch) == later
    first = batch.deliveries[0]
    assert (first.kind, first.body, first.happened_at, first.attempt) == ("decision.made", {"outcome": "block"}, NOW, 1)
    assert (batch.target.url, batch.target.secrets) == (URL, (added.secret,))


def test_a_clock_that_is_set_back_holds_up_what_waited_and_nothing_new(engine, queue, endpoint):
    waited, back = happen(engine), NOW - timedelta(hours=1)
    assert queue.due(back) == []
    new = happen(engine, at=back)
    assert ids(queue.claim(endpoint, now=back, lease=LEASE, at_most=10)) == new
    assert ids(queue.claim(endpoint, now=NOW, lease=LEASE, at_most=10))[-1:] == waited


def test_an_endpoint_gets_the_kinds_it_asked_for(engine, queue):
    only = webhooks.add_endpoint(engine, URL, ["decision.overridden"], now=NOW).endpoint_id
    webhooks.add_endpoint(engine, URL + "/all", now=NOW)
    happen(engine)
    overridden = happen(engine, kind="decision.overridden")
    assert ids(queue.claim(only, now=NOW, lease=LEASE, at_most=10)) == overridden
    assert len(rows(engine, deliveries.c.event_id)) == 3


def test_an_event_is_queued_with_what_it_tells_or_not_at_all(engine, endpoint):
    def fail_after_writing():
        with writing(engine) as connection:
            write_events(connection, [Event(time_ordered_id(NOW), "decision.made", {}, NOW)])
            raise RuntimeError("the decision could not be stored")

    with pytest.raises(RuntimeError):
        fail_after_writing()
    assert rows(engine, deliveries.c.event_id) == []


def test_what_is_claimed_is_nobody_elses_until_the_lease_ends(engine, endpoint, queue):
    happened = happen(engine, 3)
    assert ids(queue.claim(endpoint, now=NOW, lease=LEASE, at_most=2)) == happened[:2]
    assert ids(queue.claim(endpoint, now=NOW, lease=LEASE, at_most=2)) == happened[2:]
    assert queue.due(NOW) == []
    assert queue.claim(endpoint, now=NOW, lease=LEASE, at_most=2) is None
    again = queue.claim(endpoint, now=NOW + LEASE, lease=LEASE, at_most=9)
    assert [(one.event_id, one.attempt) for one in again.deliveries] == [(event_id, 2) for event_id in happened]


def test_workers_that_claim_at_once_share_nothing(engine, endpoint, queue):
    happened, claimed, together = happen(engine, 60), [], threading.Barrier(4)

    def work():
        together.wait()
        while batch := queue.claim(endpoint, now=NOW, lease=LEASE, at_most=7):
            claimed.extend(ids(batch))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(claimed) == happened


def test_a_settled_delivery_is_not_due_again(engine, endpoint, queue):
    happen(engine, 2)
    end(queue, queue.claim(endpoint, now=NOW, lease=LEASE, at_most=1), DeliveryState.DELIVERED)
    end(queue, queue.claim(endpoint, now=NOW, lease=LEASE, at_most=1), DeliveryState.FAILED)
    assert queue.due(NOW + timedelta(days=4)) == []
    found = rows(engine, deliveries.c.state, deliveries.c.attempts, deliveries.c.result)
    assert sorted(found) == [("delivered", 1, "HTTP 200"), ("failed", 1, "HTTP 200")]


def test_an_attempt_that_was_taken_over_is_not_settled_by_its_first_worker(engine, endpoint, queue):
    happen(engine)
    slow = queue.claim(endpoint, now=NOW, lease=LEASE, at_most=1)
    queue.claim(endpoint, now=NOW + LEASE, lease=LEASE, at_most=1)
    end(queue, slow, DeliveryState.FAILED, now=NOW + LEASE)
    assert rows(engine, deliveries.c.state, deliveries.c.attempts) == [("waiting", 2)]


def test_a_paused_endpoint_is_asked_again_after_the_pause_with_a_single_delivery(engine, endpoint, queue):
    happen(engine, 5)
    until = NOW + timedelta(seconds=5)
    batch = queue.claim(endpoint, now=NOW, lease=LEASE, at_most=1)
    end(queue, batch, DeliveryState.WAITING, due_at=NOW, health=Health(False, NOW, paused_until=until))
    assert queue.due(NOW) == []
    assert queue.claim(endpoint, now=NOW, lease=LEASE, at_most=10) is None
    probe = queue.claim(endpoint, now=until, lease=LEASE, at_most=10)
    assert (len(probe.deliveries), probe.target.failing_since) == (1, NOW)
    end(queue, probe, DeliveryState.DELIVERED, now=until, health=Health(works=True))
    whole = queue.claim(endpoint, now=until, lease=LEASE, at_most=10)
    assert (len(whole.deliveries), whole.target.failing_since) == (4, None)


def test_failures_of_long_ago_are_forgotten(engine, endpoint, queue):
    happen(engine, 9)
    batch = queue.claim(endpoint, now=NOW, lease=LEASE, at_most=1)
    end(queue, batch, DeliveryState.FAILED, health=Health(False, NOW, paused_until=NOW + timedelta(seconds=5)))
    found = queue.claim(endpoint, now=NOW + timedelta(days=2), lease=LEASE, at_most=5)
    assert found.target.failing_since == NOW
    found = queue.claim(endpoint, now=NOW + timedelta(days=2, seconds=5), lease=LEASE, at_most=5)
    assert (found.target.failing_since, len(found.deliveries)) == (None, 5)


def test_a_disabled_endpoint_is_left_alone_and_keeps_what_waits(engine, endpoint, queue):
    waiting = happen(engine)
    batch = queue.claim(endpoint, now=NOW, lease=LEASE, at_most=1)
    end(queue, batch, DeliveryState.WAITING, health=Health(disabled_because="it answered 410 Gone"))
    happen(engine)
    assert queue.due(NOW) == []
    (listed,) = webhooks.list_endpoints(engine)
    assert (listed.state, listed.reason, listed.waiting) == ("disabled", "it answered 410 Gone", 1)
    webhooks.enable_endpoint(engine, URL, now=NOW)
    again = queue.claim(endpoint, now=NOW, lease=LEASE, at_most=9)
    assert [(one.event_id, one.attempt) for one in again.deliveries] == [(waiting[0], 1)]


def test_failed_deliveries_begin_anew_when_an_operator_says_so(engine, endpoint, queue):
    happened = happen(engine, 3)
    end(queue, queue.claim(endpoint, now=NOW, lease=LEASE, at_most=2), DeliveryState.FAILED)
    listed = redelivery.list_deliveries(engine, URL, state=DeliveryState.FAILED, at_most=9)
    assert [(one.event_id, one.attempts, one.attempted_at) for one in listed] == [
        (event_id, 1, NOW) for event_id in reversed(happened[:2])
    ]
    assert redelivery.retry_failed(engine, URL, now=NOW) == 2
    again = queue.claim(endpoint, now=NOW, lease=LEASE, at_most=9)
    assert [(one.event_id, one.attempt) for one in again.deliveries] == [(event_id, 1) for event_id in happened]


def test_a_replay_brings_what_was_missed_and_what_was_delivered(engine, queue, monkeypatch):
    monkeypatch.setattr(redelivery, "AT_ONCE", 2)
    times = [NOW + timedelta(hours=hour) for hour in range(5)]
    missed = [happen(engine, at=times[0])[0], happen(engine, at=times[1])[0]]
    endpoint = webhooks.add_endpoint(engine, URL, ["decision.made"], now=times[2]).endpoint_id
    delivered = [happen(engine, at=times[2])[0], happen(engine, at=times[3])[0]]
    happen(engine, at=times[3], kind="decision.overridden")
    end(queue, queue.claim(endpoint, now=times[3], lease=LEASE, at_most=9), DeliveryState.DELIVERED, now=times[3])
    happen(engine, at=times[4])
    assert redelivery.replay(engine, endpoint, since=times[1], until=times[4], now=times[3]) == 3
    again = queue.claim(endpoint, now=times[3], lease=LEASE, at_most=9)
    assert ids(again) == [missed[1], *delivered]


def test_a_disabled_endpoint_is_sent_nothing_again(engine, endpoint):
    webhooks.disable_endpoint(engine, endpoint, now=NOW)
    with pytest.raises(Conflict, match="disabled by hand"):
        redelivery.retry_failed(engine, endpoint, now=NOW)
    with pytest.raises(Conflict):
        redelivery.replay(engine, endpoint, since=NOW, until=NOW, now=NOW)


def test_a_secret_is_random_and_in_the_form_of_the_specification(engine):
    made = [webhooks.add_endpoint(engine, f"{URL}/{n}", now=NOW).secret for n in range(2)]
    assert made[0] != made[1]
    for secret in made:
        assert secret.startswith("whsec_")
        assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64


def test_a_rotated_secret_signs_beside_the_new_one_for_a_while(engine, endpoint, queue):
    (old,) = webhooks.target_of(engine, endpoint).secrets
    new = webhooks.rotate_secret(engine, endpoint, overlap=timedelta(hours=24), now=NOW).secret
    happen(engine, 3)
    secrets = [
        queue.claim(endpoint, now=NOW + timedelta(hours=hours), lease=LEASE, at_most=1).target.secrets
        for hours in (0, 23, 24)
    ]
    assert secrets == [(new, old), (new, old), (new,)]
    queue.prune(NOW + timedelta(hours=24))
    with reading(engine) as connection:
        assert connection.execute(select(webhook_endpoints.c.old_secret)).scalar_one() is None


def test_a_secret_rotated_without_overlap_is_gone_at_once(engine, endpoint, queue):
    new = webhooks.rotate_secret(engine, endpoint, overlap=timedelta(0), now=NOW).secret
    happen(engine)
    assert queue.claim(endpoint, now=NOW, lease=LEASE, at_most=1).target.secrets == (new,)


def test_a_secret_is_in_no_representation(engine, endpoint):
    target = webhooks.target_of(engine, endpoint)
    assert target.secrets[0] not in repr(target) + repr(webhooks.list_endpoints(engine))


def test_a_removed_endpoint_is_unknown_and_its_url_free_again(engine, endpoint, queue):
    happen(engine)
    webhooks.remove_endpoint(engine, endpoint, now=NOW)
    happen(engine)
    assert (queue.due(NOW), webhooks.list_endpoints(engine)) == ([], [])
    with pytest.raises(NotFound):
        webhooks.rotate_secret(engine, endpoint, overlap=LEASE, now=NOW)
    with reading(engine) as connection:
        assert connection.execute(select(webhook_endpoints.c.secret)).scalar_one() is None
    webhooks.add_endpoint(engine, URL, now=NOW)
    assert queue.prune(NOW) == 1
    assert rows(engine, deliveries.c.event_id) == []


def test_a_url_is_registered_once(engine, endpoint):
    with pytest.raises(Conflict, match="is registered"):
        webhooks.add_endpoint(engine, URL, now=NOW)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/hooks",
        "http://127.0.0.1.shop.example/",
        "ftp://shop.example/",
        "https://",
        "https:///hooks",
        "https://user:word@shop.example/",
        "https://shop.example/#part",
        "https://shop.example:99999/",
        "https://[::1/",
        "https://shop.example/a b",
        "https://shop.example/\r\nHost: other",
        "https://bücher.example/",
        "https://shop.example/" + "x" * 2_000,
        "shop.example",
    ],
)
def test_a_url_that_will_not_do_is_refused(url):
    with pytest.raises(InputError):
        webhooks.check_url(url, allow_http=False)


@pytest.mark.parametrize("url", ["http://localhost:9000/", "http://127.0.0.1/x", "http://[::1]:80/", URL + "?shop=1"])
def test_http_is_for_this_machine_alone(url):
    webhooks.check_url(url, allow_http=False)
    webhooks.check_url("http://shop.example/", allow_http=True)


def test_a_kind_that_there_is_not_is_refused(engine):
    with pytest.raises(InputError, match=r"decision\.made"):
        webhooks.add_endpoint(engine, URL, ["decision.mad"], now=NOW)


def test_deliveries_are_kept_for_a_stated_time(engine, endpoint, queue, monkeypatch):
    happen(engine, 5)
    end(queue, queue.claim(endpoint, now=NOW, lease=LEASE, at_most=3), DeliveryState.DELIVERED)
    end(queue, queue.claim(endpoint, now=NOW, lease=LEASE, at_most=1), DeliveryState.FAILED)
    monkeypatch.setattr(queue_module, "PRUNED_AT_ONCE", 2)
    days = [timedelta(days=day, seconds=1) for day in (6, 7, 7, 7, 29, 30)]
    assert [queue.prune(NOW + day) for day in days] == [0, 2, 1, 0, 0, 2]
    assert rows(engine, deliveries.c.event_id) == []
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(events)).scalar_one() == 5


def test_the_backlog_is_of_enabled_endpoints(engine, endpoint, queue):
    assert queue.backlog() == queue_module.Backlog(None, enabled=1, disabled=0)
    happen(engine, at=NOW)
    happen(engine, at=NOW + timedelta(hours=1))
    assert queue.backlog().oldest_queued_at == NOW
    webhooks.disable_endpoint(engine, endpoint, now=NOW)
    assert queue.backlog() == queue_module.Backlog(None, enabled=0, disabled=1)


def test_what_is_due_is_found_by_an_index(engine, endpoint, queue):
    statement = queue_module._claim(endpoint, now="2026", lease_until="2027", at_most=1)
    compiled = statement.compile(engine, compile_kwargs={"literal_binds": True})
    with writing(engine) as connection:
        if connection.dialect.name == "sqlite":
            plan = connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}")).all()
        else:
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            plan = connection.execute(text(f"EXPLAIN {compiled}")).all()
    assert "ix_deliveries_due" in str(plan)
    assert "SCAN deliveries" not in str(plan)
