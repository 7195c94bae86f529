"""Listings in, stored decisions out, over real HTTP."""

from datetime import datetime

import pytest
from sqlalchemy import select

from fairstall.model.control import ControlSample
from fairstall.records.engine import reading
from fairstall.records.ledger import Ledger
from fairstall.records.tables import cases


@pytest.fixture
def everywhere(engine, make_parts, serve_parts):
    """The app on SQLite and on PostgreSQL."""
    with serve_parts(make_parts(engine)) as served:
        yield served


@pytest.mark.parametrize(
    ("title", "outcome", "automated"),
    [("Garden chair", "approve", True), ("Old pistol", "review", False), ("Pure heroin", "block", True)],
)
def test_a_listing_is_answered_as_it_was_stored(everywhere, title, outcome, automated, a_listing):
    response = everywhere.score(a_listing(title=title))
    answer = response.json()
    assert (response.status_code, answer["outcome"], answer["automated"]) == (200, outcome, automated)
    assert (answer["case_id"] is not None) == (outcome == "review")
    read = everywhere.client.get(f"/v1/decisions/{answer['decision_id']}").json()
    added = {"seller_id": "s-1", "actor": "model", "overrides": None, "decided_at": read["decided_at"]}
    del answer["timings_ms"]
    assert read == answer | added | {"erased_at": None}
    assert datetime.fromisoformat(read["decided_at"]).utcoffset() is not None


def test_what_is_stored_is_the_listing_as_it_was_sent(everywhere, a_listing):
    sent = a_listing(title="象牙 Ivory 😀", price={"amount": "10.10", "currency": "EUR"}, attributes={"era": "1900"})
    decision_id = everywhere.score(sent).json()["decision_id"]
    listing = Ledger(everywhere.parts.engine).listing_of(decision_id)
    assert (listing.title, str(listing.price.amount), listing.attributes) == ("象牙 Ivory 😀", "10.10", {"era": "1900"})
    assert everywhere.stored() == (1, 1, 1, 1, 0)


def test_a_finding_names_its_policy_and_shows_the_words(served, a_listing):
    finding = served.score(a_listing(title="Old pistol")).json()["findings"][0]
    assert finding["policy"] == "prohibited/weapons"
    assert (finding["band"], finding["source"]) == ("medium", "model+rule")
    assert finding["evidence"] == [{"field": "title", "start": 4, "end": 10, "text": "pistol"}]
    assert finding["reason"] == "prohibited/weapons is not allowed."


@pytest.mark.parametrize(("query", "there"), [("", False), ("?scores=true", True), ("?scores=false", False)])
def test_scores_are_added_when_they_are_asked_for(served, query, there, a_listing):
    answer = served.client.post(f"/v1/score{query}", json=a_listing()).json()
    assert ("scores" in answer) == there
    read = served.client.get(f"/v1/decisions/{answer['decision_id']}{query}").json()
    assert read.get("scores") == answer.get("scores")


def test_a_case_waits_with_the_gravest_policy_and_a_priority(served, a_listing):
    case_id = served.score(a_listing(title="Ivory pistol")).json()["case_id"]
    with reading(served.parts.engine) as connection:
        case = connection.execute(select(cases).where(cases.c.case_id == case_id)).one()
    assert (case.reason, case.policy, case.state) == ("uncertain", "prohibited/weapons", "open")
    assert case.priority == pytest.approx(0.75 * 0.953, abs=0.001)


def test_who_was_drawn_for_the_control_sample_is_not_told(sqlite_engine, make_parts, serve_parts, a_listing):
    with serve_parts(make_parts(sqlite_engine, control=ControlSample(b"k" * 32, 1.0))) as served:
        answer = served.score(a_listing()).json()
        read = served.client.get(f"/v1/decisions/{answer['decision_id']}").json()
    with reading(sqlite_engine) as connection:
        case = connection.execute(select(cases)).one()
    assert (case.reason, answer["case_id"], read["case_id"]) == ("control", None, None)
    assert "control" not in str(answer) + str(read)


def test_a_long_listing_is_read_to_its_end(served, a_listing):
    description = "a chair and " * 80 + "heroin"
    assert served.score(a_listing(description=description)).json()["outcome"] == "block"


def test_a_batch_is_answered_in_order_with_errors_in_their_places(everywhere, a_listing):
    batch = [
        a_listing(1),
        a_listing(2, seller_id=7),
        a_listing(3, "Old pistol"),
        "no listing",
        a_listing(5, "Pure heroin"),
    ]
    for body in (batch, {"listings": batch}):
        response = everywhere.client.post("/v1/score/batch", json=body)
        answers = response.json()["answers"]
        assert response.status_code == 200
        assert [answer.get("outcome") for answer in answers] == ["approve", None, "review", None, "block"]
        assert answers[1]["error"]["errors"] == [{"field": "seller_id", "problem": "Input should be a valid string"}]
        assert answers[3]["error"]["status"] == 422
    assert everywhere.stored()[:2] == (3, 6)


def test_a_batch_of_a_hundred_is_one_transaction(served, a_listing):
    response = served.client.post("/v1/score/batch", json=[a_listing(n) for n in range(100)])
    assert [answer["listing_id"] for answer in response.json()["answers"]] == [f"l-{n}" for n in range(100)]
    assert 'fairstall_commit_submissions_bucket{le="1.0"} 1.0' in served.client.get("/metrics").text
    assert served.stored() == (100, 100, 0, 100, 0)


def test_a_decision_that_is_not_there_is_not_found(served):
    for name in ("019a0000-0000-7000-8000-000000000000", "no-such-id", "'; DROP TABLE decisions; --"):
        response = served.client.get(f"/v1/decisions/{name}")
        assert (response.status_code, response.json()["type"]) == (404, "urn:fairstall:problem:not-found")


def test_probes_and_metrics_need_no_key(served, a_listing):
    anonymous = {"Authorization": ""}
    served.score(a_listing(title="Old pistol"))
    assert served.client.get("/healthz", headers=anonymous).json() == {"status": "ok"}
    ready = served.client.get("/readyz", headers=anonymous).json()
    assert ready["versions"]["model"].startswith("tiny-")
    metrics = served.client.get("/metrics", headers=anonymous).text
    assert f'fairstall_decisions_total{{model="{ready["versions"]["model"]}",outcome="review"}} 1.0' in metrics
    assert 'fairstall_findings_total{outcome="review",policy="prohibited/weapons"} 1.0' in metrics
    assert 'fairstall_responses_total{route="/v1/score",status="200"} 1.0' in metrics
    assert "fairstall_waiting_tokens 0.0" in metrics


def test_answers_carry_a_request_id_and_security_headers(served, a_listing):
    response = served.score(a_listing(), headers={"X-Request-Id": "shop-42"})
    assert response.headers["x-request-id"] == "shop-42"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
    strange = served.score(a_listing(), headers={"X-Request-Id": 'a" b'})
    assert len(strange.headers["x-request-id"]) == 32
