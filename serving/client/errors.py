"""Every error that a call can raise, and the one table that finds it for a refusal.

ClientError
├── Misconfigured     no address or no key, or one that cannot be used: nothing was sent
├── BadRequest        the request is wrong as a whole (400, 405, 413, 415)
├── InvalidListing    a field is missing, unknown or wrong (422); `problems` names each
├── Unauthorized      the key is unknown or revoked (401)
├── Forbidden         the key has another scope (403)
├── NotFound          no such decision (404)
├── Conflict          the same call is still being answered (409)
│   └── KeyReused     the idempotency key belongs to another request (422)
├── Overloaded        too many listings are waiting, or the key is over its rate (429)
├── Unavailable       the service, or a gateway before it, cannot answer now (408, 502, 503, 504)
├── Failed            a fault of the service (500): report the request id
├── Unreachable       no connection, or it broke before the answer was read
├── TimedOut          no answer in time
└── BadAnswer         the answer is none that this client can read
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

from fairstall.client.answers import OnTimeout

_REUSED = "urn:fairstall:problem:idempotency-key-reused"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """A wrong field, and what is wrong with it."""

    field: str
    problem: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: a status, headers by their names in small letters, and the whole body."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    request_id: str


class ClientError(Exception):
    """The call failed.

    `request_id` finds it in the service's log. With `idempotency_key` the same call can be made again, also later and
    from elsewhere, and is decided once. `status`, `problems` and `retry_after_s` are there when the service gave them,
    and so is `on_timeout`: what the policies in force state for a listing that got no answer.
    """

    passes: ClassVar[bool] = False  # whether the same request may succeed a moment later

    def __init__(
        self,
        message: str | None = None,
        *,
        status: int | None = None,
        problems: tuple[FieldProblem, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.status = status
        self.problems = problems
        self.retry_after_s = retry_after_s
        self.on_timeout: OnTimeout | None = None
        self.request_id: str | None = None
        self.idempotency_key: str | None = None

    def __str__(self) -> str:
        said = super().__str__()
        return f"{said} (request {self.request_id})" if self.request_id else said


class Misconfigured(ClientError):
    """The address or the key cannot be used."""


class BadRequest(ClientError):
    """The request is wrong."""


class InvalidListing(ClientError):
    """A field of the listing is missing, unknown or wrong."""


class Unauthorized(ClientError):
    """The key is unknown or revoked."""


class Forbidden(ClientError):
    """The key has another scope."""


class NotFound(ClientError):
    """There is no such thing."""


class Conflict(ClientError):
    """The same call is still being answered."""

    passes = True


class KeyReused(Conflict):
    """The idempotency key was used for another request."""

    passes = False


class Overloaded(ClientError):
    """Too many listings are waiting, or the key scores faster than it may; nothing was stored."""

    passes = True


class Unavailable(ClientError):
    """The service cannot answer now."""

    passes = True


class Failed(ClientError):
    """Something went wrong inside the service."""


class Unreachable(ClientError):
    """There was no connection, or it broke."""

    passes = True


class TimedOut(ClientError):
    """There was no answer in time."""

    passes = True


class BadAnswer(ClientError):
    """The answer cannot be read."""


# A problem's type goes before the status; other statuses below 500 are a BadRequest, other ones a Failed.
REFUSALS: Mapping[int | str, type[ClientError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    408: Unavailable,
    409: Conflict,
    422: InvalidListing,
    429: Overloaded,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
    _REUSED: KeyReused,
}


def refusal(reply: Reply) -> ClientError:
    """The error that a reply tells of; its body need not be a problem: gateways answer with pages of their own."""
    if reply.status < 400:
        return BadAnswer(f"status {reply.status} where an answer was expected", status=reply.status)
    try:
        problem = json.loads(reply.content)
    except (ValueError, RecursionError):
        problem = None
    found = problem_error(problem if isinstance(problem, dict) else {}, status=reply.status)
    found.retry_after_s = retry_after_s(reply.headers)
    return found


def problem_error(problem: Mapping[str, Any], *, status: int) -> ClientError:
    """Problem details (RFC 9457) as an error, of the class that REFUSALS has for them."""
    usual = BadRequest if status < 500 else Failed
    kind = REFUSALS.get(str(problem.get("type"))) or REFUSALS.get(status, usual)
    words = ": ".join(str(problem[name]) for name in ("title", "detail") if problem.get(name))
    found = kind(f"{status} {words or (kind.__doc__ or '').strip()}", status=status, problems=_fields(problem))
    found.on_timeout = OnTimeout(problem["on_timeout"]) if "on_timeout" in problem else None
    return found


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The seconds of `Retry-After` (RFC 9110); a date in it is taken relative to the answer's own `Date`."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    later, now = _moment(value), _moment(headers.get("date", ""))
    return max((later - now).total_seconds(), 0.0) if later and now else None


def _fields(problem: Mapping[str, Any]) -> tuple[FieldProblem, ...]:
    told = problem.get("errors")
    named = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    return tuple(FieldProblem(str(one.get("field", "")), str(one.get("problem", ""))) for one in named)


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else None
