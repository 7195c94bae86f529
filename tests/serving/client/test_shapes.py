"""What the client sends and reads is what the OpenAPI document says: neither can drift from the other."""

import dataclasses
import types
from collections.abc import Mapping
from datetime import datetime
from typing import Union, get_args, get_origin, get_type_hints

import pytest

from fairstall.client import OnTimeout, Outcome, answers, calls
from fairstall.client.answers import read_decision, read_stored_decision
from fairstall.model.wire import ListingBody, PriceBody
from fairstall.serving import schema
from fairstall.serving.idempotency import HEADER, MAX_KEY_CHARACTERS
from fairstall.serving.openapi import openapi_document
from fairstall.serving.shell import REQUEST_ID

SCHEMAS = openapi_document()["components"]["schemas"]
SHAPES = {
    answers.Decision: schema.Answer,
    answers.StoredDecision: schema.StoredDecision,
    answers.Finding: schema.FindingShape,
    answers.Resemblance: schema.ResemblanceShape,
    answers.Evidence: schema.EvidenceShape,
    answers.Versions: schema.VersionsShape,
    answers.Health: schema.Health,
    answers.Readiness: schema.Readiness,
    answers.Policies: schema.PoliciesInForce,
    answers.Policy: schema.PolicyShape,
}
PLAIN = {
    str: "string",
    Outcome: "string",
    OnTimeout: "string",
    datetime: "string",
    float: "number",
    int: "integer",
    bool: "boolean",
}
LISTING = {"listing_id": "1", "seller_id": "s", "title": "chair", "description": ""}
DECIDED = {
    "decision_id": "d",
    "listing_id": "1",
    "outcome": "approve",
    "findings": [],
    "doubts": [],
    "evasion": {},
    "case_id": None,
    "versions": {"model": "m", "policies": "p"},
    "automated": True,
    "repeated": False,
    "timings_ms": {},
}


def told(hint):
    """The client's type in the words of JSON Schema: a set of types, where a class of ours stands for its shape."""
    if get_origin(hint) in (Union, types.UnionType):
        return frozenset().union(*(told(one) for one in get_args(hint)))
    if hint is type(None):
        return frozenset({"null"})
    if hint in SHAPES:
        return frozenset({SHAPES[hint].__name__})
    if get_origin(hint) is tuple:
        return frozenset({("array", told(get_args(hint)[0]))})
    if get_origin(hint) is Mapping:
        return frozenset({("object", told(get_args(hint)[1]))})
    return frozenset({PLAIN[hint]})


def documented(found):
    if "anyOf" in found:
        return frozenset().union(*(documented(one) for one in found["anyOf"]))
    if "$ref" in found:
        return frozenset({found["$ref"].rpartition("/")[2]})
    if found["type"] == "array":
        return frozenset({("array", documented(found["items"]))})
    if found["type"] == "object":
        return frozenset({("object", documented(found["additionalProperties"]))})
    return frozenset({found["type"]})


@pytest.mark.parametrize("kind", SHAPES, ids=lambda kind: kind.__name__)
def test_each_answer_has_the_fields_and_types_of_the_document(kind):
    described = SCHEMAS[SHAPES[kind].__name__]
    hints = get_type_hints(kind)
    assert {name: told(hint) for name, hint in hints.items()} == {
        name: documented(found) for name, found in described["properties"].items()
    }
    needed = {field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING}
    assert needed == set(described["required"])


def test_every_answer_is_held_to_its_shape():
    kinds = {
        kind
        for kind in vars(answers).values()
        if dataclasses.is_dataclass(kind) and kind.__module__ == answers.__name__
    }
    assert {kind for kind in kinds if not kind.__name__.startswith("_")} == set(SHAPES)


def test_outcomes_are_those_of_the_document():
    assert set(Outcome) == set(get_args(schema.OutcomeName))


@pytest.mark.parametrize(("fields", "body"), [(calls.ListingFields, ListingBody), (calls.PriceFields, PriceBody)])
def test_a_listing_has_the_fields_that_the_service_takes(fields, body):
    assert set(get_type_hints(fields)) == set(body.model_fields)
    assert fields.__required_keys__ == {name for name, field in body.model_fields.items() if field.is_required()}


def test_each_call_is_an_operation_of_the_document():
    options = {"scores": True, "idempotency_key": None}
    made = {
        "score": calls.score(LISTING, **options),
        "score_batch": calls.score_batch([LISTING], **options),
        "decision": calls.decision("{decision_id}", scores=True),
        "readyz": calls.ready(),
        "healthz": calls.health(),
    }
    for name, call in made.items():
        path = call.path.removesuffix("?scores=true").replace("%7B", "{").replace("%7D", "}")
        assert openapi_document()["paths"][path][call.method.lower()]["operationId"] == name


def test_headers_and_limits_are_those_of_the_service():
    assert (calls.IDEMPOTENCY_KEY, calls.REQUEST_ID) == (HEADER, REQUEST_ID)
    assert calls.MAX_KEY_CHARACTERS == MAX_KEY_CHARACTERS


def test_fields_and_words_of_a_newer_service_break_nothing():
    finding = {"policy": "p", "probability": None, "band": "extreme", "source": "vision", "reason": "r", "novel": 1}
    evidence = {"field": "subtitle", "start": 0, "end": 1, "text": "x", "novel": 1}
    body = DECIDED | {"outcome": "hold", "novel": {}, "findings": [finding | {"evidence": [evidence]}]}
    decision = read_decision(body | {"versions": {"model": "m", "policies": "p", "novel": "n"}})
    assert (decision.outcome, decision.outcome.value, decision.outcome.name) == ("hold", "hold", "UNKNOWN")
    assert isinstance(decision.outcome, Outcome)
    assert decision.outcome not in set(Outcome)
    assert decision.findings[0].evidence[0].field == "subtitle"


@pytest.mark.parametrize("name", sorted(DECIDED))
def test_an_answer_without_a_field_is_none(name):
    with pytest.raises((KeyError, TypeError)):
        read_decision({key: value for key, value in DECIDED.items() if key != name})
    with pytest.raises((KeyError, TypeError)):
        read_stored_decision(DECIDED)
