"""The Open Inference Protocol, spoken by the client that its own working group generates, and by hand."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from open_inference.openapi.client import OpenInferenceClient
from open_inference.openapi.core.api_error import ApiError
from open_inference.openapi.errors import BadRequestError
from open_inference.openapi.types import InferenceRequest, RequestInput, RequestOutput, TensorData

from fairstall.records.keys import Scope, create_key
from fairstall.records.ledger import Ledger
from fairstall.serving import inference_schema as shapes
from fairstall.serving.limits import Limits

INFER = "/v2/models/fairstall/infer"
TITLES = ["Garden chair", "Old pistol", "Pure heroin"]
DESCRIPTIONS = ["Hardly used.", "From my grandfather's attic.", ""]


def tensor(name, data, *, datatype="BYTES", shape=None, **more):
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data} | more


def a_body(titles=TITLES, descriptions=DESCRIPTIONS, *others, **more):
    return {"inputs": [tensor("title", titles), tensor("description", descriptions), *others]} | more


def infer(served, body, **headers):
    return served.client.post(INFER, json=body, headers=headers)


def outputs(response) -> dict:
    answer = shapes.InferenceAnswer.model_validate_json(response.content)
    return {one.name: one.data for one in answer.outputs}


def client_of(served) -> OpenInferenceClient:
    return OpenInferenceClient(base_url=f"{served.client.base_url}".rstrip("/"), httpx_client=served.client)


def a_request(**more) -> InferenceRequest:
    columns = {"title": TITLES, "description": DESCRIPTIONS}
    inputs = [
        RequestInput(name=name, datatype="BYTES", shape=[len(data)], data=TensorData(__root__=data))
        for name, data in columns.items()
    ]
    return InferenceRequest(inputs=inputs, **more)


def test_the_protocols_client_finds_out_all_it_needs(served):
    client = client_of(served)
    client.check_server_liveness()
    client.check_server_readiness()
    client.check_model_readiness("fairstall")
    assert client.read_server_metadata().name == "fairstall"
    metadata = client.read_model_metadata("fairstall")
    assert {one.name: (one.datatype, one.shape) for one in metadata.inputs} == {
        name: ("BYTES", [-1]) for name in ("title", "description", "listing_id", "seller_id", "language")
    }
    assert {one.name: (one.datatype, one.shape) for one in metadata.outputs} == {
        "outcome": ("BYTES", [-1]),
        "probabilities": ("FP32", [-1, 4]),
        "decision_id": ("BYTES", [-1]),
        "labels": ("BYTES", [4]),
    }
    client.check_model_version_readiness("fairstall", metadata.versions[0])
    assert client.read_model_version_metadata("fairstall", metadata.versions[0]) == metadata


def test_the_protocols_client_gets_decisions_that_were_stored(served):
    client = client_of(served)
    answer = client.model_infer("fairstall", request=a_request(id="42"))
    found = {one.name: one.data.__root__ for one in answer.outputs}
    assert (answer.id, answer.model_name, answer.model_version[:5]) == ("42", "fairstall", "tiny-")
    assert found["outcome"] == ["approve", "review", "block"]
    assert served.stored() == (3, 3, 1, 3, 0)
    for decision_id, outcome in zip(found["decision_id"], found["outcome"], strict=True):
        stored = served.client.get(f"/v1/decisions/{decision_id}").json()
        assert (stored["outcome"], stored["seller_id"]) == (outcome, "key:shop")


def test_probabilities_are_rows_of_listings_and_columns_of_labels(served):
    response = infer(served, a_body())
    by_name = {one["name"]: one for one in response.json()["outputs"]}
    labels, probabilities = by_name["labels"]["data"], by_name["probabilities"]
    assert (probabilities["datatype"], probabilities["shape"], len(probabilities["data"])) == ("FP32", [3, 4], 12)
    stored = served.client.get(f"/v1/decisions/{by_name['decision_id']['data'][1]}?scores=true").json()
    assert dict(zip(labels, probabilities["data"][4:8], strict=True)) == stored["scores"]
    metadata = served.client.get("/v2/models/fairstall").json()
    assert metadata["outputs"][1]["parameters"] == {"labels": ",".join(labels)}


def test_only_the_outputs_asked_for_are_answered(served):
    request = a_request(outputs=[RequestOutput(name="decision_id"), RequestOutput(name="outcome")])
    answer = client_of(served).model_infer("fairstall", request=request)
    assert [one.name for one in answer.outputs] == ["decision_id", "outcome"]


def test_optional_inputs_name_listings_and_an_empty_element_names_none(served):
    others = (
        tensor("listing_id", [["l-1"], [""], ["l-3"]], shape=[3, 1]),
        tensor("seller_id", ["ana", "ben", ""]),
        tensor("language", ["", "en", "en"]),
    )
    ledger = Ledger(served.parts.engine)
    listings = [
        ledger.listing_of(one) for one in outputs(infer(served, a_body(TITLES, DESCRIPTIONS, *others)))["decision_id"]
    ]
    assert [one.seller_id for one in listings] == ["ana", "ben", "key:shop"]
    assert [one.listing_id[:5] for one in listings] == ["l-1", "text-", "l-3"]
    assert [one.language for one in listings] == [None, "en", "en"]


def test_answers_have_the_shapes_that_the_document_says(served):
    for path, shape in (
        ("/v2", shapes.ServerMetadata),
        ("/v2/health/live", shapes.ServerLive),
        ("/v2/health/ready", shapes.ServerReady),
        ("/v2/models/fairstall", shapes.ModelMetadata),
        ("/v2/models/fairstall/ready", shapes.ModelReady),
    ):
        shape.model_validate_json(served.client.get(path).content)
    assert "id" not in infer(served, a_body()).json()
    shapes.InferenceError.model_validate_json(infer(served, {}).content)


def test_probes_need_no_key_and_the_model_needs_one(unmoved):
    anonymous = {"Authorization": ""}
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/fairstall/ready"):
        assert unmoved.client.get(path, headers=anonymous).status_code == 200
    reader = create_key(unmoved.parts.engine, "dashboard", Scope.READ, now=unmoved.parts.clock()).secret
    reads = {"Authorization": f"Bearer {reader}"}
    assert unmoved.client.get("/v2/models/fairstall", headers=anonymous).status_code == 401
    assert unmoved.client.get("/v2/models/fairstall", headers=reads).status_code == 200
    refused = infer(unmoved, a_body(), **reads)
    assert (refused.status_code, list(refused.json())) == (403, ["error"])


def test_another_model_or_version_is_not_found(unmoved):
    client = client_of(unmoved)
    with pytest.raises(ApiError) as unready:
        client.check_model_version_readiness("fairstall", "tiny-0")
    assert (unready.value.status_code, "tiny-0" in unready.value.body["error"]) == (404, True)
    with pytest.raises(ApiError, match=r"404.*'resnet'"):
        client.read_model_metadata("resnet")
    for address in ("/v2/models/resnet/infer", "/v2/models/fairstall/versions/1/infer"):
        refused = unmoved.client.post(address, json=a_body())
        assert (refused.status_code, list(refused.json())) == (404, ["error"])
    assert (unmoved.client.get("/v2/nowhere").json(), unmoved.client.get(INFER).status_code) == (
        {"error": "there is nothing at this address"},
        405,
    )


BAD = {
    "nothing": ({}, "inputs"),
    "a list": ([], "object"),
    "no description": ({"inputs": [tensor("title", ["a"])]}, "description: this input is needed"),
    "an input that is none": (a_body(TITLES, DESCRIPTIONS, tensor("price", ["1"])), "price: no such input"),
    "an input twice": (a_body(TITLES, DESCRIPTIONS, tensor("title", TITLES)), "title: the input occurs more"),
    "another datatype": ({"inputs": [tensor("title", [1], datatype="INT64")]}, "title: the datatype is 'INT64'"),
    "a number among strings": (a_body(["a", 1], ["b", "c"]), "title: each element"),
    "another shape": ({"inputs": [tensor("title", ["a"], shape=[2])]}, "title: the shape [2]"),
    "three dimensions": ({"inputs": [tensor("title", ["a"], shape=[1, 1, 1])]}, "inputs.0.shape"),
    "columns of two lengths": (a_body(["a", "b"], ["c"]), "description: has 1 elements where 'title' has 2"),
    "no rows": (a_body([], []), "title: 1 to 100"),
    "too many rows": (a_body(["a"] * 101, [""] * 101), "title: 1 to 100"),
    "too many inputs": ({"inputs": [tensor("title", ["a"])] * 6}, "inputs"),
    "a row without text": (a_body(["a", " "], ["", ""]), "title[1]: title and description are both empty"),
    "a control character": (a_body(["a", "b"], ["", "c\x00"]), "description[1]"),
    "a language that is none": (a_body(["a"], ["b"], tensor("language", ["?"])), "language[0]"),
    "an output that is none": (a_body(outputs=[{"name": "logits"}]), "there is no output 'logits'"),
    "binary data": ({"inputs": [{"name": "title", "shape": [1], "datatype": "BYTES"}]}, "inputs.0.data"),
    "an unknown field": (a_body(model="x"), "model"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_told_in_one_sentence(unmoved, name):
    body, said = BAD[name]
    response = infer(unmoved, body)
    assert response.status_code == 400
    assert said in shapes.InferenceError.model_validate_json(response.content).error
    assert unmoved.stored() == (0, 0, 0, 0, 0)


def test_the_protocols_client_raises_for_a_bad_request(unmoved):
    with pytest.raises(BadRequestError, match="no output 'logits'"):
        client_of(unmoved).model_infer("fairstall", request=a_request(outputs=[RequestOutput(name="logits")]))


@pytest.mark.parametrize("media", [None, "application/octet-stream", "application/json"])
def test_json_is_taken_as_tritons_clients_send_it(served, media):
    headers = {"Content-Type": media} if media else {}
    content = b'{"inputs":[{"name":"title","shape":[1],"datatype":"BYTES","data":["chair"]},'
    content += b'{"name":"description","shape":[1,1],"datatype":"BYTES","data":["wooden"]}]}'
    assert served.client.post(INFER, content=content, headers=headers).status_code == 200


def test_what_is_no_json_is_refused(unmoved):
    binary = infer(unmoved, a_body(), **{"Inference-Header-Content-Length": "10"})
    assert (binary.status_code, "send them as JSON" in binary.json()["error"]) == (415, True)
    form = unmoved.client.post(INFER, data={"title": "chair"})
    assert (form.status_code, list(form.json())) == (415, ["error"])
    large = unmoved.client.post(INFER, content=b" " * 8_000_001)
    assert (large.status_code, list(large.json())) == (413, ["error"])


def test_a_repeated_request_is_decided_once(served):
    key = {"Idempotency-Key": "once"}
    first, again = infer(served, a_body(), **key), infer(served, a_body(), **key)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert served.stored() == (3, 3, 1, 3, 1)


def test_overload_is_told_at_once_with_the_time_to_come_back(sqlite_engine, make_parts, serve_parts, gated):
    batcher, scorer = gated(Limits(waiting_tokens=30))
    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served, ThreadPoolExecutor() as pool:
        waiting = pool.submit(infer, served, a_body(["chair"], ["wood"]))
        scorer.entered.wait()
        refused = infer(served, a_body(["chair " * 20], ["wood " * 20]))
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert list(refused.json()) == ["error"]
        scorer.gate.set()
        assert waiting.result().status_code == 200
        assert served.stored()[1] == 1


def test_what_nobody_foresaw_is_told_in_one_sentence_without_inner_words(sqlite_engine, make_parts, serve_parts, gated):
    batcher, scorer = gated(poison=2)  # the token that begins every window
    scorer.gate.set()
    with serve_parts(make_parts(sqlite_engine, batcher=batcher)) as served:
        response = infer(served, a_body())
        assert served.stored() == (0, 0, 0, 0, 0)
    assert (response.status_code, list(response.json()), "poison" in response.text) == (500, ["error"], False)


def test_a_store_that_is_gone_is_told_and_not_ready(served, tmp_path):
    file, aside = tmp_path / "records.sqlite", tmp_path / "aside.sqlite"
    infer(served, a_body())
    file.rename(aside)
    for response in (infer(served, a_body()), served.client.get("/v2/health/ready")):
        assert (response.status_code, list(response.json())) == (503, ["error"])
    assert served.client.get("/v2/health/live").status_code == 200
    aside.rename(file)
    assert served.client.get("/v2/models/fairstall/ready").status_code == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
CHANGES = st.dictionaries(st.sampled_from(["name", "shape", "datatype", "data", "parameters"]), JSON, max_size=2)


@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES, wanted=JSON)
def test_any_tensor_is_scored_or_refused(served, changes, wanted):
    body = {"inputs": [tensor("title", ["chair"]) | changes, tensor("description", ["wooden"])], "outputs": wanted}
    assert infer(served, body).status_code in (200, 400)
