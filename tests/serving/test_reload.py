"""A promoted bundle takes over without a lost request; a broken one is refused and the old one goes on."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from fairstall.model.control import NO_CONTROL
from fairstall.model.deployed import POINTER_FILE, Deployments
from fairstall.serving.batcher import open_batcher
from fairstall.serving.limits import Limits
from fairstall.serving.metrics import Telemetry
from fairstall.serving.reload import BundleWatch, ModelInService

AT = "2026-11-22T12:00:00Z"


@pytest.fixture
def other_bundle(make_tiny_bundle, tmp_path):
    return make_tiny_bundle(tmp_path / "other", name="other")


@pytest.fixture
def watched(tiny_bundle, gated, tmp_path):
    """A model in service and the watch over a models folder where nothing was deployed yet."""
    policies, telemetry = gated()[0].assessor.policies, Telemetry()
    opened = partial(open_batcher, policies=policies, control=NO_CONTROL, limits=Limits(), on_batch=telemetry.batch)
    model = ModelInService(opened(tiny_bundle), telemetry)
    yield model, BundleWatch(tmp_path / "models", model, opened, telemetry, seen=None), telemetry
    model.close()


def version(model: ModelInService) -> str:
    return model.batcher.assessor.versions.model


def test_a_deployed_bundle_is_put_into_service_once(watched, other_bundle, tmp_path):
    model, watch, telemetry = watched
    assert asyncio.run(watch.look()) is False
    Deployments(tmp_path / "models").deploy(other_bundle, reason="better", deployed_at=AT)
    assert [asyncio.run(watch.look()) for _ in range(2)] == [True, False]
    assert version(model) == other_bundle.version
    assert (
        f'fairstall_serving_info{{model="{other_bundle.version}",policies="test-000000000000",role="champion"}} 1.0'
        in (telemetry.text().decode())
    )


def test_a_rollback_is_put_into_service(watched, tiny_bundle, other_bundle, tmp_path):
    model, watch, _ = watched
    deployments = Deployments(tmp_path / "models")
    for bundle in (tiny_bundle, other_bundle):
        deployments.deploy(bundle, reason="better", deployed_at=AT)
    asyncio.run(watch.look())
    deployments.roll_back(reason="worse", deployed_at=AT)
    assert asyncio.run(watch.look()) is True
    assert version(model) == tiny_bundle.version


def assert_refused(watched, old, why, caplog):
    model, watch, telemetry = watched
    assert [asyncio.run(watch.look()) for _ in range(2)] == [False, False]
    assert version(model) == old.version
    assert 'fairstall_reloads_total{result="refused"} 1.0' in telemetry.text().decode()
    assert why in caplog.text


def test_a_broken_bundle_is_refused_and_the_old_one_goes_on(
    watched, tiny_bundle, other_bundle, make_broken_bundle, tmp_path, broken, caplog
):
    how, why = broken
    make_broken_bundle(tmp_path / "models" / other_bundle.version, how)
    Deployments(tmp_path / "models").deploy(other_bundle, reason="better", deployed_at=AT)
    assert_refused(watched, tiny_bundle, why, caplog)


def test_a_broken_pointer_is_refused_and_the_old_one_goes_on(watched, tiny_bundle, tmp_path, caplog):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / POINTER_FILE).write_text("{")
    assert_refused(watched, tiny_bundle, POINTER_FILE, caplog)


def test_a_bundle_that_fails_in_a_way_nobody_foresaw_is_refused_too(
    watched, tiny_bundle, make_tiny_bundle, tmp_path, caplog
):
    strange = make_tiny_bundle(tmp_path / "strange", name="strange", max_tokens="many")
    Deployments(tmp_path / "models").deploy(strange, reason="better", deployed_at=AT)
    assert_refused(watched, tiny_bundle, "Traceback", caplog)


def test_no_request_is_lost_while_models_change(
    sqlite_engine, make_parts, serve_parts, watched, other_bundle, a_listing, tmp_path
):
    model, watch, telemetry = watched
    parts = make_parts(sqlite_engine)
    parts.model.close()

    def send_until_it_changed(served, sender):
        versions = []
        while other_bundle.version not in versions:
            response = served.score(a_listing(f"{sender}-{len(versions)}"))
            assert response.status_code == 200, response.text
            versions.append(response.json()["versions"]["model"])
        return versions

    with serve_parts(replace(parts, model=model, telemetry=telemetry, watch=watch)) as served:
        with ThreadPoolExecutor(8) as pool:
            senders = [pool.submit(send_until_it_changed, served, sender) for sender in range(8)]
            served.score(a_listing("first"))
            Deployments(tmp_path / "models").deploy(other_bundle, reason="better", deployed_at=AT)
            answered = [len(sender.result()) for sender in senders]
        assert served.stored()[1] == sum(answered) + 1
        assert served.client.get("/readyz").json()["versions"]["model"] == other_bundle.version
