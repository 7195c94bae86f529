"""The OpenAPI document, written and not guessed: every route, every status that it can answer, every shape."""

from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from fairstall.model.release import release_version
from fairstall.model.wire import ListingBody
from fairstall.records.outbox import KINDS
from fairstall.serving import inference_schema, moderations_schema, schema
from fairstall.serving.bodies import JSON
from fairstall.serving.inference_schema import inference_paths
from fairstall.serving.moderations_schema import moderation_paths
from fairstall.serving.openapi_parts import HEADERS, REFS, REPLAYED, SERVICE, leads_to, operation, ref, takes

_SCORES = {
    "name": "scores",
    "in": "query",
    "description": "Add every policy's probability.",
    "schema": {"type": "boolean", "default": False},
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
_TRACED_BY = {"traceparent": "The trace of this attempt (W3C Trace Context), where the service is traced; not signed."}
_STATED = SERVICE | {
    429: f"{SERVICE[429]} When too many are waiting, `on_timeout` says what the policies state for the listing.",
    503: f"{SERVICE[503]} `on_timeout` says what the policies state for the listing.",
}
_UNANSWERED = {503: schema.Unanswered}


@cache
def openapi_document() -> dict[str, Any]:
    """The document at `/openapi.json`; it is the same for every app."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Fairstall",
            "version": release_version(),
            "description": "Scores every marketplace listing as it is uploaded, and stores each decision first.",
        },
        "paths": {**_scoring_paths(), **moderation_paths(), **inference_paths(), **_probe_paths()},
        "webhooks": {kind: {"post": _webhook(kind)} for kind in KINDS},
        "components": {
            "schemas": _schemas(),
            "headers": HEADERS,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "fs_..."}},
        },
    }


def _scoring_paths() -> dict[str, Any]:
    item = {"anyOf": [ref(ListingBody), {"description": "Anything else is answered by an error in its place."}]}
    many = {"type": "array", "minItems": 1, "maxItems": 100, "items": item}
    wrapped = {
        "type": "object",
        "properties": {"listings": many},
        "required": ["listings"],
        "additionalProperties": False,
    }
    one = operation(
        "score",
        "Score one listing.",
        schema.Answer,
        _STATED,
        own_errors=_UNANSWERED,
        headers=REPLAYED,
        links=leads_to("decision", decision_id="/decision_id"),
    )
    batch = operation(
        "score_batch",
        "Score up to 100 listings.",
        schema.BatchAnswer,
        _STATED,
        own_errors=_UNANSWERED,
        headers=REPLAYED,
        links=leads_to("decision", decision_id="/answers/0/decision_id"),
    )
    reads = {status: SERVICE[status] for status in (401, 422, 503)} | {404: "There is no such decision."}
    read = operation("decision", "Read a decision.", schema.StoredDecision, reads)
    in_force = {status: SERVICE[status] for status in (401, 503)}
    policies = operation("policies", "Read the policies in force.", schema.PoliciesInForce, in_force)
    return {
        "/v1/policies": {"get": policies},
        "/v1/score": {"post": one | takes(ref(ListingBody), _SCORES)},
        "/v1/score/batch": {"post": batch | takes({"oneOf": [many, wrapped]}, _SCORES)},
        "/v1/decisions/{decision_id}": {"get": read | {"parameters": [_DECISION_ID, _SCORES]}},
    }


def _probe_paths() -> dict[str, Any]:
    unready = {503: "The store does not answer."}
    text = {"text/plain": {"schema": {"type": "string"}}}
    metrics = operation("metrics", "Metrics for Prometheus.", None, {}, public=True)
    metrics["responses"]["200"]["content"] = text
    document = operation("openapi", "This document.", None, {}, public=True)
    document["responses"]["200"]["content"] = {JSON: {"schema": {"type": "object"}}}
    return {
        "/healthz": {"get": operation("healthz", "Is the process alive?", schema.Health, {}, public=True)},
        "/readyz": {"get": operation("readyz", "Can it work?", schema.Readiness, unready, public=True)},
        "/metrics": {"get": metrics},
        "/openapi.json": {"get": document},
    }


def _webhook(kind: str) -> dict[str, Any]:
    text = {"in": "header", "schema": {"type": "string"}}
    headers = [
        text | {"name": name, "required": name in _SIGNED_BY, "description": said}
        for name, said in (_SIGNED_BY | _TRACED_BY).items()
    ]
    return {
        "operationId": kind.replace(".", "_"),
        "summary": "Sent to the endpoints that `fairstall webhook add` registered.",
        "security": [],
        "parameters": headers,
        "requestBody": {"required": True, "content": {JSON: {"schema": ref(schema.EventMessage)}}},
        "responses": {
            "2XX": {"description": "Taken. Anything else is tried again."},
            "410": {"description": "Send nothing any more."},
        },
    }


def _schemas() -> dict[str, Any]:
    answers = (
        schema.Answer,
        schema.StoredDecision,
        schema.BatchAnswer,
        schema.Problem,
        schema.Unanswered,
        schema.Health,
        schema.Readiness,
        schema.PoliciesInForce,
        *moderations_schema.SHAPES,
        *inference_schema.SHAPES,
        schema.EventMessage,
    )
    models = [(ListingBody, "validation"), *((answer, "validation") for answer in answers)]
    _, found = models_json_schema(models, ref_template=REFS)  # type: ignore[arg-type]
    definitions: dict[str, Any] = found["$defs"]
    return definitions
