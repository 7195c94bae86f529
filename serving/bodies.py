"""Bytes from the network to checked values: bounded, timed, and strict about JSON. What the values mean is `wire`'s."""

import asyncio
import json
from collections.abc import Collection
from contextlib import nullcontext
from decimal import Decimal
from functools import partial
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from fairstall.model.errors import ListingError, Overloaded
from fairstall.model.listing import Listing
from fairstall.model.wire import ListingBody, listing_error
from fairstall.serving.afterwards import afterwards
from fairstall.serving.problems import BodyTooLarge, CallerLeft, Malformed, SlowCaller, UnsupportedMedia

JSON = "application/json"
WHOLE = "whole"  # in the state of a request that had arrived to its last byte: no deadline is set for reading it

Body = TypeVar("Body", bound=BaseModel)


class BodyRoom:
    """What the bodies of all requests together take, from the arrival of each part until its request is answered."""

    def __init__(self, *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._held_bytes = 0

    def take(self, size: int) -> None:
        """Raises Overloaded when there is no room, unless it is empty: one always fits."""
        if self._held_bytes and self._held_bytes + size > self._most_bytes:
            raise Overloaded(f"bodies of {self._held_bytes:,} bytes are at work, which is the most; try again shortly")
        self._held_bytes += size
        afterwards(partial(self._give_back, size))

    def _give_back(self, size: int) -> None:
        self._held_bytes -= size


async def read_body(
    request: Request, room: BodyRoom, *, limit_bytes: int, within_s: float, media: Collection[str] = (JSON,)
) -> bytes:
    """The body of a JSON request. Raises UnsupportedMedia, BodyTooLarge (before all of it was taken), SlowCaller, or
    Overloaded when there is no `room` for it, where it stays until the request is answered.

    `media` are the media types that callers of this protocol give to their JSON; "" stands for none at all.
    """
    _check_media(request, media)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit_bytes:
        raise _too_large(limit_bytes)
    parts, size = [], 0
    try:
        async with nullcontext() if request.scope["state"].get(WHOLE) else asyncio.timeout(within_s):
            async for part in request.stream():
                if not part:
                    continue
                size += len(part)
                if size > limit_bytes:
                    raise _too_large(limit_bytes)
                room.take(len(part))
                parts.append(part)
    except TimeoutError as error:
        raise SlowCaller(f"the body did not arrive within {within_s:g} seconds") from error
    except ClientDisconnect as error:
        raise CallerLeft from error
    return b"".join(parts)


def read_json(body: bytes) -> Any:
    """The JSON value in `body`, decimals kept exact. Raises Malformed, which names the place.

    Stricter than RFC 8259 asks: a repeated name is refused, since two readers could make two listings of it, and so is
    half of a surrogate pair, which no database and no answer can hold.
    """
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_object, parse_float=Decimal, parse_constant=_no_such_number
        )
    except UnicodeDecodeError as error:
        raise Malformed("body", f"not UTF-8: byte 0x{body[error.start]:02X} at position {error.start}") from error
    except json.JSONDecodeError as error:
        raise Malformed("body", f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise Malformed("body", "nested too deeply") from error
    except ValueError as error:
        raise Malformed("body", "a number has too many digits") from error
    if b"\\u" in body:
        _check_escapes(body)
    return value


def read_body_as(model: type[Body], value: Any) -> Body:
    """A JSON value as the body that `model` describes. Raises ListingError, which names each wrong field."""
    if not isinstance(value, dict):
        raise ListingError("body", "a JSON object is needed")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise listing_error(error) from error


def read_listing(value: Any) -> Listing:
    """The checked listing in a JSON value. Raises ListingError, which names each wrong field."""
    if not isinstance(value, dict):
        raise ListingError("listing", "a JSON object is needed")
    try:
        return ListingBody.model_validate(value).listing()
    except ValidationError as error:
        raise listing_error(error) from error


def read_listings(value: Any, *, at_most: int) -> list[Any]:
    """The values of a batch: an array, or an object with the one field `listings`. They are not yet checked."""
    if isinstance(value, dict):
        if unknown := [name for name in value if name != "listings"]:
            raise ListingError(unknown[0][:80], "unknown field: a batch has the one field 'listings'")
        value = value.get("listings")
    if not isinstance(value, list):
        raise ListingError("listings", "an array of listings is needed")
    if not 1 <= len(value) <= at_most:
        raise ListingError("listings", f"a batch has 1 to {at_most} listings, this one has {len(value)}")
    return value


def _check_media(request: Request, media: Collection[str]) -> None:
    given, _, parameters = request.headers.get("content-type", "").partition(";")
    if given.strip().lower() not in media:
        raise UnsupportedMedia(f"Content-Type is {given.strip()[:80] or 'missing'!r}: send {JSON}")
    charset = parameters.lower().replace(" ", "").partition("charset=")[2].strip('"')
    if charset not in ("", "utf-8", "utf8"):
        raise UnsupportedMedia(f"the charset is {charset[:80]!r}: JSON is sent as UTF-8")
    if (encoding := request.headers.get("content-encoding", "identity")) != "identity":
        raise UnsupportedMedia(f"Content-Encoding is {encoding[:80]!r}: send the body uncompressed")


def _too_large(limit_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {limit_bytes:,} bytes, which is the limit here")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(twice[:80], "the name occurs more than once in one object")
    return value


def _check_escapes(body: bytes) -> None:
    try:
        from_json(body)
    except ValueError as error:
        raise Malformed("body", f"not JSON: {error}") from error


def _no_such_number(name: str) -> NoReturn:
    raise Malformed("body", f"{name} is no JSON number")
