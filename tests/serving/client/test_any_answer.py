"""Whatever comes back, a call ends with an answer or with a ClientError."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairstall.client import BadAnswer, ClientError, Retries
from fairstall.client.calls import decision, ready, score, score_batch
from fairstall.client.errors import Reply, retry_after_s

LISTING = {"listing_id": "1", "seller_id": "s", "title": "chair", "description": ""}
NAMES = ["type", "status", "errors", "error", "answers", "outcome", "findings", "doubts", "versions", "decided_at"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=12,
)
BODIES = st.binary(max_size=50) | VALUES.map(lambda value: json.dumps(value).encode())
HEADERS = st.dictionaries(st.sampled_from(["retry-after", "date"]), st.text(max_size=30) | st.integers().map(str))
CALLS = (
    score(LISTING, scores=False, idempotency_key=None),
    score_batch([LISTING], scores=False, idempotency_key=None),
    decision("d", scores=False),
    ready(),
)


def end_of(call, reply):
    steps = Retries(attempts=1).steps(call)
    next(steps)
    try:
        return steps.send(reply)
    except (StopIteration, ClientError) as end:
        return end


@settings(max_examples=300, deadline=None, derandomize=True)
@given(call=st.sampled_from(CALLS), status=st.just(200) | st.integers(100, 599), headers=HEADERS, body=BODIES)
def test_any_reply_is_an_answer_or_an_error(call, status, headers, body):
    end = end_of(call, Reply(status, headers, body, "r"))
    assert isinstance(end, StopIteration | ClientError)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(later=st.text(max_size=40) | st.dates().map(str), now=st.text(max_size=40))
def test_any_retry_after_is_a_time_or_none(later, now):
    found = retry_after_s({"retry-after": later, "date": now})
    assert found is None or found >= 0


@pytest.mark.parametrize("text", ["Fri, 27 Nov 99999 12:00:09 GMT", "1 Jan 0000 0:0:0 +9999999", "9" * 400, ",,,"])
def test_a_strange_retry_after_is_no_error_of_its_own(text):
    retry_after_s({"retry-after": text, "date": "Fri, 27 Nov 2026 12:00:05 GMT"})


@pytest.mark.parametrize("status", [200, 503])
def test_an_answer_nested_without_end_is_an_error(status):
    end = end_of(CALLS[0], Reply(status, {}, b"[" * 200_000, "r"))
    assert isinstance(end, BadAnswer if status == 200 else ClientError)
