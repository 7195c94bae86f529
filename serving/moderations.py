"""OpenAI's moderation endpoint, for callers who speak it already: its bodies, its answers and its errors.

After https://platform.openai.com/docs/api-reference/moderations. Scoring and storing are `service`'s, as everywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, StringConstraints, WithJsonSchema
from pydantic.config import JsonDict
from starlette.requests import Request
from starlette.responses import Response

from fairstall.model.decide import Outcome
from fairstall.model.errors import (
    Conflict,
    DeadlineExceeded,
    FairstallError,
    Forbidden,
    InputError,
    ListingError,
    NotFound,
    Overloaded,
    ServiceError,
    StoreUnavailable,
    Unauthorized,
)
from fairstall.model.listing import Listing
from fairstall.model.wire import MAX_TITLE_CHARACTERS, READABLE_PATTERN, SOME_TEXT_PATTERN, Identifier
from fairstall.records.keys import ApiKey, Scope
from fairstall.serving.bodies import JSON, read_body_as, read_json, read_listing
from fairstall.serving.idempotency import Produced, RequestKey
from fairstall.serving.intake import Intake
from fairstall.serving.problems import (
    BodyTooLarge,
    CallerLeft,
    Crowded,
    FailedAt,
    HeadTooLarge,
    KeyReused,
    Malformed,
    NoSuchMethod,
    RateLimited,
    SlowCaller,
    SlowHead,
    UnsupportedMedia,
    fields_of,
    headers_of,
    kind_of,
    nearest,
    words_of,
)
from fairstall.serving.service import ScoringService, Settled, one_model
from fairstall.serving.unnamed import listing_id_of, seller_id_of

_TEXT = {"type": "string", "pattern": READABLE_PATTERN}
_SOME_TEXT = {"type": "string", "allOf": [{"pattern": READABLE_PATTERN}, {"pattern": SOME_TEXT_PATTERN}]}
_PART = {
    "type": "object",
    "properties": {"type": {"const": "text"}, "text": _TEXT},
    "required": ["type", "text"],
    "additionalProperties": False,
}
_SOME_PART = {"properties": {"text": {"pattern": SOME_TEXT_PATTERN}}, "required": ["text"]}
_INPUT = {
    "description": "A text, up to 100 texts that are judged one by one, or up to 100 parts of one text; none empty.",
    "anyOf": [
        _SOME_TEXT,
        {"type": "array", "items": _SOME_TEXT, "minItems": 1, "maxItems": 100},
        {"type": "array", "items": _PART, "minItems": 1, "maxItems": 100, "contains": _SOME_PART},
    ],
}
_ONE_TEXT: JsonDict = {"anyOf": [{"type": "string"}, {"maxItems": 1}, {"items": {"type": "object"}}]}
_ONE_ID_FOR_ONE_TEXT: JsonDict = {
    "anyOf": [{"properties": {"listing_id": {"type": "null"}}}, {"properties": {"input": _ONE_TEXT}}]
}


class ModerationBody(BaseModel):
    """What OpenAI's endpoint takes. `listing_id` (of a single text) and `seller_id` are Fairstall's own additions."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=_ONE_ID_FOR_ONE_TEXT)

    input: Annotated[Any, WithJsonSchema(_INPUT)]
    model: Annotated[str, StringConstraints(max_length=200)] | None = None
    listing_id: Identifier | None = None
    seller_id: Identifier | None = None


class Moderations:
    """`POST /v1/moderations`."""

    def __init__(self, *, service: ScoringService, intake: Intake) -> None:
        self._service = service
        self._intake = intake

    async def moderate(self, request: Request) -> Response:
        """Judge texts as listings, store every decision in one transaction, answer as OpenAI does."""
        caller = await self._intake.caller(request, Scope.SCORE)
        body = await self._intake.body(request, self._intake.limits.batch_bytes)

        async def produce(key: RequestKey | None) -> Produced:
            listings = read_moderation(read_json(body), caller, at_most=self._intake.limits.batch_listings)
            self._intake.charge(caller, len(listings))
            return await self._service.many(listings, tell=_answer, key=key, champion_scores=True)

        return await self._intake.answer(request, caller, body, produce)


def read_moderation(value: Any, caller: ApiKey, *, at_most: int) -> dict[str, Listing]:
    """The listings in a body by their place, one for each result. Raises ListingError, which names each wrong place."""
    body = read_body_as(ModerationBody, value)
    texts = _texts(body.input, at_most=at_most)
    if body.listing_id and len(texts) > 1:
        raise ListingError("listing_id", f"one id cannot name {len(texts)} texts: leave it out")
    seller_id = body.seller_id or seller_id_of(caller)
    return {place: _listing(place, text, body.listing_id, seller_id) for place, text in texts.items()}


