"""The shapes of the Open Inference Protocol's answers and errors, and their paths in the OpenAPI document."""

from typing import Any, Literal

from pydantic import BaseModel

from fairstall.serving.bodies import JSON
from fairstall.serving.inference import MODEL_ADDRESSES, MODEL_NAME
from fairstall.serving.openapi_parts import REPLAYED, SERVICE, ErrorShape, leads_to, operation, ref, takes
from fairstall.serving.schema import Shape
from fairstall.serving.tensors import InferenceBody


class ServerMetadata(Shape):
    name: str
    version: str
    extensions: list[str]


class ServerLive(Shape):
    live: Literal[True]


class ServerReady(Shape):
    ready: Literal[True]


class ModelReady(Shape):
    name: Literal["fairstall"]
    ready: Literal[True]


class TensorMetadata(Shape):
    """A size of -1 may be any. `labels` of `probabilities` are its columns, parted by commas."""

    name: str
    datatype: Literal["BYTES", "FP32"]
    shape: list[int]
    parameters: dict[str, str | bool] | None = None


class ModelMetadata(Shape):
    name: Literal["fairstall"]
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class OutputTensor(Shape):
    """`data` is flat and row-major."""

    name: Literal["outcome", "probabilities", "decision_id", "labels"]
    datatype: Literal["BYTES", "FP32"]
    shape: list[int]
    data: list[str] | list[float]


class InferenceAnswer(Shape):
    """`id` is the request's, when it had one."""

    model_name: Literal["fairstall"]
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


class InferenceError(Shape):
    """An error as the protocol tells it."""

    error: str


SHAPES = (
    ServerMetadata,
    ServerLive,
    ServerReady,
    ModelReady,
    ModelMetadata,
    InferenceBody,
    InferenceAnswer,
    InferenceError,
)

_ERRORS = ErrorShape(JSON, InferenceError)
_UNKNOWN = {404: "There is no such model, or this version of it is not in service."}
_UNREADY = {503: "The store does not answer."}
_READS = {status: SERVICE[status] for status in (401, 503)}
_INFERS = (
    SERVICE
    | _UNKNOWN
    | {400: "The body is no JSON, or an input is missing, unknown or wrong.", 415: "The tensors are no JSON."}
    | {422: "The Idempotency-Key was used for another request."}
    | {500: "A fault of ours. Where it is one of some listings, the error names it. Nothing was stored."}
)


def inference_paths() -> dict[str, Any]:
    server = {
        "/v2": _probe("v2", "What is this server?", ServerMetadata, {}),
        "/v2/health/live": _probe("v2_live", "Is the process alive?", ServerLive, {}),
        "/v2/health/ready": _probe("v2_ready", "Can it work?", ServerReady, _UNREADY),
    }
    model = [_model_paths(address) for address in MODEL_ADDRESSES]
    return {path: operations for paths in (server, *model) for path, operations in paths.items()}


def _probe(name: str, summary: str, answer: type[BaseModel], refusals: dict[int, str]) -> dict[str, Any]:
    return {"get": operation(name, summary, answer, refusals, errors=_ERRORS, public=True)}


def _model_paths(address: str) -> dict[str, Any]:
    """The paths below one form of the model's address."""
    ending = "_version" if "{version}" in address else ""
    parameters = [_path_parameter(name) for name in ("name", "version") if f"{{{name}}}" in address]
    version = leads_to("v2_model_version", name="/name", version="/versions/0")
    read = operation(
        f"v2_model{ending}",
        "Its inputs and outputs.",
        ModelMetadata,
        _READS | _UNKNOWN,
        errors=_ERRORS,
        links=version | leads_to("v2_infer_version", name="/name", version="/versions/0"),
    )
    infer = operation(
        f"v2_infer{ending}", "Score 1 to 100 listings.", InferenceAnswer, _INFERS, errors=_ERRORS, headers=REPLAYED
    )
    ready = _probe(f"v2_model_ready{ending}", "Can the model work?", ModelReady, _UNREADY | _UNKNOWN)
    return {
        address: {"get": read | {"parameters": parameters}},
        f"{address}/ready": {"get": ready["get"] | {"parameters": parameters}},
        f"{address}/infer": {"post": infer | takes(ref(InferenceBody), *parameters)},
    }


def _path_parameter(name: str) -> dict[str, Any]:
    text: dict[str, Any] = {"type": "string", "minLength": 1}
    schema = text | {"const": MODEL_NAME} if name == "name" else text
    return {"name": name, "in": "path", "required": True, "schema": schema}
