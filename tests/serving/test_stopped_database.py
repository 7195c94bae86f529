"""A PostgreSQL that is stopped and alive: requests are answered 503 in time, nothing that was answered is lost, and
once it goes on so does the service."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from fairstall.model.errors import StoreUnavailable
from fairstall.records.engine import open_engine
from fairstall.records.schema import migrate
from fairstall.serving.limits import Limits
from fairstall.serving.lookups import Lookups
from fairstall.serving.schema import Unanswered

DEADLINE_S = 3.0


@pytest.fixture
def stoppable(database, make_parts, serve_parts):
    """An app on a database that can be stopped."""
    engine = open_engine(database.url, deadline_s=DEADLINE_S)
    migrate(engine)
    limits = Limits(store_deadline_s=DEADLINE_S, deadline_s=60, key_cache_s=3_600)
    with serve_parts(make_parts(engine, limits=limits)) as served:
        served.client.timeout = 120
        yield served
    engine.dispose()


def answered(served, listing, **headers) -> str:
    """The decision on a listing, which is sent until there is one."""
    while (told := served.score(listing, headers=headers)).status_code != 200:
        assert told.status_code == 503
    return told.json()["decision_id"]


@pytest.mark.postgres
def test_all_who_wait_for_a_stopped_database_are_told_so_and_the_service_goes_on_with_it(
    stoppable, database, a_listing
):
    client, keys = stoppable.client, [str(uuid4()) for _ in range(8)]
    before = [answered(stoppable, a_listing(f"before-{n}")) for n in range(3)]
    database.stop()
    with ThreadPoolExecutor(24) as pool:
        scored = [pool.submit(stoppable.score, a_listing(f"{n}")) for n in range(8)]
        scored += [pool.submit(stoppable.score, a_listing(key), headers={"Idempotency-Key": key}) for key in keys]
        scored.append(pool.submit(client.post, "/v1/score/batch", json=[a_listing(n) for n in range(3)]))
        others = [
            pool.submit(client.get, path) for path in (f"/v1/decisions/{before[0]}", "/readyz", "/v2/health/ready")
        ]
        assert {one.result().status_code for one in (*scored, *others)} == {503}
        assert {Unanswered.model_validate_json(one.result().content).on_timeout for one in scored} == {"hold"}
    assert client.get("/healthz").status_code == 200
    database.go_on()
    after = [answered(stoppable, a_listing(key), **{"Idempotency-Key": key}) for key in keys]
    for decision_id in (*before, *after):
        assert client.get(f"/v1/decisions/{decision_id}").status_code == 200
    again = [answered(stoppable, a_listing(key), **{"Idempotency-Key": key}) for key in keys]
    assert (again, client.get("/readyz").status_code) == (after, 200)


def test_who_waits_for_a_thread_is_told_in_time_too_and_never_asked_for():
    looked, gate = [], threading.Event()

    async def wait_behind() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        ahead = asyncio.create_task(Lookups(within_s=60).ask(gate.wait))
        await asyncio.sleep(0)  # until it has the thread
        with pytest.raises(StoreUnavailable, match=r"no answer within 0\.01 seconds"):
            await Lookups(within_s=0.01).ask(looked.append, "behind")
        gate.set()
        await ahead

    asyncio.run(wait_behind())
    assert looked == []
