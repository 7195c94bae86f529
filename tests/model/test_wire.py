import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from fairstall.model.decide import Band, Doubt, Evidence, Finding, Outcome, Resemblance, Source
from fairstall.model.decision import Assessment, Decision, Sampling, Versions
from fairstall.model.errors import ListingError
from fairstall.model.wire import (
    ListingBody,
    answer_body,
    assessment_body,
    assessment_from_body,
    listing_body,
    parse_listing,
    stored_answer_body,
)

WHOLE: dict[str, Any] = {
    "listing_id": "l1",
    "seller_id": "s1",
    "title": "Vintage oak table",
    "description": "Collect in person.\nNo offers.",
    "category": "Home > Tables",
    "price": {"amount": "120.50", "currency": "EUR"},
    "language": "en",
    "market": "IE",
    "attributes": {"colour": "brown"},
}


def problems(**changes: Any) -> tuple[tuple[str, str], ...]:
    with pytest.raises(ListingError) as caught:
        parse_listing(json.dumps({**WHOLE, **changes}))
    return caught.value.problems


def assessment(outcome: Outcome = Outcome.REVIEW) -> Assessment:
    evidence = (Evidence("title", 0, 7, "Vintage"),)
    return Assessment(
        outcome=outcome,
        findings=(Finding("prohibited/drugs", 0.4, Band.MEDIUM, Source.BOTH, evidence, "No drugs."),),
        doubts=(Doubt.LANGUAGE,),
        probabilities={"prohibited/drugs": 0.4},
        evasion={"leet": 2},
        sampling=Sampling(control=True, inclusion_probability=1.0),
        versions=Versions(model="starter-1", policies="starter-2"),
    )


def test_a_listing_survives_the_round_trip() -> None:
    assert listing_body(parse_listing(json.dumps(WHOLE))) == WHOLE


@pytest.mark.parametrize("field", ["listing_id", "seller_id", "title", "description"])
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(ListingError) as caught:
        parse_listing(json.dumps({name: value for name, value in WHOLE.items() if name != field}))
    assert caught.value.problems[0][0] == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"listing_id": ""}, "listing_id"),
        ({"listing_id": 7}, "listing_id"),
        ({"listing_id": "x" * 201}, "listing_id"),
        ({"title": None}, "title"),
        ({"title": ["a"]}, "title"),
        ({"title": "x" * 1_001}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"description": "x" * 200_000}, "description"),
        ({"description": "a" + "\u0301" * 65}, "description"),
        ({"description": "a" + "\u0301" * 1_000_000}, "description"),
        ({"price": {"amount": -1, "currency": "EUR"}}, "price.amount"),
        ({"price": {"amount": "NaN", "currency": "EUR"}}, "price.amount"),
        ({"price": {"amount": 1, "currency": "euro"}}, "price.currency"),
        ({"price": 12}, "price"),
        ({"language": "english please"}, "language"),
        ({"attributes": {"a": 1}}, "attributes.a"),
        ({"attributes": {str(n): "" for n in range(101)}}, "attributes"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], field: str) -> None:
    assert problems(**changes)[0][0] == field


def test_a_listing_without_any_text_is_refused() -> None:
    assert problems(title=" ", description="\n") == (("title", "title and description are both empty"),)


def test_every_wrong_field_is_named_at_once() -> None:
    assert {field for field, _ in problems(title=1, seller_id="", colour="red")} == {"title", "seller_id", "colour"}


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"{", b"null", b"\xff\xfe", b'{"title": "\\ud800"}', b'{"a": ' * 100_000, b"1e999"]
)
def test_what_is_no_listing_is_refused_in_words(line: bytes) -> None:
    with pytest.raises(ListingError, match=r"^listing|^title|^listing_id"):
        parse_listing(line)


def test_an_assessment_survives_the_round_trip() -> None:
    body = json.loads(json.dumps(assessment_body(assessment())))
    assert assessment_from_body(body) == assessment()


def test_an_answer_without_a_stored_decision_has_no_ids_and_no_scores_unless_asked() -> None:
    answer = answer_body(assessment(), listing_id="l1")
    assert (answer["decision_id"], answer["case_id"], answer["automated"]) == (None, None, False)
    assert "scores" not in answer
    assert answer_body(assessment(), listing_id="l1", with_scores=True)["scores"] == {"prohibited/drugs": 0.4}


def test_an_answer_never_tells_who_was_drawn_for_the_control_sample() -> None:
    assert "sampling" not in answer_body(assessment(), listing_id="l1", with_scores=True)


def test_a_stored_answer_says_who_decided_and_what_it_replaces() -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    decision = Decision("d2", "l1", "s1", noon, assessment(Outcome.BLOCK), actor="user:ana", overrides="d1")
    body = stored_answer_body(decision)
    assert (body["actor"], body["automated"], body["overrides"]) == ("user:ana", False, "d1")
    assert body["decided_at"] == "2026-11-22T12:00:00.000000Z"


def test_what_a_finding_resembles_survives_the_round_trip_and_older_rows_have_none() -> None:
    plain = assessment()
    alike = replace(plain, findings=(replace(plain.findings[0], resembles=Resemblance("d-1", 0.875)),))
    body = json.loads(json.dumps(assessment_body(alike)))
    assert body["findings"][0]["resembles"] == {"decision_id": "d-1", "similarity": 0.875}
    assert assessment_from_body(body) == alike
    del body["findings"][0]["resembles"]
    assert assessment_from_body(body) == plain


@pytest.mark.parametrize(("reach", "read"), [("3", 3), ("3.0", 3), ("0", 0), ("null", None)])
def test_a_reach_is_a_whole_number_however_it_is_written(reach, read):
    line = f'{{"listing_id": "l", "seller_id": "s", "title": "Mug", "description": "", "reach": {reach}}}'
    assert parse_listing(line).reach == read


@pytest.mark.parametrize(("reach", "read"), [(3.0, 3), (Decimal("3.00"), 3), (Decimal("3e2"), 300)])
def test_a_reach_that_was_read_from_json_already_is_a_whole_number_too(reach, read):
    body = {"listing_id": "l", "seller_id": "s", "title": "Mug", "description": "", "reach": reach}
    assert ListingBody.model_validate(body).reach == read


@pytest.mark.parametrize("reach", ["3.5", '"3"', "true", "-1", "1e13", "1e400", "1e999999999"])
def test_a_reach_that_is_no_number_of_people_is_refused(reach):
    with pytest.raises(ListingError, match="reach"):
        parse_listing(f'{{"listing_id": "l", "seller_id": "s", "title": "Mug", "description": "", "reach": {reach}}}')