def _texts(value: Any, *, at_most: int) -> Mapping[str, str]:
    """The texts to judge, by their place: each string of an array by itself, all parts of one message together."""
    if isinstance(value, str):
        return {"input": value}
    if not isinstance(value, list) or not 1 <= len(value) <= at_most:
        raise ListingError("input", f"a string, or an array of 1 to {at_most} strings or parts, is needed")
    if all(isinstance(one, str) for one in value):
        return {f"input[{place}]": text for place, text in enumerate(value)}
    return {"input": "\n".join(_part(f"input[{place}]", part) for place, part in enumerate(value))}


def _part(place: str, part: Any) -> str:
    if not isinstance(part, dict):
        raise ListingError(place, 'a part {"type": "text", "text": ...} is needed; parts and strings are not mixed')
    if part.get("type") != "text":
        raise ListingError(f"{place}.type", f"only parts of type 'text' are read, not {str(part.get('type'))[:40]!r}")
    if not isinstance(text := part.get("text"), str):
        raise ListingError(f"{place}.text", "a string is needed")
    if unknown := [name for name in part if name not in ("type", "text")]:
        raise ListingError(f"{place}.{unknown[0][:40]}", "unknown field")
    return text


def _listing(place: str, text: str, listing_id: str | None, seller_id: str) -> Listing:
    """A text as a listing: its first line is the title, unless it is longer than a title may be."""
    if not text.strip():
        raise ListingError(place, "the text is empty")
    title, _, description = text.partition("\n")
    if len(title) > MAX_TITLE_CHARACTERS:
        title, description = "", text
    listing_id = listing_id or listing_id_of(title, description)
    fields = {"listing_id": listing_id, "seller_id": seller_id, "title": title, "description": description}
    try:
        return read_listing(fields)
    except ListingError as error:
        raise ListingError(place, error.problems[0][1]) from error


def _answer(settled: Sequence[Settled]) -> bytes:
    first = settled[0].decision.decision_id
    results = [_result(one) for one in settled]
    return orjson.dumps({"id": f"modr-{first}", "model": one_model(settled), "results": results})


def _result(settled: Settled) -> dict[str, Any]:
    """A policy that only rules look for has the score 1 when one of them spoke, and otherwise 0."""
    decision, codes = settled.decision, settled.policies.codes
    found = {finding.policy for finding in decision.assessment.findings}
    probabilities = decision.assessment.probabilities
    return {
        "flagged": decision.outcome is not Outcome.APPROVE,
        "categories": {code: code in found for code in codes},
        "category_scores": {code: probabilities.get(code, float(code in found)) for code in codes},
        "category_applied_input_types": {code: ["text"] for code in codes},
        "decision_id": decision.decision_id,
        "outcome": str(decision.outcome),
        "doubts": [str(doubt) for doubt in decision.assessment.doubts],
    }


@dataclass(frozen=True, slots=True)
class Told:
    """How OpenAI would tell of a class of errors; its status is that of `KINDS` unless it is given."""

    type: str
    code: str
    status: int | None = None


TOLD: Mapping[type[FairstallError], Told] = {
    ListingError: Told("invalid_request_error", "invalid_value", 400),
    Malformed: Told("invalid_request_error", "invalid_json"),
    BodyTooLarge: Told("invalid_request_error", "request_too_large"),
    UnsupportedMedia: Told("invalid_request_error", "unsupported_media_type"),
    HeadTooLarge: Told("invalid_request_error", "headers_too_large"),
    SlowCaller: Told("invalid_request_error", "request_timeout"),
    SlowHead: Told("invalid_request_error", "request_timeout"),
    KeyReused: Told("invalid_request_error", "idempotency_key_reused"),
    CallerLeft: Told("invalid_request_error", "caller_left"),
    RateLimited: Told("requests", "rate_limit_exceeded"),
    NoSuchMethod: Told("invalid_request_error", "method_not_allowed"),
    Unauthorized: Told("invalid_request_error", "invalid_api_key"),
    Forbidden: Told("invalid_request_error", "insufficient_permissions"),
    NotFound: Told("invalid_request_error", "not_found"),
    Conflict: Told("invalid_request_error", "conflict"),
    InputError: Told("invalid_request_error", "bad_request"),
    Overloaded: Told("requests", "rate_limit_exceeded"),
    DeadlineExceeded: Told("server_error", "deadline_exceeded"),
    StoreUnavailable: Told("server_error", "store_unavailable"),
    Crowded: Told("server_error", "service_unavailable"),
    ServiceError: Told("server_error", "service_unavailable"),
    FailedAt: Told("server_error", "internal_error"),
    FairstallError: Told("server_error", "internal_error"),
}


def error_response(error: BaseException) -> Response:
    """An error in OpenAI's shape; the request id is in a header, where OpenAI's clients look for it."""
    kind, told, fields = kind_of(error), nearest(TOLD, error), fields_of(error)
    param = fields[0][0] if fields else None
    body = {"message": words_of(error), "type": told.type, "param": param, "code": told.code}
    return Response(
        orjson.dumps({"error": body}),
        status_code=told.status or kind.status,
        media_type=JSON,
        headers=headers_of(error),
    )
