"""A repeated request is answered as the first one was, and decided once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from fairstall.serving.idempotency import request_key

KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}


@pytest.fixture
def everywhere(engine, make_parts, serve_parts):
    """The app on SQLite and on PostgreSQL."""
    with serve_parts(make_parts(engine)) as served:
        yield served


def test_a_repeated_request_gets_the_stored_answer_byte_for_byte(everywhere, a_listing):
    first = everywhere.score(a_listing(), headers=KEY)
    again = everywhere.score(a_listing(), headers=KEY)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert everywhere.stored() == (1, 1, 0, 1, 1)


def test_a_repeated_batch_gets_the_stored_answers(everywhere, a_listing):
    batch = [a_listing(1), {"listing_id": 2}, a_listing(3, "Old pistol")]
    first, again = (everywhere.client.post("/v1/score/batch", json=batch, headers=KEY) for _ in range(2))
    assert again.content == first.content
    assert everywhere.stored() == (2, 2, 1, 2, 1)


@pytest.mark.parametrize("query", ["", "?scores=true"])
def test_another_request_under_the_same_key_is_refused(served, a_listing, query):
    served.score(a_listing(1), headers=KEY)
    other = a_listing(1) if query else a_listing(2)
    response = served.client.post(f"/v1/score{query}", json=other, headers=KEY)
    assert (response.status_code, response.json()["type"]) == (422, "urn:fairstall:problem:idempotency-key-reused")
    assert served.stored()[1] == 1


def test_a_request_whose_twin_is_being_answered_is_told_to_wait(
    sqlite_engine, make_parts, serve_parts, gated, a_listing
):
    batcher, scorer = gated()
    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served, ThreadPoolExecutor() as pool:
        first = pool.submit(served.score, a_listing(), headers=KEY)
        scorer.entered.wait()
        twin = served.score(a_listing(), headers=KEY)
        scorer.gate.set()
        assert (twin.status_code, twin.headers["retry-after"]) == (409, "1")
        assert first.result().status_code == 200
        assert served.score(a_listing(), headers=KEY).content == first.result().content
        assert served.stored()[1] == 1


def test_of_two_servers_with_the_same_request_one_decides_and_both_answer_alike(
    engine, make_parts, serve_parts, gated, a_listing
):
    batcher, scorer = gated()
    with serve_parts(make_parts(engine, batcher=batcher)) as slow, ThreadPoolExecutor() as pool:
        late = pool.submit(slow.score, a_listing(), headers=KEY)
        scorer.entered.wait()
        with serve_parts(make_parts(engine), secret=slow.secret) as quick:
            answered = quick.score(a_listing(), headers=KEY)
        scorer.gate.set()
        assert late.result().content == answered.content
        assert late.result().headers["idempotent-replayed"] == "true"
        assert slow.stored() == (1, 1, 0, 1, 1)


def test_a_request_that_was_refused_leaves_its_key_free(served, a_listing):
    assert served.score(a_listing(title=7), headers=KEY).status_code == 422
    assert served.score(a_listing(), headers=KEY).status_code == 200


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "a\tb", "ké"])
def test_a_key_that_is_none_is_refused(served, a_listing, key):
    response = served.score(a_listing(), headers={"Idempotency-Key": key.encode()})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "Idempotency-Key")


def test_a_quoted_key_and_a_bare_one_are_the_same():
    keys = [request_key(header, api_key_id="k", target="/", body=b"") for header in ('"abc"', "abc")]
    assert keys[0] == keys[1]
    assert request_key(None, api_key_id="k", target="/", body=b"") is None
