"""Listings and decisions as JSON: the one definition behind `POST /v1/score`, `fairstall score` and what is stored.

Reading is strict: unknown fields, wrong types, control characters and piles of combining marks are refused by name.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import regex
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from fairstall.model.decide import Band, Doubt, Evidence, Finding, Outcome, Resemblance, Source
from fairstall.model.decision import Assessment, Decision, Sampling, Versions
from fairstall.model.errors import ListingError
from fairstall.model.listing import Listing, Price

MAX_TITLE_CHARACTERS = 1_000
MAX_DESCRIPTION_CHARACTERS = 50_000
MAX_REACH = 10**12
MAX_COMBINING_MARKS = 64  # on one character; the longest in any living script is below 10

_CONTROLS = r"\x00-\x08\x0e-\x1f\x7f"
_CONTROL = regex.compile(f"[{_CONTROLS}]")
READABLE_PATTERN = f"^[^{_CONTROLS}]*$"  # for JSON Schema, which cannot say more of what `Readable` asks
SOME_TEXT_PATTERN = r"[^\s\x85]"
_PILE_OF_MARKS = regex.compile(rf"\p{{M}}{{{MAX_COMBINING_MARKS + 1}}}")


def _readable(text: str) -> str:
    if not text.isprintable() and (control := _CONTROL.search(text)):
        raise ValueError(f"has the control character U+{ord(control[0]):04X} at position {control.start()}")
    if not text.isascii() and (pile := _PILE_OF_MARKS.search(text)):
        raise ValueError(f"has more than {MAX_COMBINING_MARKS} combining marks in a row at position {pile.start()}")
    return text


def _whole(value: object) -> object:
    """JSON knows one kind of number: 3.0 is a whole one."""
    if not isinstance(value, float | Decimal) or not -MAX_REACH <= value <= MAX_REACH:
        return value
    return int(value) if value == int(value) else value


Readable = AfterValidator(_readable)
Described = Field(json_schema_extra={"pattern": READABLE_PATTERN})
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200), Readable, Described]
ShortText = Annotated[str, StringConstraints(max_length=500), Readable, Described]
AttributeText = Annotated[str, StringConstraints(max_length=2_000), Readable, Described]
Title = Annotated[str, StringConstraints(max_length=MAX_TITLE_CHARACTERS), Readable, Described]
Description = Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION_CHARACTERS), Readable, Described]
LanguageTag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)]

Attributes = Annotated[
    dict[ShortText, AttributeText], Field(max_length=100, json_schema_extra={"additionalProperties": False})
]


class PriceBody(BaseModel):
    """`amount` in units of `currency`, an ISO 4217 code."""

    model_config = ConfigDict(extra="forbid", strict=True)

    amount: Annotated[
        Decimal,
        Field(
            strict=False,
            ge=0,
            max_digits=18,
            allow_inf_nan=False,
            description="A decimal number of 18 digits at most, those behind the point included.",
        ),
    ]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class ListingBody(BaseModel):
    """One listing, as a seller uploads it. Title and description may not both be empty."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "anyOf": [{"properties": {name: {"pattern": SOME_TEXT_PATTERN}}} for name in ("title", "description")]
        },
    )

    listing_id: Identifier
    seller_id: Identifier
    title: Title
    description: Description
    category: ShortText | None = None
    price: PriceBody | None = None
    language: LanguageTag | None = None
    market: ShortText | None = None
    reach: Annotated[int, Field(ge=0, le=MAX_REACH), BeforeValidator(_whole)] | None = None
    attributes: Attributes = Field(default_factory=dict)

    def listing(self) -> Listing:
        """The checked Listing. Raises ListingError when there is no text at all."""
        if not (self.title.strip() or self.description.strip()):
            raise ListingError("title", "title and description are both empty")
        price = Price(self.price.amount, self.price.currency) if self.price else None
        return Listing(**{**vars(self), "price": price})


_LISTING_FIELDS = tuple(ListingBody.model_fields)


def parse_listing(line: str | bytes) -> Listing:
    """A checked Listing from the text of one JSON object. Raises ListingError, which names each wrong field."""
    try:
        return ListingBody.model_validate_json(line).listing()
    except ValidationError as error:
        raise listing_error(error) from error


