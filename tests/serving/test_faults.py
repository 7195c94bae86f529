"""A store that is locked, full or gone: 503, nothing answered that was not stored, and well again afterwards."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import event

from fairstall.serving.limits import Limits

KEY = {"Idempotency-Key": "once"}
CLS = 2  # the token that begins every window


def assert_unavailable(response):
    assert (response.status_code, response.json()["type"]) == (503, "urn:fairstall:problem:store-unavailable")
    assert response.headers["retry-after"] == "2"
    assert "sqlite" not in response.text  # what the driver says is for the log


@pytest.fixture
def locked(served):
    """The served store, held by another writer."""
    other = sqlite3.connect(served.parts.engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def test_a_locked_store_stores_and_answers_nothing(served, a_listing, locked):
    assert_unavailable(served.score(a_listing(), headers=KEY))
    assert_unavailable(served.client.post("/v1/score/batch", json=[a_listing(n) for n in range(3)]))
    assert served.client.get("/readyz").status_code == 200  # readers wait for no writer
    locked.execute("ROLLBACK")
    assert served.stored() == (0, 0, 0, 0, 0)
    assert served.score(a_listing(), headers=KEY).status_code == 200


def test_a_full_disk_stores_and_answers_nothing(sqlite_engine, make_parts, serve_parts, a_listing):
    limit = {"pages": 60}
    event.listen(
        sqlite_engine,
        "begin",
        lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {limit['pages']}"),
    )
    large = [a_listing(n, description=f"chair {n} " * 1_000) for n in range(60)]
    with serve_parts(make_parts(sqlite_engine, limits=Limits(deadline_s=200))) as served:
        served.client.timeout = 300
        assert_unavailable(served.client.post("/v1/score/batch", json=large, headers=KEY))
        assert served.stored() == (0, 0, 0, 0, 0)
        limit["pages"] = 100_000
        assert served.client.post("/v1/score/batch", json=large, headers=KEY).status_code == 200
        assert served.stored()[:2] == (60, 60)


def test_a_store_that_is_gone_stores_and_answers_nothing(served, a_listing, tmp_path):
    file, aside = tmp_path / "records.sqlite", tmp_path / "aside.sqlite"
    known = served.score(a_listing(1)).json()["decision_id"]
    file.rename(aside)
    assert_unavailable(served.score(a_listing(2)))
    assert_unavailable(served.client.get(f"/v1/decisions/{known}"))
    assert_unavailable(served.client.get("/readyz"))
    assert served.client.get("/healthz").status_code == 200
    aside.rename(file)
    assert served.score(a_listing(2)).status_code == 200
    assert served.stored()[1] == 2


def test_overload_is_told_at_once_with_the_time_to_come_back(sqlite_engine, make_parts, serve_parts, gated, a_listing):
    batcher, scorer = gated(Limits(waiting_tokens=30))
    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served, ThreadPoolExecutor() as pool:
        waiting = pool.submit(served.score, a_listing(1))
        scorer.entered.wait()
        for refused in (served.score(a_listing(2)), served.client.post("/v1/score/batch", json=[a_listing(3)])):
            assert (refused.status_code, refused.json()["type"]) == (429, "urn:fairstall:problem:overloaded")
            assert refused.headers["retry-after"] == "1"
        scorer.gate.set()
        assert waiting.result().status_code == 200
        assert served.stored()[1] == 1


def test_a_late_answer_is_refused_and_nothing_of_it_is_stored(sqlite_engine, make_parts, serve_parts, gated, a_listing):
    batcher, scorer = gated(Limits(deadline_s=0.01))
    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served:
        late = served.score(a_listing())
        scorer.gate.set()
        assert (late.status_code, late.json()["type"]) == (503, "urn:fairstall:problem:deadline")
        assert served.stored() == (0, 0, 0, 0, 0)


def test_a_caller_who_left_is_not_decided(sqlite_engine, make_parts, serve_parts, gated, a_listing):
    batcher, scorer = gated()
    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served:
        with pytest.raises(httpx.ReadTimeout):
            served.score(a_listing(1), timeout=0.2)
        while batcher.waiting_tokens:  # until the server has noticed
            served.client.get("/healthz")
        scorer.gate.set()
        assert served.score(a_listing(2)).status_code == 200
        assert served.stored()[1] == 1


def test_what_nobody_foresaw_is_an_answer_without_inner_words(
    sqlite_engine, make_parts, serve_parts, gated, a_listing, caplog
):
    batcher, scorer = gated(poison=CLS)
    scorer.gate.set()
    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served:
        response = served.score(a_listing(title="secret title"))
        assert (response.status_code, response.json()["type"]) == (500, "urn:fairstall:problem:internal")
        assert "poison" not in response.text
        assert served.stored() == (0, 0, 0, 0, 0)
    assert response.json()["request_id"] in caplog.text
    assert "secret title" not in caplog.text
