"""The pieces that every path of the OpenAPI document is built from. The paths themselves are their protocols'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from fairstall.serving import schema
from fairstall.serving.bodies import JSON
from fairstall.serving.idempotency import HEADER, MAX_KEY_CHARACTERS
from fairstall.serving.problems import PROBLEM_JSON

REFS = "#/components/schemas/{model}"
SERVICE = {
    400: "The body is no JSON, or not UTF-8.",
    401: "No key, or a bad one.",
    403: "The key has another scope.",
    408: "The body took too long to arrive.",
    409: "A request with this Idempotency-Key is being answered.",
    413: "The body is too large.",
    415: "The body is not `application/json`.",
    422: "A field is missing, unknown or wrong, or the Idempotency-Key was used for another request.",
    429: "Too many listings are waiting, or the key scores faster than it may; `Retry-After` says when to come back.",
    503: "Too late, too crowded, or the store is unavailable; `Retry-After` says when to return. Nothing was stored.",
}
IDEMPOTENCY_KEY = {
    "name": HEADER,
    "in": "header",
    "description": "Repeat a request under its key and it is answered as it was the first time. Kept for 24 hours.",
    # Spaces at its ends are not a part of a header's value.
    "schema": {
        "type": "string",
        "maxLength": MAX_KEY_CHARACTERS,
        "pattern": r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$",
    },
}
REPLAYED = {"Idempotent-Replayed": {"description": "`true` when repeated.", "schema": {"const": "true"}}}
REQUEST_ID = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
RETRY_AFTER = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
HEADERS = {
    "RequestId": {
        "description": "The request's own id, when it had a sensible one; the log has it too.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,100}$"},
    },
    "RetryAfter": {
        "description": "Seconds to wait before the same request is sent again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "Authenticate": {
        "description": "How to authenticate (RFC 9110).",
        "required": True,
        "schema": {"type": "string"},
    },
}
REFUSAL_HEADERS: Mapping[int, Mapping[str, Any]] = {
    401: {"WWW-Authenticate": {"$ref": "#/components/headers/Authenticate"}},
    409: RETRY_AFTER,
    429: RETRY_AFTER,
    503: RETRY_AFTER,
}


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """How a protocol tells of errors."""

    media: str
    model: type[BaseModel]


PROBLEM = ErrorShape(PROBLEM_JSON, schema.Problem)


def operation(
    name: str,
    summary: str,
    answer: type[BaseModel] | None,
    refusals: Mapping[int, str],
    *,
    errors: ErrorShape = PROBLEM,
    headers: Mapping[str, Any] | None = None,
    links: Mapping[str, Any] | None = None,
    own_errors: Mapping[int, type[BaseModel]] | None = None,
    public: bool = False,
) -> dict[str, Any]:
    """One operation; `refusals` says what each status means, and a `public` one needs no key.

    `links` are the operations that its answer leads to; `own_errors` the statuses that tell more than `errors`.
    """
    good: dict[str, Any] = {"description": "Answered.", "headers": {**REQUEST_ID, **(headers or {})}}
    if answer:
        good["content"] = {JSON: {"schema": ref(answer)}}
    if links:
        good["links"] = links
    told = own_errors or {}
    refused = {
        str(status): {
            "description": said,
            "headers": {**REQUEST_ID, **REFUSAL_HEADERS.get(status, {})},
            "content": {errors.media: {"schema": ref(told.get(status, errors.model))}},
        }
        for status, said in sorted(refusals.items())
    }
    return {
        "operationId": name,
        "summary": summary,
        "security": [] if public else [{"key": []}],
        "responses": {"200": good, **refused},
    }


def leads_to(operation_id: str, **parameters: str) -> dict[str, Any]:
    """One link, with each parameter as a JSON pointer into the answer."""
    where = {name: f"$response.body#{pointer}" for name, pointer in parameters.items()}
    return {operation_id: {"operationId": operation_id, "parameters": where}}


def takes(body: Mapping[str, Any], *parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What an operation with a JSON body and an idempotency key adds to itself."""
    return {
        "parameters": [*parameters, IDEMPOTENCY_KEY],
        "requestBody": {"required": True, "content": {JSON: {"schema": body}}},
    }


def ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REFS.format(model=model.__name__)}
