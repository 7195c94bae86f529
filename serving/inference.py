"""The Open Inference Protocol 2 (KServe, Triton): its addresses, its metadata and its errors.

After https://github.com/kserve/open-inference-protocol. What a tensor is stands in `tensors`; scoring is `service`'s.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from fairstall.model.errors import FairstallError, ListingError, NotFound
from fairstall.model.release import release_version
from fairstall.records.keys import Scope
from fairstall.serving.bodies import JSON, read_body_as, read_json
from fairstall.serving.idempotency import Produced, RequestKey
from fairstall.serving.intake import Intake
from fairstall.serving.probes import Probes
from fairstall.serving.problems import UnsupportedMedia, headers_of, kind_of, words_of
from fairstall.serving.reload import ModelInService
from fairstall.serving.service import ScoringService, Settled, one_model
from fairstall.serving.tensors import OPTIONAL, OUTPUTS, REQUIRED, InferenceBody, Tensor, read_rows

MODEL_NAME = "fairstall"
MODEL_ADDRESSES = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
MEDIA = (JSON, "application/octet-stream", "")  # Triton's own clients send JSON as bytes, or do not say what it is
BINARY = "Inference-Header-Content-Length"
ANY_SIZE = -1


class Inference:
    """What stands below `/v2`."""

    def __init__(self, *, service: ScoringService, intake: Intake, model: ModelInService, probes: Probes) -> None:
        self._service = service
        self._intake = intake
        self._model = model
        self._probes = probes

    async def server(self, _request: Request) -> Response:
        """What this server is."""
        return _json({"name": "fairstall", "version": release_version(), "extensions": []})

    async def live(self, _request: Request) -> Response:
        """The process answers."""
        return _json({"live": True})

    async def ready(self, _request: Request) -> Response:
        """A model is loaded and the store answers. Raises StoreUnavailable."""
        await self._probes.ready()
        return _json({"ready": True})

    async def model_ready(self, request: Request) -> Response:
        """The same, for the model and the version in the address. Raises NotFound or StoreUnavailable."""
        self._version_asked_for(request)
        await self._probes.ready()
        return _json({"name": MODEL_NAME, "ready": True})

    async def metadata(self, request: Request) -> Response:
        """Inputs, outputs and labels of the model in service. Raises NotFound."""
        await self._intake.caller(request, Scope.READ)
        self._version_asked_for(request)
        bundle = self._model.batcher.assessor.bundle
        return _json(_metadata(bundle.version, bundle.facts.labels))

    async def infer(self, request: Request) -> Response:
        """Score a batch of listings, store every decision in one transaction, answer tensors."""
        caller = await self._intake.caller(request, Scope.SCORE)
        if BINARY in request.headers:
            raise UnsupportedMedia("tensors are not read as binary data here: send them as JSON")
        body = await self._intake.body(request, self._intake.limits.batch_bytes, media=MEDIA)

        async def produce(key: RequestKey | None) -> Produced:
            version = self._version_asked_for(request)
            asked = read_body_as(InferenceBody, read_json(body))
            tell = partial(_answer, asked.id, _wanted(asked), version)
            rows = read_rows(asked.inputs, caller, at_most=self._intake.limits.batch_listings)
            self._intake.charge(caller, len(rows))
            return await self._service.many(rows, tell=tell, key=key, champion_scores=True)

        return await self._intake.answer(request, caller, body, produce)

    def _version_asked_for(self, request: Request) -> str | None:
        name, version = request.path_params["name"], request.path_params.get("version")
        if name != MODEL_NAME:
            raise NotFound(f"there is no model {name[:80]!r}: the one here is {MODEL_NAME!r}")
        _check_version(version, self._model.batcher.assessor.versions.model)
        return version


def _check_version(asked: str | None, serves: str) -> None:
    if asked is not None and asked != serves:
        raise NotFound(f"the version {asked[:80]!r} is not in service: {serves!r} is")


def _wanted(body: InferenceBody) -> Sequence[str]:
    """The outputs asked for, in their order; all of them when none is named."""
    names = [output.name for output in body.outputs or ()]
    for name in names:
        if name not in OUTPUTS:
            raise ListingError("outputs", f"there is no output {name[:80]!r}: there are {', '.join(OUTPUTS)}")
    return names or OUTPUTS


def _answer(request_id: str | None, wanted: Sequence[str], version: str | None, settled: Sequence[Settled]) -> bytes:
    serves = one_model(settled)
    _check_version(version, serves)
    tensors = _tensors(settled)
    answer = {"model_name": MODEL_NAME, "model_version": serves, "outputs": [tensors[name].body() for name in wanted]}
    return orjson.dumps(answer if request_id is None else answer | {"id": request_id})


def _tensors(settled: Sequence[Settled]) -> Mapping[str, Tensor]:
    decisions = [one.decision for one in settled]
    rows, labels = len(decisions), tuple(decisions[0].assessment.probabilities)
    scores = [decision.assessment.probabilities[label] for decision in decisions for label in labels]
    tensors = (
        Tensor("outcome", "BYTES", (rows,), [str(decision.outcome) for decision in decisions]),
        Tensor("probabilities", "FP32", (rows, len(labels)), scores),
        Tensor("decision_id", "BYTES", (rows,), [decision.decision_id for decision in decisions]),
        Tensor("labels", "BYTES", (len(labels),), labels),
    )
    return {tensor.name: tensor for tensor in tensors}


def _metadata(version: str, labels: Sequence[str]) -> dict[str, Any]:
    """The labels are the columns of `probabilities`, in one string: the protocol's parameters hold no lists."""
    column = {"datatype": "BYTES", "shape": [ANY_SIZE]}
    probabilities = {"datatype": "FP32", "shape": [ANY_SIZE, len(labels)], "parameters": {"labels": ",".join(labels)}}
    return {
        "name": MODEL_NAME,
        "versions": [version],
        "platform": "onnxruntime_onnx",
        "inputs": [
            *({"name": name, **column} for name in REQUIRED),
            *({"name": name, **column, "parameters": {"optional": True}} for name in OPTIONAL),
        ],
        "outputs": [
            {"name": "outcome", **column},
            {"name": "probabilities", **probabilities},
            {"name": "decision_id", **column},
            {"name": "labels", "datatype": "BYTES", "shape": [len(labels)]},
        ],
    }


def _json(value: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(value), status_code=status, media_type=JSON, headers=headers)


STATUSES: Mapping[type[FairstallError], int] = {ListingError: 400}  # where the protocol has another one than `KINDS`


def error_response(error: BaseException) -> Response:
    """An error as the protocol tells it: a status and a sentence."""
    kind = kind_of(error)
    status = next((STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES), kind.status)
    return _json({"error": words_of(error)}, status=status, headers=headers_of(error))
