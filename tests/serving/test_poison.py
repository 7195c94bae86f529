"""One listing that cannot be read, scored, concluded or stored fails alone: those beside it are decided."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import openai
import pytest

from fairstall.model.assess import Assessor
from fairstall.model.decide import Outcome
from fairstall.model.decision import Assessment, Decision, Sampling, Versions
from fairstall.model.errors import NotFound
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.model.scorer import OnnxScorer
from fairstall.records.ledger import Ledger, LedgerEntry, Submission
from fairstall.serving.batcher import Batcher
from fairstall.serving.inference_schema import InferenceError
from fairstall.serving.limits import Limits
from fairstall.serving.writer import GroupCommit

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
POISON = "taxidermy"


class FragileAssessor(Assessor):
    """An assessor that cannot prepare one listing."""

    def prepare(self, listing):
        if POISON in listing.title:
            raise UnicodeError("nobody foresaw this text")
        return super().prepare(listing)


@pytest.fixture(params=["prepare", "run", "conclude"])
def poisoned(request, engine, make_parts, serve_parts, gated, tiny_words, make_tiny_bundle, tmp_path):
    """An app on each database where one stage fails for one word."""
    good = gated()[0].assessor
    if request.param == "run":
        batcher, scorer = gated(poison=good.prepare(Listing("l", "s", POISON, "")).windows.ids[0][1])
        scorer.gate.set()
    else:
        nan = {**tiny_words, POISON: {"prohibited/drugs": float("nan")}}
        bundle = make_tiny_bundle(tmp_path / "nan", words=nan) if request.param == "conclude" else good.bundle
        assessor = (FragileAssessor if request.param == "prepare" else Assessor)(bundle, good.policies)
        batcher = Batcher(assessor, [OnnxScorer(bundle)], Limits())
    with serve_parts(make_parts(engine, batcher=batcher)) as served:
        yield served


def title(number):
    return POISON if number == 5 else "Garden chair"


def test_one_listing_of_many_callers_fails_alone(poisoned, a_listing):
    with ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(poisoned.score, a_listing(n, title(n))) for n in range(12)]
        statuses = [one.result().status_code for one in sent]
    assert statuses == [500 if n == 5 else 200 for n in range(12)]
    assert poisoned.stored()[1] == 11


def test_one_listing_of_a_batch_fails_alone(poisoned, a_listing, caplog):
    sent = poisoned.client.post("/v1/score/batch", json=[a_listing(n, title(n)) for n in range(12)])
    answers = sent.json()["answers"]
    assert sent.status_code == 200
    assert [n for n, answer in enumerate(answers) if "error" in answer] == [5]
    assert answers[5]["error"]["type"] == "urn:fairstall:problem:internal"
    assert poisoned.stored()[1] == 11
    assert f"request {sent.headers['x-request-id']}" in caplog.text


def test_a_batch_of_which_nothing_can_be_scored_fails_and_leaves_its_key_free(poisoned, a_listing):
    key = {"Idempotency-Key": "once"}
    sent = poisoned.client.post("/v1/score/batch", json=[a_listing(1, POISON)], headers=key)
    assert sent.status_code == 500
    assert poisoned.stored() == (0, 0, 0, 0, 0)
    assert poisoned.client.post("/v1/score/batch", json=[a_listing(1)], headers=key).status_code == 200


def test_a_moderation_names_the_texts_that_it_failed_at_and_decides_none(poisoned, caplog):
    texts, key = [title(n) for n in range(7)] + [POISON], {"Idempotency-Key": "once"}
    address = f"{poisoned.client.base_url}".rstrip("/")
    with openai.OpenAI(base_url=f"{address}/v1", api_key=poisoned.secret, max_retries=0) as client:
        with pytest.raises(openai.InternalServerError) as refused:
            client.moderations.create(input=texts, extra_headers=key)
        assert (refused.value.code, refused.value.param) == ("internal_error", "input[5]")
        assert "failed at input[5], input[7]; nothing was stored" in refused.value.message
        assert f"request {refused.value.request_id} failed" in caplog.text
        assert poisoned.stored() == (0, 0, 0, 0, 0)
        rest = client.moderations.create(input=texts[:5], extra_headers=key)
    assert [one.flagged for one in rest.results] == [False] * 5


def test_an_inference_names_the_rows_that_it_failed_at_and_decides_none(poisoned):
    def infer(*titles):
        columns = {"title": titles, "description": ["A sturdy wooden chair."] * len(titles)}
        tensors = [{"name": n, "datatype": "BYTES", "shape": [len(c)], "data": c} for n, c in columns.items()]
        return poisoned.client.post("/v2/models/fairstall/infer", json={"inputs": tensors})

    refused = infer(*map(title, range(7)))
    assert refused.status_code == 500
    assert "failed at title[5]; nothing was stored" in InferenceError.model_validate_json(refused.content).error
    assert poisoned.stored() == (0, 0, 0, 0, 0)
    assert infer(*map(title, range(5))).json()["outputs"][0]["data"] == ["approve"] * 5


def test_a_listing_that_fails_alone_is_logged_with_what_failed(poisoned, a_listing, caplog):
    sent = poisoned.score(a_listing(5, POISON))
    [line] = [one for one in caplog.records if one.getMessage() == f"request {sent.headers['x-request-id']} failed"]
    assert line.exc_info


UNSTORABLE = {
    "half a surrogate pair": {"description": "\ud800"},
    "what is no JSON": {"attributes": {"size": object()}},
    "a number beyond JSON's": {"attributes": {"size": float("nan")}},
    "NUL": {"title": "a\x00b", "seller_id": "s\x00"},
}


def a_submission(number: int, **changes: object) -> Submission:
    listing = replace(Listing(f"l-{number}", "s-1", "Chair", "A chair."), **changes)
    assessment = Assessment(Outcome.APPROVE, (), (), {}, {}, Sampling(False, 1.0), Versions("m-1", "p-1"))
    decision = Decision(time_ordered_id(NOW), listing.listing_id, listing.seller_id, NOW, assessment)
    return Submission((LedgerEntry(listing, decision),))


@pytest.mark.parametrize("what", UNSTORABLE)
def test_what_a_database_cannot_take_fails_alone(engine, what):
    """No checked listing has any of this."""
    wanted = [a_submission(n, **(UNSTORABLE[what] if n == 5 else {})) for n in range(12)]

    async def commit_all():
        return await asyncio.gather(*map(writer.commit, wanted), return_exceptions=True)

    ledger, writer = Ledger(engine), GroupCommit(Ledger(engine), most_waiting=12)
    results = asyncio.run(commit_all())
    writer.close()
    assert all(result.stored for n, result in enumerate(results) if n != 5)
    assert all(ledger.find(one.entries[0].decision.decision_id) for n, one in enumerate(wanted) if n != 5)
    poison = wanted[5].entries[0].decision
    if isinstance(results[5], Exception):
        with pytest.raises(NotFound):
            ledger.find(poison.decision_id)
