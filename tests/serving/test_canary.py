"""A canary answers its share and no other listing, is gone at once, and harms no answer when it fails."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from fairstall.model.assess import Assessor
from fairstall.model.control import NO_CONTROL, ListingShare
from fairstall.model.deployed import Deployments, Role
from fairstall.model.listing import Listing
from fairstall.records.ledger import Ledger
from fairstall.serving.batcher import Batcher, open_batcher
from fairstall.serving.besides import BesideWatch
from fairstall.serving.limits import Limits
from fairstall.serving.metrics import Telemetry
from fairstall.serving.reload import Canary, ModelInService

AT = "2026-11-27T12:00:00Z"
KEY = b"k" * 32
WHOLE = ListingShare(KEY, "canary", 1.0)


@pytest.fixture(scope="module")
def canary_bundle(make_tiny_bundle, tmp_path_factory):
    return make_tiny_bundle(tmp_path_factory.mktemp("canary") / "canary", name="canary")


@pytest.fixture
def policies(gated):
    return gated()[0].assessor.policies


@pytest.fixture
def make_canary(canary_bundle, policies):
    """Opens a bundle as the canary on a share, as `fairstall serve` does: `make_canary(bundle, beside)`."""
    opened = partial(open_batcher, policies=policies, control=NO_CONTROL, limits=Limits(), on_batch=lambda _: None)
    return lambda bundle, beside: Canary(opened(bundle), ListingShare(KEY, Role.CANARY, beside.share))


@pytest.fixture
def with_canary(make_parts, make_canary, tmp_path):
    """The parts of an app on an engine, which follow the canary of the models folder: `with_canary(engine)`."""

    def make(engine):
        parts = make_parts(engine)
        fell_back = partial(parts.telemetry.canary_fell_back, "load")
        watch = BesideWatch(tmp_path / "models", Role.CANARY, make_canary, parts.model.set_canary, fell_back)
        return replace(parts, canary=watch)

    return make


@pytest.fixture
def deployments(tmp_path):
    return Deployments(tmp_path / "models")


@pytest.fixture
def gated_canary(canary_bundle, policies, gated):
    """A factory of canaries of every listing whose scorer waits behind a gate: `gated_canary(limits, poison=token)`."""
    made = []

    def make(limits=None, **changes):
        scorer = type(gated()[1])(canary_bundle, **changes)
        made.append(scorer)
        return Canary(Batcher(Assessor(canary_bundle, policies), [scorer], limits or Limits()), WHOLE), scorer

    yield make
    for scorer in made:
        scorer.gate.set()


def look(parts):
    return asyncio.run(parts.canary.look())


def test_a_canary_answers_its_share_always_the_same_and_none_once_it_is_cleared(
    engine, with_canary, deployments, serve_parts, canary_bundle, tiny_bundle, a_listing
):
    parts, share = with_canary(engine), ListingShare(KEY, Role.CANARY, 0.5)
    deployments.put_beside(Role.CANARY, canary_bundle, share=0.5, since=AT)
    assert [look(parts), look(parts)] == [True, False]
    drawn = [canary_bundle.version if share.draws(f"l-{n}") else tiny_bundle.version for n in range(20)]
    assert set(drawn) == {canary_bundle.version, tiny_bundle.version}
    with serve_parts(parts) as served:
        one_by_one = [served.score(a_listing(n)).json() for n in range(20)]
        batch = served.client.post("/v1/score/batch", json=[a_listing(n) for n in range(20)]).json()["answers"]
        metrics = served.client.get("/metrics").text
        parts.model.set_canary(None)
        cleared = [served.score(a_listing(n)).json()["versions"]["model"] for n in range(20)]
    assert [one["versions"]["model"] for one in one_by_one] == drawn
    assert [one["versions"]["model"] for one in batch] == drawn
    assert set(cleared) == {tiny_bundle.version}
    stored = [Ledger(engine).find(one["decision_id"]).assessment.versions.model for one in one_by_one]
    assert stored == drawn
    assert f'model="{canary_bundle.version}",policies="test-000000000000",role="canary"' in metrics
    count = 2 * drawn.count(canary_bundle.version)
    assert f'fairstall_decisions_total{{model="{canary_bundle.version}",outcome="approve"}} {count}.0' in metrics


def test_a_cleared_canary_is_gone_with_the_next_look(sqlite_engine, with_canary, deployments, canary_bundle):
    parts = with_canary(sqlite_engine)
    deployments.put_beside(Role.CANARY, canary_bundle, share=0.5, since=AT)
    look(parts)
    assert 'role="canary"' in parts.telemetry.text().decode()
    deployments.clear(Role.CANARY)
    assert look(parts) is False
    assert 'role="canary"' not in parts.telemetry.text().decode()
    assert not any(parts.model.canary_for(f"l-{n}") for n in range(50))
    parts.model.close()


def test_no_request_is_lost_while_a_canary_comes_and_goes(
    sqlite_engine, with_canary, deployments, serve_parts, canary_bundle, tiny_bundle, a_listing
):
    parts, came = with_canary(sqlite_engine), threading.Barrier(5)
    drawn = next(n for n in range(1_000) if ListingShare(KEY, Role.CANARY, 0.5).draws(f"l-{n}"))

    def send_until(served, version):
        answers = 0
        while True:
            response = served.score(a_listing(drawn))
            assert response.status_code == 200, response.text
            answers += 1
            if response.json()["versions"]["model"] == version:
                return answers

    def send_until_it_came_and_went(served):
        answers = send_until(served, canary_bundle.version)
        came.wait(30)
        return answers + send_until(served, tiny_bundle.version)

    with serve_parts(parts) as served, ThreadPoolExecutor(4) as pool:
        senders = [pool.submit(send_until_it_came_and_went, served) for _ in range(4)]
        deployments.put_beside(Role.CANARY, canary_bundle, share=0.5, since=AT)
        came.wait(30)
        deployments.clear(Role.CANARY)
        answered = sum(sender.result() for sender in senders)
        assert served.stored()[1] == answered


def test_a_canary_that_cannot_be_loaded_is_counted_and_the_champion_answers(
    sqlite_engine, with_canary, deployments, serve_parts, canary_bundle, tiny_bundle, a_listing, tmp_path, caplog
):
    parts = with_canary(sqlite_engine)
    deployments.put_beside(Role.CANARY, canary_bundle, share=0.5, since=AT)
    (tmp_path / "models" / canary_bundle.version / "model.onnx").unlink()
    assert look(parts) is False
    assert "the canary was refused" in caplog.text
    with serve_parts(parts) as served:
        versions = {served.score(a_listing(n)).json()["versions"]["model"] for n in range(10)}
        metrics = served.client.get("/metrics").text
    assert versions == {tiny_bundle.version}
    assert 'fairstall_canary_fallbacks_total{stage="load"} 1.0' in metrics


def test_a_listing_that_a_canary_fails_on_is_answered_by_the_champion(
    sqlite_engine, make_parts, serve_parts, gated_canary, canary_bundle, tiny_bundle, policies, a_listing
):
    ids = Assessor(canary_bundle, policies).prepare(Listing("l", "s", "heroin", "")).windows.ids
    canary, scorer = gated_canary(poison=ids[0][1])
    scorer.gate.set()
    parts = make_parts(sqlite_engine)
    parts.model.set_canary(canary)
    with serve_parts(parts) as served:
        failed, scored = (served.score(a_listing(title=title)).json() for title in ("Pure heroin", "Garden chair"))
        metrics = served.client.get("/metrics").text
    assert (failed["outcome"], failed["versions"]["model"]) == ("block", tiny_bundle.version)
    assert scored["versions"]["model"] == canary_bundle.version
    assert 'fairstall_canary_fallbacks_total{stage="score"} 1.0' in metrics


def test_a_listing_that_a_full_canary_has_no_room_for_is_answered_by_the_champion(
    sqlite_engine, make_parts, serve_parts, gated_canary, canary_bundle, tiny_bundle, a_listing
):
    canary, scorer = gated_canary(Limits(waiting_tokens=1, deadline_s=60))
    parts = make_parts(sqlite_engine)
    parts.model.set_canary(canary)
    with serve_parts(parts) as served, ThreadPoolExecutor() as pool:
        first = pool.submit(served.score, a_listing(1))
        assert scorer.entered.wait(20)
        assert served.score(a_listing(2)).json()["versions"]["model"] == tiny_bundle.version
        scorer.gate.set()
        assert first.result().json()["versions"]["model"] == canary_bundle.version


def test_a_canary_that_hangs_costs_the_deadline_and_no_more(
    sqlite_engine, make_parts, serve_parts, gated_canary, a_listing
):
    canary, scorer = gated_canary(Limits(deadline_s=0.05))
    parts = make_parts(sqlite_engine)
    parts.model.set_canary(canary)
    with serve_parts(parts) as served:
        response = served.score(a_listing())
        assert (response.status_code, response.json()["type"]) == (503, "urn:fairstall:problem:deadline")
        assert served.stored() == (0, 0, 0, 0, 0)
        scorer.gate.set()


def test_answers_that_name_one_model_are_the_champions(
    sqlite_engine, make_parts, serve_parts, gated_canary, tiny_bundle
):
    canary, _ = gated_canary()
    parts = make_parts(sqlite_engine)
    parts.model.set_canary(canary)
    with serve_parts(parts) as served:
        answer = served.client.post("/v1/moderations", json={"input": ["a chair", "a pistol"]}).json()
        texts = {"shape": [2], "datatype": "BYTES"}
        names = ("listing_id", "seller_id", "title", "description")
        inputs = [{"name": name, "data": ["a", "b"], **texts} for name in names]
        tensors = served.client.post("/v2/models/fairstall/infer", json={"inputs": inputs}).json()
    assert (answer["model"], tensors["model_version"]) == (tiny_bundle.version, tiny_bundle.version)


def test_a_service_is_idle_when_neither_champion_nor_canary_has_a_listing(gated, gated_canary, make_parts, policies):
    batcher, _ = gated()
    canary, scorer = gated_canary(Limits(deadline_s=60))
    telemetry = Telemetry()
    model = ModelInService(batcher, telemetry)
    model.set_canary(canary)
    model.wait_until_idle()
    with ThreadPoolExecutor() as pool:
        scored = pool.submit(asyncio.run, canary.batcher.score(Listing("l", "s", "chair", "")))
        assert scorer.entered.wait(20)
        assert "fairstall_waiting_tokens 0.0" not in telemetry.text().decode()
        idle = pool.submit(model.wait_until_idle)
        assert not idle.done()
        scorer.gate.set()
        scored.result()
        idle.result(20)
    assert "fairstall_waiting_tokens 0.0" in telemetry.text().decode()
    model.close()
