"""No body, however made, is answered with a 500."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
FIELDS = ("listing_id", "seller_id", "title", "description", "category", "price", "language", "market", "attributes")
CHANGES = st.dictionaries(st.sampled_from(FIELDS) | st.text(), JSON, max_size=3)
LISTING = {"listing_id": "l-1", "seller_id": "s-1", "title": "Chair", "description": "A chair."}
TEXTS = st.fixed_dictionaries({"title": st.text(max_size=200), "description": st.text(max_size=2_000)})
BODIES = JSON | st.builds(lambda changes: LISTING | changes, CHANGES) | st.builds(lambda texts: LISTING | texts, TEXTS)

often = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@often
@given(body=BODIES)
def test_any_json_is_scored_or_refused(served, body):
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    assert served.client.post("/v1/score", content=content, headers=headers).status_code in (200, 400, 422)
    batch = served.client.post("/v1/score/batch", content=b"[" + content + b"]", headers=headers)
    assert batch.status_code in (200, 400)


@often
@given(content=st.binary(max_size=500) | st.text().map(str.encode), flag=st.text(), key=st.text(max_size=20))
def test_any_bytes_are_refused(served, content, flag, key):
    headers = {"Content-Type": "application/json", "Idempotency-Key": key.encode("utf-8", "replace").hex()}
    response = served.client.post("/v1/score", content=content, headers=headers, params={"scores": flag})
    assert response.status_code in (400, 422)
