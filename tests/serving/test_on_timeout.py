"""What becomes of a listing that is not scored in time is what the policies state, whoever asks and whatever failed."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from fairstall.model.control import NO_CONTROL, ControlSample
from fairstall.model.decide import Doubt, Outcome
from fairstall.model.policies import OnTimeout, PolicySet, RuleAction, Term
from fairstall.records.keys import Scope, create_key
from fairstall.records.ledger import Ledger
from fairstall.serving.app import utc_now
from fairstall.serving.limits import Limits
from fairstall.serving.schema import Unanswered

DEADLINE = "urn:fairstall:problem:deadline"
LATE = Limits(deadline_s=0.01)
HOLD, REVIEW, PUBLISH = OnTimeout
TEXTS = ("title", "description")


@pytest.fixture
def late(gated, policies, sqlite_engine, make_parts, serve_parts):
    """`with late(on_timeout)`: an app whose model never answers in time; with four of them each policy states one.

    The last policy also has rules that act.
    """

    @contextmanager
    def serve(*stated: OnTimeout, limits: Limits = LATE, control: ControlSample = NO_CONTROL):
        each = stated if len(stated) > 1 else stated * len(policies.codes)
        stating = [replace(policy, on_timeout=one) for policy, one in zip(policies, each, strict=True)]
        rules = (Term("cure", RuleAction.REVIEW), Term("miracle", RuleAction.BLOCK))
        changed = PolicySet.named("test", (*stating[:-1], replace(stating[-1], terms=rules)))
        batcher, scorer = gated(limits, policies=changed, control=control)
        with serve_parts(make_parts(sqlite_engine, limits=limits, batcher=batcher)) as served:
            try:
                yield served
            finally:
                scorer.gate.set()

    return serve


def test_a_held_listing_is_refused_and_the_refusal_says_so(late, a_listing):
    with late(HOLD) as served:
        refused = served.score(a_listing())
        assert (refused.status_code, refused.json()["type"], refused.json()["on_timeout"]) == (503, DEADLINE, "hold")
        assert served.stored() == (0, 0, 0, 0, 0)


def test_a_listing_to_be_reviewed_is_stored_with_a_case_and_answered(late, a_listing):
    with late(REVIEW) as served:
        answer = served.score(a_listing(), params={"scores": "true"}).json()
        assert (answer["outcome"], answer["automated"], answer["findings"]) == ("review", False, [])
        assert (answer["doubts"], answer["scores"]) == ([str(Doubt.NOT_SCORED)], {})
        stored = Ledger(served.parts.engine).find(answer["decision_id"])
        assert (stored.outcome, stored.case_id) == (Outcome.REVIEW, answer["case_id"])
        assert 'fairstall_unscored_total{outcome="review"} 1.0' in served.client.get("/metrics").text


def test_a_listing_to_be_published_is_stored_unread_and_says_so(late, a_listing):
    with late(PUBLISH) as served:
        answer = served.score(a_listing(title="Pure heroin")).json()
        assert (answer["outcome"], answer["doubts"], answer["case_id"]) == ("approve", [str(Doubt.NOT_SCORED)], None)
        stored = Ledger(served.parts.engine).find(answer["decision_id"])
        assert (stored.outcome, stored.assessment.doubts) == (Outcome.APPROVE, (Doubt.NOT_SCORED,))


@pytest.mark.parametrize(("title", "outcome"), [("A cure", "review"), ("A miracle", "block"), ("A chair", "approve")])
def test_rules_need_no_model_and_still_act(late, a_listing, title, outcome):
    with late(PUBLISH) as served:
        answer = served.score(a_listing(title=title)).json()
        assert answer["outcome"] == outcome
        found = [(one["policy"], one["probability"], one["source"]) for one in answer["findings"]]
        assert found == ([] if outcome == "approve" else [("misleading/health_claim", None, "rule")])


@pytest.mark.parametrize(
    ("stated", "status"), [((PUBLISH, PUBLISH, REVIEW, PUBLISH), 200), ((PUBLISH, REVIEW, PUBLISH, HOLD), 503)]
)
def test_the_strictest_policy_holds_for_all(late, a_listing, stated, status):
    with late(*stated) as served:
        answered = served.score(a_listing())
        assert answered.status_code == status
        assert answered.json().get("outcome", answered.json().get("on_timeout")) == (
            "review" if status == 200 else "hold"
        )


def test_other_doubts_go_to_review_also_where_an_unread_listing_is_published(late, a_listing):
    with late(PUBLISH) as served:
        answer = served.score(a_listing(language="fi")).json()
        assert (answer["outcome"], set(answer["doubts"])) == ("review", {Doubt.LANGUAGE, Doubt.NOT_SCORED})


def test_a_batch_is_answered_as_single_listings_are(late, a_listing):
    with late(REVIEW) as served:
        answers = served.client.post("/v1/score/batch", json=[a_listing(n) for n in range(3)]).json()["answers"]
        assert [(one["outcome"], one["doubts"]) for one in answers] == [("review", ["not_scored_in_time"])] * 3
        assert served.stored()[1] == 3


def test_a_published_listing_can_still_be_drawn_for_the_control_sample(late, a_listing):
    with late(PUBLISH, control=ControlSample(b"k" * 32, 1.0)) as served:
        assert served.score(a_listing()).json()["outcome"] == "approve"
        assert served.stored()[2] == 1


def test_protocols_that_must_tell_scores_refuse_what_has_none(late):
    infer = {"inputs": [{"name": name, "datatype": "BYTES", "shape": [1], "data": ["chair"]} for name in TEXTS]}
    with late(PUBLISH) as served:
        moderated = served.client.post("/v1/moderations", json={"input": "chair"})
        assert (moderated.status_code, moderated.json()["error"]["code"]) == (503, "deadline_exceeded")
        assert served.client.post("/v2/models/fairstall/infer", json=infer).status_code == 503
        assert served.stored() == (0, 0, 0, 0, 0)


def test_whatever_else_keeps_a_listing_from_an_answer_states_it_too(late, a_listing):
    with late(PUBLISH, limits=Limits(waiting_tokens=1, deadline_s=1)) as served, ThreadPoolExecutor() as pool:
        waiting = pool.submit(served.score, a_listing(1))
        while not served.parts.model.batcher.waiting_tokens:
            served.client.get("/healthz")
        refused = served.score(a_listing(2))
        assert (refused.status_code, refused.json()["on_timeout"]) == (429, "publish")
        assert waiting.result().json()["outcome"] == "approve"


def test_a_store_that_is_gone_leaves_the_statement_to_the_caller(late, a_listing):
    with late(REVIEW) as served:
        other = sqlite3.connect(served.parts.engine.url.database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        refused = served.score(a_listing(3))
        other.close()
        assert (refused.status_code, refused.json()["on_timeout"]) == (503, "review")


@pytest.mark.parametrize("path", ["/v1/score", "/v1/score/batch"])
def test_a_crowded_service_states_it_for_listings_and_for_nothing_else(late, a_listing, path):
    with late(PUBLISH, limits=Limits(connections=1)) as served:
        assert served.client.get("/healthz").status_code == 200  # on the one connection
        asked = {"base_url": served.client.base_url, "headers": served.client.headers}
        with httpx.Client(**asked) as crowded:
            told = crowded.post(path, json=a_listing())
        assert told.status_code == 503
        problem = Unanswered.model_validate_json(told.content)
        assert (problem.type, problem.on_timeout) == ("urn:fairstall:problem:crowded", "publish")
        with httpx.Client(**asked) as crowded:
            assert "on_timeout" not in crowded.get("/v1/policies").json()
        assert served.stored() == (0, 0, 0, 0, 0)


def test_a_store_that_cannot_tell_whose_key_it_is_leaves_the_statement_too(late, a_listing, tmp_path):
    with late(REVIEW) as served:
        (tmp_path / "records.sqlite").rename(tmp_path / "aside.sqlite")
        told = served.score(a_listing())
        assert (told.status_code, Unanswered.model_validate_json(told.content).on_timeout) == (503, "review")


def test_what_is_stated_can_be_asked_for_beforehand(served, policies):
    told = served.client.get("/v1/policies").json()
    assert (told["version"], told["on_timeout"]) == (policies.version, "hold")
    assert [one["code"] for one in told["policies"]] == list(policies.codes)
    assert told["policies"][0] == {
        "code": "prohibited/drugs",
        "title": "prohibited/drugs",
        "seller_text": "prohibited/drugs is not allowed.",
        "severity": "critical",
        "on_timeout": "hold",
    }
    assert served.client.get("/v1/policies", headers={"Authorization": ""}).status_code == 401
    reader = create_key(served.parts.engine, "reader", Scope.READ, now=utc_now()).secret
    assert served.client.get("/v1/policies", headers={"Authorization": f"Bearer {reader}"}).status_code == 200
