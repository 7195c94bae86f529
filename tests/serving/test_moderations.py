"""OpenAI's moderation endpoint, spoken by OpenAI's own client to a real server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairstall.model.control import NO_CONTROL
from fairstall.records.keys import Scope, create_key
from fairstall.records.ledger import Ledger
from fairstall.serving.batcher import open_batcher
from fairstall.serving.limits import Limits
from fairstall.serving.metrics import Telemetry
from fairstall.serving.moderations import TOLD
from fairstall.serving.moderations_schema import ModerationAnswer, OpenAIError
from fairstall.serving.problems import KINDS

CHAIR, PISTOL, HEROIN = "Garden chair, hardly used", "Old pistol\nFrom my grandfather's attic.", "Pure heroin"


def client_of(served, **options) -> openai.OpenAI:
    address = f"{served.client.base_url}".rstrip("/")
    return openai.OpenAI(base_url=f"{address}/v1", api_key=served.secret, **{"max_retries": 0} | options)


@pytest.fixture
def client(served) -> Iterator[openai.OpenAI]:
    with client_of(served) as opened:
        yield opened


@pytest.fixture
def stranger(unmoved) -> Iterator[openai.OpenAI]:
    """A client whose requests must leave nothing behind."""
    with client_of(unmoved) as opened:
        yield opened


def post(served, body, **headers):
    return served.client.post("/v1/moderations", json=body, headers=headers)


@pytest.mark.parametrize(
    ("text", "flagged", "outcome"), [(CHAIR, False, "approve"), (PISTOL, True, "review"), (HEROIN, True, "block")]
)
def test_a_text_is_flagged_unless_it_is_approved(client, text, flagged, outcome):
    answer = client.moderations.create(input=text, model="omni-moderation-latest")
    result = answer.results[0]
    assert (result.flagged, result.outcome, answer.model[:5]) == (flagged, outcome, "tiny-")
    assert answer.id == f"modr-{result.decision_id}"
    assert any(result.categories.to_dict().values()) == flagged


def test_categories_and_scores_are_by_policy_code(client):
    result = client.moderations.create(input=PISTOL).results[0]
    categories, scores = result.categories.to_dict(), result.category_scores.to_dict()
    assert [code for code, flagged in categories.items() if flagged] == ["prohibited/weapons"]
    assert set(scores) == set(categories) == set(result.category_applied_input_types.to_dict())
    assert scores["prohibited/weapons"] == pytest.approx(0.953, abs=0.001)
    assert result.category_applied_input_types.to_dict()["prohibited/weapons"] == ["text"]


def test_what_is_answered_was_stored_with_its_case_and_event(served, client):
    answer = client.moderations.create(input=[CHAIR, PISTOL, HEROIN])
    assert [result.outcome for result in answer.results] == ["approve", "review", "block"]
    assert served.stored() == (3, 3, 1, 3, 0)
    for result in answer.results:
        stored = served.client.get(f"/v1/decisions/{result.decision_id}").json()
        assert (stored["outcome"], stored["seller_id"]) == (result.outcome, "key:shop")


def test_the_first_line_is_the_title_and_the_same_text_is_the_same_listing(served, client):
    ledger = Ledger(served.parts.engine)
    answers = [client.moderations.create(input=text) for text in (PISTOL, PISTOL, "x" * 1_001 + "\nheroin")]
    first, again, long = (ledger.listing_of(answer.results[0].decision_id) for answer in answers)
    assert (first.title, first.description) == ("Old pistol", "From my grandfather's attic.")
    assert first == again
    assert first.listing_id.startswith("text-")
    assert (long.title, long.description[-6:]) == ("", "heroin")
    assert served.stored()[:2] == (2, 3)


def test_the_same_text_twice_in_one_request_is_one_listing_with_two_decisions(engine, make_parts, serve_parts):
    with serve_parts(make_parts(engine)) as served:
        assert len(post(served, {"input": [CHAIR, CHAIR]}).json()["results"]) == 2
        assert served.stored() == (1, 2, 0, 2, 0)


def test_a_caller_can_say_whose_listing_it_is(served, client):
    answer = client.moderations.create(input=CHAIR, extra_body={"listing_id": "l-7", "seller_id": "ana"})
    listing = Ledger(served.parts.engine).listing_of(answer.results[0].decision_id)
    assert (listing.listing_id, listing.seller_id) == ("l-7", "ana")


def test_parts_are_one_text(served, client):
    parts = [{"type": "text", "text": "Garden chair"}, {"type": "text", "text": "and pure heroin"}]
    answer = client.moderations.create(input=parts)
    assert [result.outcome for result in answer.results] == ["block"]
    assert Ledger(served.parts.engine).listing_of(answer.results[0].decision_id).description == "and pure heroin"


def test_a_doubt_alone_flags_a_text_without_a_category(client):
    text = "Gartenstuhl aus Holz, kaum gebraucht, nur an Selbstabholer abzugeben, Tisch gibt es dazu"
    result = client.moderations.create(input=text).results[0]
    assert (result.flagged, result.doubts) == (True, ["language_not_covered"])
    assert not any(result.categories.to_dict().values())


def test_the_answer_has_the_shape_that_the_document_says(served):
    ModerationAnswer.model_validate_json(post(served, {"input": [CHAIR, PISTOL]}).content)
    OpenAIError.model_validate_json(post(served, {}).content)


IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
TEXT = {"type": "text", "text": "chair"}
BAD = {
    "nothing": ({}, "input", "required"),
    "an empty text": ({"input": " \n"}, "input", "empty"),
    "no texts": ({"input": []}, "input", "1 to 100"),
    "too many texts": ({"input": ["a"] * 101}, "input", "1 to 100"),
    "a number": ({"input": 7}, "input", "string"),
    "token ids": ({"input": [1, 2]}, "input[0]", "part"),
    "a text among parts": ({"input": [TEXT, "chair"]}, "input[1]", "not mixed"),
    "an image": ({"input": [TEXT, IMAGE]}, "input[1].type", "'image_url'"),
    "a part without its text": ({"input": [{"type": "text"}]}, "input[0].text", "string"),
    "a part with more": ({"input": [TEXT | {"lang": "en"}]}, "input[0].lang", "unknown"),
    "an empty text among others": ({"input": ["a", ""]}, "input[1]", "empty"),
    "a control character": ({"input": ["a", "b", "c\x00"]}, "input[2]", "U+0000"),
    "a text that is too long": ({"input": "x" * 50_001}, "input", "50000"),
    "an unknown field": ({"input": "a", "threshold": 1}, "threshold", "not permitted"),
    "a model that is none": ({"input": "a", "model": 1}, "model", "string"),
    "one id for two": ({"input": ["a", "b"], "listing_id": "l-1"}, "listing_id", "2 texts"),
    "a list": ([], "body", "object"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_body_is_told_in_openais_shape(unmoved, name):
    body, param, said = BAD[name]
    response = post(unmoved, body)
    error = OpenAIError.model_validate_json(response.content).error
    assert (response.status_code, error.type, error.param) == (400, "invalid_request_error", param)
    assert said in error.message
    assert unmoved.stored() == (0, 0, 0, 0, 0)


def test_the_client_raises_what_it_raises_for_openai(unmoved, stranger):
    with pytest.raises(openai.BadRequestError) as refused:
        stranger.moderations.create(input=[TEXT, IMAGE])
    assert (refused.value.param, refused.value.code) == ("input[1].type", "invalid_value")
    assert refused.value.request_id
    with pytest.raises(openai.AuthenticationError, match="unknown or was revoked"):
        stranger.with_options(api_key="fs_unknown").moderations.create(input=CHAIR)
    reader = create_key(unmoved.parts.engine, "dashboard", Scope.READ, now=unmoved.parts.clock()).secret
    with pytest.raises(openai.PermissionDeniedError, match="scope"):
        stranger.with_options(api_key=reader).moderations.create(input=CHAIR)
    with pytest.raises(openai.APIStatusError) as large:
        stranger.moderations.create(input="x" * 8_000_001)
    assert (large.value.status_code, large.value.code) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("method", "content_type", "content", "status", "code"),
    [
        ("GET", "application/json", b"", 405, "method_not_allowed"),
        ("POST", "text/plain", b"{}", 415, "unsupported_media_type"),
        ("POST", "application/json", b"{", 400, "invalid_json"),
    ],
)
def test_what_fails_before_the_body_is_read_is_told_in_openais_shape(
    unmoved, method, content_type, content, status, code
):
    headers = {"Content-Type": content_type}
    response = unmoved.client.request(method, "/v1/moderations", content=content, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_a_repeated_request_is_decided_once(served, client):
    key = {"Idempotency-Key": "once"}
    first = client.moderations.create(input=[CHAIR, PISTOL], extra_headers=key)
    again = client.moderations.with_raw_response.create(input=[CHAIR, PISTOL], extra_headers=key)
    assert again.parse() == first
    assert again.headers["idempotent-replayed"] == "true"
    assert served.stored() == (2, 2, 1, 2, 1)
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.moderations.create(input=HEROIN, extra_headers=key)
    assert refused.value.code == "idempotency_key_reused"


def test_overload_is_a_rate_limit_error_and_a_patient_client_comes_back(sqlite_engine, make_parts, serve_parts, gated):
    batcher, scorer = gated(Limits(waiting_tokens=30))
    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served, ThreadPoolExecutor() as pool:
        with client_of(served) as hasty, client_of(served, max_retries=5) as patient:
            waiting = pool.submit(hasty.moderations.create, input=CHAIR + " chair" * 20)
            scorer.entered.wait()
            with pytest.raises(openai.RateLimitError) as refused:
                hasty.moderations.create(input=CHAIR)
            assert (refused.value.code, refused.value.response.headers["retry-after"]) == ("rate_limit_exceeded", "1")
            later = pool.submit(patient.moderations.create, input=CHAIR)
            scorer.gate.set()
            assert [len(one.result().results) for one in (waiting, later)] == [1, 1]
        assert served.stored()[1] == 2


def test_a_late_answer_is_told_in_openais_shape_and_nothing_is_stored(sqlite_engine, make_parts, serve_parts, gated):
    batcher, scorer = gated(Limits(deadline_s=0.01))
    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served, client_of(served) as client:
        with pytest.raises(openai.InternalServerError) as late:
            client.moderations.create(input=[CHAIR, PISTOL])
        scorer.gate.set()
        assert (late.value.status_code, late.value.code) == (503, "deadline_exceeded")
        assert served.stored() == (0, 0, 0, 0, 0)


def test_a_request_that_two_models_scored_is_not_answered(
    sqlite_engine, make_parts, serve_parts, gated, make_tiny_bundle, tmp_path
):
    limits, telemetry = Limits(batch_side_by_side=1), Telemetry()
    (batcher, scorer), other = gated(limits), make_tiny_bundle(tmp_path / "other", name="other")
    parts = make_parts(sqlite_engine, batcher=batcher, limits=limits)
    with serve_parts(parts) as served, ThreadPoolExecutor() as pool:
        waiting = pool.submit(post, served, {"input": [CHAIR, PISTOL]})
        scorer.entered.wait()
        parts.model.replace(open_batcher(other, batcher.assessor.policies, NO_CONTROL, limits, telemetry.batch))
        scorer.gate.set()
        refused = waiting.result()
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "service_unavailable")
        assert served.stored() == (0, 0, 0, 0, 0)
        assert post(served, {"input": CHAIR}).json()["model"] == other.version


def test_a_caller_who_left_is_not_decided(sqlite_engine, make_parts, serve_parts, gated):
    batcher, scorer = gated()
    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served, client_of(served) as client:
        with pytest.raises(openai.APITimeoutError):
            client.moderations.create(input=[CHAIR, PISTOL], timeout=0.2)
        while batcher.waiting_tokens:  # until the server has noticed
            served.client.get("/healthz")
        scorer.gate.set()
        assert client.moderations.create(input=CHAIR).results[0].outcome == "approve"
        assert served.stored()[1] == 1


def test_what_nobody_foresaw_is_told_in_openais_shape(sqlite_engine, make_parts, serve_parts, gated):
    batcher, scorer = gated(poison=2)  # the token that begins every window
    scorer.gate.set()
    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served:
        response = post(served, {"input": CHAIR})
    error = OpenAIError.model_validate_json(response.content).error
    assert (response.status_code, error.type, error.code) == (500, "server_error", "internal_error")
    assert "poison" not in error.message


def test_every_error_has_its_line_in_openais_table():
    assert set(TOLD) == set(KINDS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("text"), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON)
def test_any_input_is_judged_or_refused(served, value):
    assert post(served, {"input": value}).status_code in (200, 400)
