"""Single questions to a server, outside of any measurement."""

import http.client
import json
from typing import Any

from fairstall.model.listing import Listing
from fairstall.serving.bench.asking import Asking

TIMEOUT_S = 10


def is_ready(port: int, path: str) -> bool:
    """Whether a server answers a GET with 200."""
    return _answer(port, "GET", path, None, {}) is not None


def ask(port: int, asking: Asking, listing: Listing) -> Any:
    """The JSON of an answer with 200 and the proof in it, or None."""
    body = json.dumps(asking.body(listing), ensure_ascii=False).encode()
    answer = _answer(port, "POST", asking.path, body, {**asking.headers, "Content-Type": "application/json"})
    return json.loads(answer) if answer and asking.proof.encode() in answer else None


def _answer(port: int, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        return content if response.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
