"""The shape of a policy file: every field, its type and its limits. Naming lines is `policy_file`'s."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from fairstall.model.dsa import DSA_KEYWORDS
from fairstall.model.patterns import compile_pattern
from fairstall.model.policies import (
    DsaClass,
    Example,
    OnTimeout,
    Pattern,
    Policy,
    PolicySet,
    ReviewTerms,
    RuleAction,
    Severity,
    Targets,
    Term,
)
from fairstall.model.terms import fold_term


def _refusal(message: str) -> PydanticCustomError:
    return PydanticCustomError("policy_file", "{message}", {"message": message})


def _not_blank(text: str) -> str:
    if not text.strip():
        raise _refusal("is empty")
    return text.strip()


def _code(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*", text):
        raise _refusal(f"'{text}' is not a code; a code looks like prohibited/weapons, in lower case")
    return text


def _version(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", text):
        raise _refusal(f"'{text}' is not a version; use at most 40 letters, digits, dots, dashes and underscores")
    return text


def _term(text: str) -> str:
    folded = fold_term(text)
    if not folded:
        raise _refusal("is empty")
    return " ".join(text.split())


def _regex(text: str) -> str:
    if not text.strip():
        raise _refusal("is empty")
    try:
        compile_pattern(text)
    except ValueError as error:
        raise _refusal(str(error)) from error
    return text


def _category(text: str) -> str:
    if text not in DSA_KEYWORDS:
        raise _refusal(f"'{text}' is not a category; the categories are {', '.join(DSA_KEYWORDS)}")
    return text


Line = Annotated[str, Field(max_length=200), AfterValidator(_not_blank)]
Paragraph = Annotated[str, Field(max_length=2000), AfterValidator(_not_blank)]
TermText = Annotated[str, Field(max_length=100), AfterValidator(_term)]
Regex = Annotated[str, Field(max_length=1000), AfterValidator(_regex)]


class Shape(BaseModel):
    """What every part of the file has in common: unknown fields are refused and nothing is converted by guess."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ExampleShape(Shape):
    title: Line
    description: Annotated[str, Field(max_length=2000)] = ""
    why: Line

    def example(self) -> Example:
        return Example(self.title, self.why, self.description.strip())


class TermsShape(Shape):
    block: list[TermText] = []
    review: list[TermText] = []
    evidence: list[TermText] = []


class PatternsShape(Shape):
    block: list[Regex] = []
    review: list[Regex] = []
    evidence: list[Regex] = []


_DEFAULT_TARGETS = Targets()


class TargetsShape(Shape):
    precision: Annotated[float, Field(gt=0.5, lt=1)] = _DEFAULT_TARGETS.precision
    missed: Annotated[float, Field(gt=0, lt=0.5)] = _DEFAULT_TARGETS.missed


_DEFAULT_REVIEW = ReviewTerms()
DueHours = Annotated[float, Field(gt=0, le=8_760)]


class ReviewShape(Shape):
    due_hours: DueHours = _DEFAULT_REVIEW.due_hours
    market_due_hours: dict[Line, DueHours] = {}
    reason_required: bool = _DEFAULT_REVIEW.reason_required
    blur: bool = _DEFAULT_REVIEW.blur
    second_share: Annotated[float, Field(ge=0, le=1)] = _DEFAULT_REVIEW.second_share

    def terms(self) -> ReviewTerms:
        return ReviewTerms(
            due_hours=self.due_hours,
            market_due_hours=tuple(sorted(self.market_due_hours.items())),
            reason_required=self.reason_required,
            blur=self.blur,
            second_share=self.second_share,
        )


class DsaShape(Shape):
    category: Annotated[str, AfterValidator(_category)]
    keyword: str

    @field_validator("keyword")
    @classmethod
    def _of_the_category(cls, keyword: str, info: ValidationInfo) -> str:
        category = info.data.get("category")
        known = DSA_KEYWORDS[category] if category else {word for words in DSA_KEYWORDS.values() for word in words}
        if keyword not in known:
            of = f"{category}, whose keywords are {', '.join(known)}" if category else "any category"
            raise _refusal(f"'{keyword}' is not a keyword of {of}")
        return keyword


class PolicyShape(Shape):
    code: Annotated[str, Field(max_length=60), AfterValidator(_code)]
    title: Line
    seller_text: Paragraph
    guideline: Paragraph
    severity: Annotated[Severity, Field(strict=False)]
    points: Annotated[int, Field(ge=0, le=100)]
    dsa: DsaShape
    targets: TargetsShape = TargetsShape()
    on_timeout: Annotated[OnTimeout, Field(strict=False)] = OnTimeout.HOLD
    review: ReviewShape = ReviewShape()
    terms: TermsShape = TermsShape()
    patterns: PatternsShape = PatternsShape()
    violations: list[ExampleShape]
    look_alikes: list[ExampleShape]

    def policy(self) -> Policy:
        return Policy(
            code=self.code,
            title=self.title,
            seller_text=self.seller_text,
            guideline=self.guideline,
            severity=self.severity,
            points=self.points,
            dsa=DsaClass(self.dsa.category, self.dsa.keyword),
            violations=tuple(shape.example() for shape in self.violations),
            look_alikes=tuple(shape.example() for shape in self.look_alikes),
            terms=tuple(Term(text, action) for action in RuleAction for text in getattr(self.terms, action)),
            patterns=tuple(Pattern(regex, action) for action in RuleAction for regex in getattr(self.patterns, action)),
            targets=Targets(self.targets.precision, self.targets.missed),
            on_timeout=self.on_timeout,
            review=self.review.terms(),
        )


class PolicyFileShape(Shape):
    version: Annotated[str, AfterValidator(_version)]
    policies: Annotated[list[PolicyShape], Field(min_length=1)]

    def policy_set(self) -> PolicySet:
        return PolicySet.named(self.version, tuple(shape.policy() for shape in self.policies))


# Which fields stand at a place of the file, the list positions left out.
SHAPES: Mapping[tuple[str, ...], type[Shape]] = {
    (): PolicyFileShape,
    ("policies",): PolicyShape,
    ("policies", "dsa"): DsaShape,
    ("policies", "targets"): TargetsShape,
    ("policies", "review"): ReviewShape,
    ("policies", "terms"): TermsShape,
    ("policies", "patterns"): PatternsShape,
    ("policies", "violations"): ExampleShape,
    ("policies", "look_alikes"): ExampleShape,
}
