"""Each call of the API once: the request that asks, and how its answer is read. Nothing is sent from here."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, NotRequired, TypedDict, TypeVar
from urllib.parse import quote

from fairstall.client.answers import (
    Decision,
    Health,
    Policies,
    Readiness,
    StoredDecision,
    read_decision,
    read_health,
    read_policies,
    read_readiness,
    read_stored_decision,
)
from fairstall.client.errors import BadAnswer, BadRequest, ClientError, InvalidListing, Reply, problem_error

Answer = TypeVar("Answer")

IDEMPOTENCY_KEY = "Idempotency-Key"
REQUEST_ID = "X-Request-Id"
MAX_KEY_CHARACTERS = 255


class PriceFields(TypedDict):
    """`amount` in units of `currency` (ISO 4217)."""

    amount: Decimal | int | float | str
    currency: str


class ListingFields(TypedDict):
    """A listing as the seller uploads it; what is None counts as not given."""

    listing_id: str
    seller_id: str
    title: str
    description: str
    category: NotRequired[str | None]
    price: NotRequired[PriceFields | None]
    language: NotRequired[str | None]
    market: NotRequired[str | None]
    reach: NotRequired[int | None]
    attributes: NotRequired[Mapping[str, str] | None]


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One request, the same bytes however often it is sent, and what reads its answer. `again`: whether to retry."""

    method: str
    path: str
    read: Callable[[Any], Answer]
    content: bytes | None = field(default=None, repr=False)  # the text of listings is nowhere to be logged
    idempotency_key: str | None = None
    again: bool = True
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def headers(self) -> dict[str, str]:
        sent = {REQUEST_ID: self.request_id}
        if self.content is not None:
            sent["Content-Type"] = "application/json"
        return sent | ({IDEMPOTENCY_KEY: self.idempotency_key} if self.idempotency_key else {})

    def answer(self, reply: Reply) -> Answer:
        """The answer in a good reply. Raises BadAnswer."""
        try:
            return self.read(json.loads(reply.content))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise BadAnswer(f"not an answer of Fairstall: {type(error).__name__}", status=reply.status) from error


def score(listing: ListingFields, *, scores: bool, idempotency_key: str | None) -> Call[Decision]:
    path = _with_scores("/v1/score", scores)
    return Call("POST", path, read_decision, _json(_given(listing)), _key(idempotency_key))


def score_batch(
    listings: Sequence[ListingFields], *, scores: bool, idempotency_key: str | None
) -> Call[list[Decision | ClientError]]:
    body = _json([_given(listing) for listing in listings])
    return Call("POST", _with_scores("/v1/score/batch", scores), _read_batch, body, _key(idempotency_key))


def decision(decision_id: str, *, scores: bool) -> Call[StoredDecision]:
    path = f"/v1/decisions/{quote(decision_id, safe='')}"
    return Call("GET", _with_scores(path, scores), read_stored_decision)


def policies() -> Call[Policies]:
    return Call("GET", "/v1/policies", read_policies)


def ready() -> Call[Readiness]:
    return Call("GET", "/readyz", read_readiness, again=False)


def health() -> Call[Health]:
    return Call("GET", "/healthz", read_health, again=False)


def _with_scores(path: str, scores: bool) -> str:
    return f"{path}?scores=true" if scores else path


def _read_batch(body: Mapping[str, Any]) -> list[Decision | ClientError]:
    return [_read_item(item) for item in body["answers"]]


def _read_item(item: Mapping[str, Any]) -> Decision | ClientError:
    return problem_error(item["error"], status=item["error"]["status"]) if "error" in item else read_decision(item)


def _given(listing: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in listing.items() if value is not None}


def _json(value: Any) -> bytes:
    """Names in order, so that the same listing is the same request to the byte. Raises InvalidListing."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, default=_plain)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidListing(f"the listing is nothing that JSON can hold: {type(error).__name__}") from error


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


def _key(given: str | None) -> str:
    """The caller's key, or a new one. Raises BadRequest."""
    if given is None:
        return str(uuid.uuid4())
    if not 1 <= len(given) <= MAX_KEY_CHARACTERS or not given.isascii() or not given.isprintable():
        raise BadRequest(f"idempotency_key: 1 to {MAX_KEY_CHARACTERS} printable ASCII characters are needed")
    return given
