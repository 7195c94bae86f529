"""A running service seals what it stores, and answers for what was erased."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from fairstall.records.engine import reading
from fairstall.records.erasure import Erasure
from fairstall.records.tables import audit_leaves
from fairstall.records.verification import Verification
from fairstall.serving import sealing as module
from fairstall.serving.app import utc_now
from fairstall.serving.schema import StoredDecision
from fairstall.serving.sealing import SealingPasses


@pytest.fixture
def sealing(sqlite_engine) -> SealingPasses:
    return SealingPasses(sqlite_engine, utc_now)


def leaves(engine) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(audit_leaves)).scalar_one()


def test_one_look_seals_all_that_waits(served, sealing, a_listing, monkeypatch):
    monkeypatch.setattr("fairstall.records.seals.ROWS_A_SEAL", 2)
    monkeypatch.setattr(module, "PAUSE_S", 0)
    for number in range(5):
        served.score(a_listing(number))
    asyncio.run(sealing.look())
    assert leaves(served.parts.engine) == 5
    assert Verification(served.parts.engine).run().unsealed == 0


def test_the_app_seals_from_its_start_on(sqlite_engine, sealing, make_parts, serve_parts, a_listing, monkeypatch):
    monkeypatch.setattr(module, "SEAL_EVERY_S", 0.01)
    monkeypatch.setattr(module, "PAUSE_S", 0)
    with serve_parts(replace(make_parts(sqlite_engine), sealing=sealing)) as served:
        assert served.score(a_listing()).status_code == 200
        while not leaves(sqlite_engine):
            served.client.get("/healthz")
    assert Verification(sqlite_engine).run().rows == 1


def test_a_decision_is_read_with_its_time_of_erasure_and_without_text(served, a_listing):
    scored = served.score(a_listing(title="Old pistol")).json()
    kept = served.client.get(f"/v1/decisions/{scored['decision_id']}").json()
    assert kept["erased_at"] is None
    erased = Erasure(served.parts.engine, "s-1", utc_now).run(actor="operator:kim", reason="ticket 7")
    answer = served.client.get(f"/v1/decisions/{scored['decision_id']}?scores=true")
    StoredDecision.model_validate_json(answer.content)
    read = answer.json()
    assert (read["seller_id"], read["outcome"]) == (erased.pseudonym, kept["outcome"])
    assert read["listing_id"].startswith("erased-")
    assert read["erased_at"].endswith("Z")
    assert [one["text"] for finding in read["findings"] for one in finding["evidence"]] == [""]
