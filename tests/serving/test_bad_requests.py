"""Whatever is sent, the answer is a clear 4xx in problem JSON, and nothing is stored."""

import json
import socket

import pytest

from fairstall.records.keys import Scope, create_key, revoke_key

JSON_TYPE = {"Content-Type": "application/json"}


def raw(**changes):
    body = {"listing_id": "l-1", "seller_id": "s-1", "title": "Chair", "description": "A chair."} | changes
    return json.dumps(body).encode()


BAD_BODIES = {
    "nothing": (b"", 400, "body", "line 1, column 1"),
    "half a document": (raw()[:-1], 400, "body", "line 1"),
    "no UTF-8": (raw().replace(b"Chair", b"Ch\xff\xfe"), 400, "body", "0xFF at position"),
    "UTF-16": (raw().decode().encode("utf-16"), 400, "body", "not UTF-8"),
    "a byte order mark": (b"\xef\xbb\xbf" + raw(), 400, "body", "BOM"),
    "half a surrogate pair": (raw().replace(b"Chair", rb"\ud83d"), 400, "body", "line 1"),
    "half a surrogate pair as a name": (raw().replace(b'"title"', rb'"\ud83d"'), 400, "body", "line 1"),
    "nested 100,000 deep": (b"[" * 100_000, 400, "body", "deep"),
    "nested inside a field": (b'{"attributes":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001, 400, "body", "deep"),
    "NaN": (raw().replace(b'"l-1"', b"NaN"), 400, "body", "NaN"),
    "Infinity": (raw().replace(b'"l-1"', b"-Infinity"), 400, "body", "Infinity"),
    "a number of 5,000 digits": (raw().replace(b'"l-1"', b"9" * 5_000), 400, "body", "digits"),
    "a name twice": (raw().replace(b'"seller_id"', b'"listing_id"'), 400, "listing_id", "more than once"),
    "a list": (b"[]", 422, "listing", "object"),
    "null": (b"null", 422, "listing", "object"),
    "an unknown field": (raw(colour="red"), 422, "colour", "not permitted"),
    "a wrong type": (raw(title=7), 422, "title", "string"),
    "a missing field": (raw().replace(b'"title"', b'"category"'), 422, "title", "required"),
    "an empty id": (raw(listing_id=""), 422, "listing_id", "1"),
    "no text at all": (raw(title=" ", description="\n"), 422, "title", "empty"),
    "200 kB of description": (raw(description="x" * 200_000), 422, "description", "50000"),
    "a control character": (raw(title="a\x00b"), 422, "title", "U+0000"),
    "a control character in an attribute's name": (raw(attributes={"a\x1b": "b"}), 422, "attributes", "U+001B"),
    "too many attributes": (raw(attributes={str(n): "" for n in range(101)}), 422, "attributes", "100"),
    "an endless price": (raw(price={"amount": "1e999999999", "currency": "EUR"}), 422, "price.amount", "digits"),
    "an infinite price": (raw(price={"amount": "Infinity", "currency": "EUR"}), 422, "price.amount", "finite"),
    "a negative price": (raw(price={"amount": -1, "currency": "EUR"}), 422, "price.amount", "0"),
    "a currency that is none": (raw(price={"amount": 1, "currency": "euro"}), 422, "price.currency", "pattern"),
    "a language that is none": (raw(language="en\n"), 422, "language", "pattern"),
}


def assert_problem(response, status, field=None, said=""):
    problem = response.json()
    assert (response.status_code, problem["status"]) == (status, status)
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["type"].startswith("urn:fairstall:problem:")
    assert problem["request_id"] == response.headers["x-request-id"]
    assert "Traceback" not in response.text
    if field:
        assert any(field in one["field"] and said in one["problem"] for one in problem["errors"]), problem


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_refused_and_its_place_named(unmoved, name):
    body, status, field, said = BAD_BODIES[name]
    assert_problem(unmoved.client.post("/v1/score", content=body, headers=JSON_TYPE), status, field, said)
    assert unmoved.stored() == (0, 0, 0, 0, 0)


def test_a_million_combining_marks_are_refused_by_their_field(unmoved, make_parts):
    body = raw(description="e" + "\u0301" * 40_000)
    assert_problem(unmoved.client.post("/v1/score", content=body, headers=JSON_TYPE), 422, "description", "combining")
    body = raw(description="e" + "\u0301" * 150_000)
    assert_problem(unmoved.client.post("/v1/score", content=body, headers=JSON_TYPE), 422, "description", "at most")
    body = b'{"title":"' + ("e" + "\u0301" * 1_000_000).encode() + b'"}'
    assert_problem(unmoved.client.post("/v1/score", content=body, headers=JSON_TYPE), 413)


def test_text_that_is_only_strange_is_scored(served, a_listing):
    for title in (
        "<script>alert(1)</script>",
        "שולחן",
        "🪑" * 100,
        "\u202egnp.exe",
        "a\u200bb",
        "{{7*7}}",
        "' OR 1=1 --",
    ):
        assert served.score(a_listing(title=title)).status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("path", "limit"), [("/v1/score", 1_000_000), ("/v1/score/batch", 8_000_000)])
