"""How a server is asked about a listing: whole HTTP requests made beforehand, each with a hole for a new id."""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fairstall.model.listing import Listing
from fairstall.model.wire import listing_body

HOLE = "#" * 16
RUN_CHARACTERS = 8  # of the id; the rest counts the requests of a run
SEPARATOR = b"\x1e"  # stands in no JSON text


@dataclass(frozen=True, slots=True)
class Asking:
    """`body` makes the JSON of a request and may hold the HOLE; a good answer contains `proof`."""

    path: str
    body: Callable[[Listing], Mapping[str, Any]]
    proof: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request but for the id that stands between `head` and `tail`."""

    head: bytes
    tail: bytes

    def numbered(self, run: str, number: int) -> bytes:
        """The request with the id of the run's request of that number: no id is sent twice."""
        return self.head + f"{run}{number:08d}".encode() + self.tail


def ask_service(secret: str) -> Asking:
    """How Fairstall is asked, with an API key."""
    return Asking(
        "/v1/score",
        lambda listing: listing_body(replace(listing, listing_id=HOLE)),
        '"decision_id":"',
        {"Authorization": f"Bearer {secret}"},
    )


def ask_with_texts(path: str, proof: str) -> Asking:
    """How a server is asked that takes title and description; the id goes into a header."""
    return Asking(path, texts, proof, {"X-Listing-Id": HOLE})


def texts(listing: Listing) -> dict[str, str]:
    return {"title": listing.title, "description": listing.description}


def make_requests(asking: Asking, listings: Sequence[Listing]) -> list[Request]:
    """One request for each listing."""
    return [_request(asking, listing) for listing in listings]


def requests_file(requests: Sequence[Request]) -> bytes:
    """The requests as `wrk.lua` reads them."""
    return SEPARATOR.join(one.head + HOLE.encode() + one.tail for one in requests)


def new_run() -> str:
    """What the ids of one run begin with."""
    return secrets.token_hex(RUN_CHARACTERS // 2)


def _request(asking: Asking, listing: Listing) -> Request:
    body = json.dumps(asking.body(listing), ensure_ascii=False).encode()
    headers = {"Host": "127.0.0.1", **asking.headers, "Content-Type": "application/json", "Content-Length": len(body)}
    lines = [f"POST {asking.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    head, _, tail = ("\r\n".join(lines).encode() + body).partition(HOLE.encode())
    return Request(head, tail)
