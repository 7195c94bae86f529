"""The OpenAPI document, written and not guessed: every route, every status that it can answer, every shape."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from fairstall.model.wire import ListingBody
from fairstall.records.outbox import KINDS
from fairstall.serving import schema
from fairstall.serving.idempotency import HEADER, MAX_KEY_CHARACTERS
from fairstall.serving.problems import PROBLEM_JSON

_REFS = "#/components/schemas/{model}"
_JSON = "application/json"
_SERVICE = {
    400: "The body is no JSON, or not UTF-8.",
    401: "No key, or a bad one.",
    403: "The key has another scope.",
    408: "The body took too long to arrive.",
    409: "A request with this Idempotency-Key is being answered.",
    413: "The body is too large.",
    415: "The body is not `application/json`.",
    422: "A field is missing, unknown or wrong, or the Idempotency-Key was used for another request.",
    429: "Too many listings are waiting; `Retry-After` says when to come back. Nothing was stored.",
    503: "Too late, or the store is unavailable; `Retry-After` says when to come back. Nothing was stored.",
}
_SCORES = {
    "name": "scores",
    "in": "query",
    "description": "Add every policy's probability.",
    "schema": {"type": "boolean", "default": False},
}
_IDEMPOTENCY_KEY = {
    "name": HEADER,
    "in": "header",
    "description": "Repeat a request under its key and it is answered as it was the first time. Kept for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARACTERS, "pattern": r"^[\x21-\x7e]+$"},
}
_DECISION_ID = {
    "name": "decision_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
_SIGNED_BY = {
    "webhook-id": "The event's id, the same on every attempt: deduplicate by it.",
    "webhook-timestamp": "When this attempt was made, in seconds since 1970.",
    "webhook-signature": "`v1,` and base64 HMAC-SHA256 of id, timestamp and body; two of them during a rotation.",
}
_REPLAYED = {"Idempotent-Replayed": {"description": "`true` when repeated.", "schema": {"const": "true"}}}


@cache
def openapi_document() -> dict[str, Any]:
    """The document at `/openapi.json`; it is the same for every app."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Fairstall",
            "version": _version(),
            "description": "Scores every marketplace listing as it is uploaded, and stores each decision first.",
        },
        "paths": {**_scoring_paths(), **_probe_paths()},
        "webhooks": {kind: {"post": _webhook(kind)} for kind in KINDS},
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "fs_..."}},
        },
    }


def _scoring_paths() -> dict[str, Any]:
    item = {"anyOf": [_ref(ListingBody), {"description": "Anything else is answered by an error in its place."}]}
    many = {"type": "array", "minItems": 1, "maxItems": 100, "items": item}
    wrapped = {
        "type": "object",
        "properties": {"listings": many},
        "required": ["listings"],
        "additionalProperties": False,
    }
    one = _operation("score", "Score one listing.", schema.Answer, _SERVICE, headers=_REPLAYED)
    batch = _operation("score_batch", "Score up to 100 listings.", schema.BatchAnswer, _SERVICE, headers=_REPLAYED)
    reads = {status: _SERVICE[status] for status in (401, 422, 503)} | {404: "There is no such decision."}
    read = _operation("decision", "Read a decision.", schema.StoredDecision, reads)
    return {
        "/v1/score": {"post": one | _takes(_ref(ListingBody))},
        "/v1/score/batch": {"post": batch | _takes({"oneOf": [many, wrapped]})},
        "/v1/decisions/{decision_id}": {"get": read | {"parameters": [_DECISION_ID, _SCORES]}},
    }


def _probe_paths() -> dict[str, Any]:
    unready = {503: "The store does not answer."}
    text = {"text/plain": {"schema": {"type": "string"}}}
    metrics = _operation("metrics", "Metrics for Prometheus.", None, {}, public=True)
    metrics["responses"]["200"]["content"] = text
    document = _operation("openapi", "This document.", None, {}, public=True)
    document["responses"]["200"]["content"] = {_JSON: {"schema": {"type": "object"}}}
    return {
        "/healthz": {"get": _operation("healthz", "Is the process alive?", schema.Health, {}, public=True)},
        "/readyz": {"get": _operation("readyz", "Can it work?", schema.Readiness, unready, public=True)},
        "/metrics": {"get": metrics},
        "/openapi.json": {"get": document},
    }


def _webhook(kind: str) -> dict[str, Any]:
    headers = [
        {"name": name, "in": "header", "required": True, "description": said, "schema": {"type": "string"}}
        for name, said in _SIGNED_BY.items()
    ]
    return {
        "operationId": kind.replace(".", "_"),
        "summary": "Sent to the endpoints that `fairstall webhook add` registered.",
        "security": [],
        "parameters": headers,
        "requestBody": {"required": True, "content": {_JSON: {"schema": _ref(schema.EventMessage)}}},
        "responses": {
            "2XX": {"description": "Taken. Anything else is tried again."},
            "410": {"description": "Send nothing any more."},
        },
    }


def _operation(
    name: str,
    summary: str,
    answer: type[BaseModel] | None,
    problems: Mapping[int, str],
    *,
    headers: Mapping[str, Any] | None = None,
    public: bool = False,
) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Answered."}
    if answer:
        good["content"] = {_JSON: {"schema": _ref(answer)}}
    if headers:
        good["headers"] = headers
    refusals = {str(status): _problem(said) for status, said in sorted(problems.items())}
    return {
        "operationId": name,
        "summary": summary,
        "security": [] if public else [{"key": []}],
        "responses": {"200": good, **refusals},
    }


def _takes(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "parameters": [_SCORES, _IDEMPOTENCY_KEY],
        "requestBody": {"required": True, "content": {_JSON: {"schema": body}}},
    }


def _problem(said: str) -> dict[str, Any]:
    return {"description": said, "content": {PROBLEM_JSON: {"schema": _ref(schema.Problem)}}}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFS.format(model=model.__name__)}


def _schemas() -> dict[str, Any]:
    answers = (
        schema.Answer,
        schema.StoredDecision,
        schema.BatchAnswer,
        schema.Problem,
        schema.Health,
        schema.Readiness,
        schema.EventMessage,
    )
    models = [(ListingBody, "validation"), *((answer, "validation") for answer in answers)]
    _, found = models_json_schema(models, ref_template=_REFS)  # type: ignore[arg-type]
    definitions: dict[str, Any] = found["$defs"]
    return definitions


def _version() -> str:
    try:
        return version("fairstall")
    except PackageNotFoundError:
        return "0"