def test_a_body_over_the_limit_is_refused_before_it_is_all_taken(unmoved, path, limit, chunked):
    pieces = (b" " * 65_536 for _ in range(limit // 65_536 + 50))
    content = pieces if chunked else b"".join(pieces)
    response = unmoved.client.post(path, content=content, headers=JSON_TYPE)
    assert_problem(response, 413)
    assert f"{limit:,}" in response.json()["detail"]


def test_an_endless_body_is_cut_off(unmoved):
    host, port = unmoved.client.base_url.host, unmoved.client.base_url.port
    head = f"POST /v1/score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {unmoved.secret}\r\n"
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection((host, port), timeout=20) as connection:
        connection.sendall(head.encode())
        with pytest.raises(OSError, match=r"reset|pipe"):
            connection.sendall((b"10000\r\n" + b" " * 65_536 + b"\r\n") * 1_000)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_only_plain_json_is_taken(unmoved, headers):
    assert_problem(unmoved.client.post("/v1/score", content=raw(), headers=headers), 415)


def test_json_with_a_charset_is_taken(served):
    headers = {"Content-Type": 'application/json; charset="UTF-8"'}
    assert served.client.post("/v1/score", content=raw(), headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [("", 401), ("Basic c2hvcDp4", 401), ("Bearer", 401), ("Bearer fs_unknown", 401), ("Bearer ké", 401)],
)
def test_a_caller_without_a_key_is_refused(unmoved, authorization, status):
    response = unmoved.client.post(
        "/v1/score", content=raw(), headers=JSON_TYPE | {"Authorization": authorization.encode()}
    )
    assert_problem(response, status)
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_a_key_for_reading_cannot_score(served, a_listing):
    secret = create_key(served.parts.engine, "dashboard", Scope.READ, now=served.parts.clock()).secret
    reader = {"Authorization": f"bearer {secret}"}
    assert_problem(served.score(a_listing(), headers=reader), 403)
    decision_id = served.score(a_listing()).json()["decision_id"]
    assert served.client.get(f"/v1/decisions/{decision_id}", headers=reader).status_code == 200


@pytest.mark.parametrize("body", [[], {}, {"listings": []}, {"listings": {}}, "x", [{}] * 101])
def test_a_batch_of_another_size_or_shape_is_refused(unmoved, body):
    assert_problem(unmoved.client.post("/v1/score/batch", json=body), 422, "listings")


def test_an_unknown_field_of_a_batch_is_named(unmoved):
    assert_problem(unmoved.client.post("/v1/score/batch", json={"listings": [], "mode": 1}), 422, "mode", "unknown")


def test_a_flag_that_is_none_is_named(unmoved):
    assert_problem(unmoved.client.post("/v1/score?scores=maybe", content=raw(), headers=JSON_TYPE), 422, "scores")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/v1/score", 405)])
def test_addresses_and_methods_that_are_not_there(unmoved, method, path, status):
    response = unmoved.client.request(method, path)
    assert_problem(response, status)
    assert ("allow" in response.headers) == (status == 405)


def test_a_revoked_key_is_refused_once_it_is_forgotten(sqlite_engine, make_parts, serve_parts, a_listing):
    from fairstall.serving.limits import Limits

    with serve_parts(make_parts(sqlite_engine, limits=Limits(key_cache_s=0))) as served:
        assert served.score(a_listing()).status_code == 200
        revoke_key(sqlite_engine, "shop", now=served.parts.clock())
        assert_problem(served.score(a_listing()), 401)
