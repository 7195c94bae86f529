"""What goes wrong in a request, as RFC 9457 problem details: one table from our errors to statuses and words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from starlette.responses import Response

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

Entry = TypeVar("Entry")

PROBLEM_JSON = "application/problem+json"
CROWDED = "crowded"  # in the state of a request: it came on a connection above the limit
TYPE_PREFIX = "urn:fairstall:problem:"


class Malformed(InputError):
    """The body is not what its content type says."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.problems = ((place, problem),)


class BodyTooLarge(InputError):
    """The body is larger than this endpoint takes."""


class UnsupportedMedia(InputError):
    """The body has to be JSON."""


class SlowCaller(InputError):
    """The body took too long to arrive."""


class SlowHead(InputError):
    """The head of the request took too long to arrive."""


class HeadTooLarge(InputError):
    """Address and headers are larger than any request needs."""


class Crowded(ServiceError):
    """Too many connections are open."""


class KeyReused(InputError):
    """This Idempotency-Key was used for another request."""


class CallerLeft(InputError):
    """The caller closed the connection before there was an answer."""


class RateLimited(InputError):
    """This key scores faster than it may."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NoSuchMethod(InputError):
    """This address does not take that method."""


class FailedAt(FairstallError):
    """The service failed at some of the texts of a request whose protocol has no place for the error of one.

    `places` name them as the request does.
    """

    def __init__(self, places: Sequence[str]) -> None:
        super().__init__(f"the service failed at {', '.join(places)}; nothing was stored. {_LOGGED}")
        self.problems = tuple((place, "the service failed at this text") for place in places)


@dataclass(frozen=True, slots=True)
class Kind:
    """How one class of errors is told: `name` ends the problem's type.

    `detail` stands in the place of the error's own words where those are for the log and not for callers.
    """

    status: int
    name: str
    title: str
    detail: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


_TRY_AGAIN = {"Retry-After": "1"}
_TRY_LATER = {"Retry-After": "2"}
_LOGGED = "An unexpected error was logged under this request id."
_CLOSE = {"Connection": "close"}
_NOT_STORED = "The database is locked, full or gone; nothing was stored. Try again shortly."

INTERNAL = Kind(500, "internal", "Something went wrong on our side", _LOGGED)
KINDS: Mapping[type[FairstallError], Kind] = {
    ListingError: Kind(422, "invalid-field", "A field is missing, unknown or wrong"),
    Malformed: Kind(400, "malformed", "The request cannot be read"),
    BodyTooLarge: Kind(413, "too-large", "The body is too large", headers=_CLOSE),
    HeadTooLarge: Kind(431, "head-too-large", "The head of the request is too large", headers=_CLOSE),
    UnsupportedMedia: Kind(415, "unsupported-media", "The body has to be JSON"),
    SlowCaller: Kind(408, "slow", "The body took too long to arrive", headers=_CLOSE),
    SlowHead: Kind(408, "slow-head", "The head of the request took too long to arrive", headers=_CLOSE),
    KeyReused: Kind(422, "idempotency-key-reused", "The Idempotency-Key was used for another request"),
    CallerLeft: Kind(499, "caller-left", "The caller left before there was an answer"),
    NoSuchMethod: Kind(405, "method-not-allowed", "This address does not take that method"),
    RateLimited: Kind(429, "rate-limited", "The key scores faster than it may"),
    Unauthorized: Kind(
        401, "unauthorized", "A valid key is needed", headers={"WWW-Authenticate": 'Bearer realm="fairstall"'}
    ),
    Forbidden: Kind(403, "forbidden", "The key does not allow that"),
    NotFound: Kind(404, "not-found", "There is no such thing here"),
    Conflict: Kind(409, "conflict", "The present state does not allow that", headers=_TRY_AGAIN),
    InputError: Kind(400, "bad-request", "The request is wrong"),
    Overloaded: Kind(429, "overloaded", "Too many listings are waiting", headers=_TRY_AGAIN),
    DeadlineExceeded: Kind(503, "deadline", "The answer would come too late", headers=_TRY_AGAIN),
    StoreUnavailable: Kind(503, "store-unavailable", "The store is unavailable", _NOT_STORED, _TRY_LATER),
    Crowded: Kind(503, "crowded", "Too many connections are open", headers=_TRY_LATER | _CLOSE),
    ServiceError: Kind(503, "unavailable", "The service cannot answer now", headers=_TRY_LATER),
    FailedAt: Kind(500, "internal", "Something went wrong on our side"),
    FairstallError: INTERNAL,
}


def nearest(table: Mapping[type[FairstallError], Entry], error: BaseException) -> Entry:
    """The entry for the nearest class of an error. Whatever is not ours counts as FairstallError: an internal error."""
    return next((table[cls] for cls in type(error).__mro__ if cls in table), table[FairstallError])


def kind_of(error: BaseException) -> Kind:
    return nearest(KINDS, error)


def words_of(error: BaseException) -> str:
    """What a caller is told: the error's own words, unless they are for the log."""
    return kind_of(error).detail or _encodable(str(error))


def fields_of(error: BaseException) -> list[tuple[str, str]]:
    """Each wrong field and what is wrong with it; empty when the error is not about fields."""
    problems: Sequence[tuple[str, str]] = getattr(error, "problems", ()) if kind_of(error) is not INTERNAL else ()
    return [(_encodable(name), _encodable(said)) for name, said in problems]


def headers_of(error: BaseException) -> dict[str, str]:
    """What goes with an error's status; whole seconds to wait where the error knows how many."""
    headers = dict(kind_of(error).headers)
    if (wait_s := getattr(error, "retry_after_s", None)) is not None:
        headers["Retry-After"] = str(max(1, math.ceil(wait_s)))
    return headers


def problem_body(error: BaseException, *, request_id: str | None = None) -> dict[str, Any]:
    """The problem details of an error; `errors` name the fields where it has any.

    `on_timeout` is what the policies state for a listing that gets no other answer.
    """
    kind = kind_of(error)
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + kind.name,
        "title": kind.title,
        "status": kind.status,
        "detail": words_of(error),
    }
    if problems := fields_of(error):
        body["errors"] = [{"field": name, "problem": said} for name, said in problems]
    if stated := getattr(error, "on_timeout", None):
        body["on_timeout"] = str(stated)
    return body if request_id is None else body | {"request_id": request_id}


def problem_response(error: BaseException, *, request_id: str | None = None) -> Response:
    body = problem_body(error, request_id=request_id)
    return Response(orjson.dumps(body), status_code=body["status"], media_type=PROBLEM_JSON, headers=headers_of(error))


def _encodable(text: str) -> str:
    """A caller's field names may hold lone surrogates, which no JSON answer can carry."""
    return text.encode("utf-8", "replace").decode()
