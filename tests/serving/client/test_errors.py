"""Every refusal of the service and every exception of httpx becomes one of the client's errors."""

import json

import httpx
import pytest

from fairstall.client import (
    BadAnswer,
    BadRequest,
    ClientError,
    Conflict,
    Failed,
    Forbidden,
    InvalidListing,
    KeyReused,
    NotFound,
    Overloaded,
    Unauthorized,
    Unavailable,
    errors,
)
from fairstall.client.boundary import FOREIGN, translated
from fairstall.client.errors import Reply, refusal
from fairstall.serving.problems import KINDS, TYPE_PREFIX

EXPECTED = {
    "invalid-field": InvalidListing,
    "malformed": BadRequest,
    "too-large": BadRequest,
    "unsupported-media": BadRequest,
    "head-too-large": BadRequest,
    "slow": Unavailable,
    "slow-head": Unavailable,
    "idempotency-key-reused": KeyReused,
    "caller-left": BadRequest,
    "method-not-allowed": BadRequest,
    "unauthorized": Unauthorized,
    "forbidden": Forbidden,
    "not-found": NotFound,
    "conflict": Conflict,
    "bad-request": BadRequest,
    "overloaded": Overloaded,
    "rate-limited": Overloaded,
    "deadline": Unavailable,
    "store-unavailable": Unavailable,
    "crowded": Unavailable,
    "unavailable": Unavailable,
    "internal": Failed,
}


def every_httpx_exception():
    named = (getattr(httpx, name) for name in httpx.__all__)
    return [kind for kind in named if isinstance(kind, type) and issubclass(kind, Exception)]


def leaves(kinds):
    return [kind for kind in kinds if not any(issubclass(other, kind) and other is not kind for other in kinds)]


def made(kind):
    """An exception as httpx raises it, whatever its class wants to be told."""
    error = kind.__new__(kind)
    Exception.__init__(error, "secret words")
    return error


@pytest.mark.parametrize("kind", leaves(every_httpx_exception()), ids=lambda kind: kind.__name__)
def test_every_exception_of_httpx_has_its_place_in_the_table(kind):
    found = translated(made(kind))
    assert type(found) is not ClientError, f"add {kind.__name__} to FOREIGN"
    assert "secret" not in str(found)
    assert isinstance(found.__cause__, kind)


def test_every_exception_of_httpx_is_caught():
    assert not [kind for kind in every_httpx_exception() if not issubclass(kind, tuple(FOREIGN))]


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_problem_of_the_service_becomes_the_error_for_it(kind):
    problem = {"type": TYPE_PREFIX + kind.name, "title": kind.title, "status": kind.status, "detail": "so it is"}
    found = refusal(Reply(kind.status, {}, json.dumps(problem).encode(), "r"))
    assert type(found) is EXPECTED[kind.name]
    assert str(found) == f"{kind.status} {kind.title}: so it is"


def test_what_the_service_asks_to_repeat_is_what_passes():
    told_with_a_time = {kind.name for kind in KINDS.values() if "Retry-After" in kind.headers} | {"rate-limited"}
    assert {name for name, kind in EXPECTED.items() if kind.passes} == told_with_a_time | {"slow", "slow-head"}


@pytest.mark.parametrize(
    ("status", "kind"), [(402, BadRequest), (502, Unavailable), (504, Unavailable), (507, Failed), (304, BadAnswer)]
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'"x"', b'{"errors": 7}', b'{"errors": [1, {}]}', b"\xff"])
def test_a_gateways_page_is_an_error_by_its_status(status, kind, body):
    found = refusal(Reply(status, {}, body, "r"))
    assert (type(found), found.status) == (kind, status)


def test_every_error_is_a_client_error_and_is_drawn_in_the_tree():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    for kind in kinds:
        assert issubclass(kind, ClientError)
        assert f" {kind.__name__} " in errors.__doc__ or kind is ClientError
        assert str(kind()) == kind.__doc__.split("\n")[0] or kind is ClientError