def listing_error(error: ValidationError) -> ListingError:
    """pydantic's problems as ours, in the order of the fields; the input itself is never repeated."""
    problems = [
        (".".join(str(part) for part in problem["loc"])[:80] or "listing", problem["msg"].removeprefix("Value error, "))
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return ListingError(*problems[0], others=tuple(problems[1:]))


def listing_body(listing: Listing) -> dict[str, Any]:
    """The JSON object of a listing, as it was uploaded; absent fields are left out."""
    body = {name: getattr(listing, name) for name in _LISTING_FIELDS}
    if listing.price:
        body["price"] = {"amount": str(listing.price.amount), "currency": listing.price.currency}
    return {name: value for name, value in body.items() if value not in (None, {})}


def assessment_body(assessment: Assessment) -> dict[str, Any]:
    """The JSON object of an assessment, complete: `assessment_from_body` gives it back."""
    return {
        "outcome": str(assessment.outcome),
        "findings": [_finding_body(finding) for finding in assessment.findings],
        "doubts": [str(doubt) for doubt in assessment.doubts],
        "evasion": dict(assessment.evasion),
        "scores": dict(assessment.probabilities),
        "versions": {"model": assessment.versions.model, "policies": assessment.versions.policies},
        "sampling": {
            "control": assessment.sampling.control,
            "inclusion_probability": assessment.sampling.inclusion_probability,
        },
    }


def assessment_from_body(body: Mapping[str, Any]) -> Assessment:
    """The assessment that `assessment_body` wrote."""
    return Assessment(
        outcome=Outcome(body["outcome"]),
        findings=tuple(_finding_from_body(finding) for finding in body["findings"]),
        doubts=tuple(Doubt(doubt) for doubt in body["doubts"]),
        probabilities=dict(body["scores"]),
        evasion=dict(body["evasion"]),
        sampling=Sampling(**body["sampling"]),
        versions=Versions(**body["versions"]),
    )


def answer_body(
    assessment: Assessment,
    *,
    listing_id: str,
    decision: Decision | None = None,
    timings_ms: Mapping[str, float] | None = None,
    with_scores: bool = False,
) -> dict[str, Any]:
    """What a caller is answered. Without a stored `decision` the ids are null. Who was sampled is never told."""
    body = assessment_body(assessment)
    answer = {
        "decision_id": decision.decision_id if decision else None,
        "listing_id": listing_id,
        "outcome": body["outcome"],
        "findings": body["findings"],
        "doubts": body["doubts"],
        "evasion": body["evasion"],
        "case_id": decision.case_id if decision else None,
        "versions": body["versions"],
        "automated": assessment.outcome is not Outcome.REVIEW if decision is None else decision.automated,
        "repeated": decision is not None and decision.repeated,
        "timings_ms": {stage: round(spent, 3) for stage, spent in (timings_ms or {}).items()},
    }
    return answer | {"scores": body["scores"]} if with_scores else answer


def stored_answer_body(decision: Decision, *, with_scores: bool = False) -> dict[str, Any]:
    """A decision read back from the ledger: the answer, and who took it, when, and instead of which one."""
    answer = answer_body(
        decision.assessment, listing_id=decision.listing_id, decision=decision, with_scores=with_scores
    )
    del answer["timings_ms"]
    return answer | {
        "seller_id": decision.seller_id,
        "decided_at": iso_utc(decision.decided_at),
        "actor": decision.actor,
        "overrides": decision.overrides,
        "erased_at": iso_utc(decision.erased_at) if decision.erased_at else None,
    }


def iso_utc(moment: datetime) -> str:
    """RFC 3339 with microseconds and `Z`."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def json_line(body: Mapping[str, Any]) -> str:
    """One JSON object on one line, in readable Unicode."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _finding_body(finding: Finding) -> dict[str, Any]:
    return {
        "policy": finding.policy,
        "probability": finding.probability,
        "band": str(finding.band),
        "source": str(finding.source),
        "evidence": [{"field": e.field, "start": e.start, "end": e.end, "text": e.text} for e in finding.evidence],
        "reason": finding.reason,
        "resembles": _resemblance_body(finding.resembles),
    }


def _resemblance_body(resembles: Resemblance | None) -> dict[str, Any] | None:
    if resembles is None:
        return None
    return {"decision_id": resembles.decision_id, "similarity": resembles.similarity}


def _finding_from_body(body: Mapping[str, Any]) -> Finding:
    return Finding(
        policy=body["policy"],
        probability=body["probability"],
        band=Band(body["band"]),
        source=Source(body["source"]),
        evidence=tuple(Evidence(**evidence) for evidence in body["evidence"]),
        reason=body["reason"],
        resembles=Resemblance(**body["resembles"]) if body.get("resembles") else None,
    )
