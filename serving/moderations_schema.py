"""The shapes of OpenAI's moderation answers and errors, and their path in the OpenAPI document."""

from typing import Any, Literal

from fairstall.serving.bodies import JSON
from fairstall.serving.moderations import ModerationBody
from fairstall.serving.openapi_parts import REPLAYED, SERVICE, ErrorShape, leads_to, operation, ref, takes
from fairstall.serving.schema import DecisionId, DoubtName, OutcomeName, Probability, Shape


class ModerationResult(Shape):
    """One text. Everything is by policy code; the last three fields are Fairstall's own."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, Probability]
    category_applied_input_types: dict[str, list[Literal["text"]]]
    decision_id: DecisionId
    outcome: OutcomeName
    doubts: list[DoubtName]


class ModerationAnswer(Shape):
    """A result for each text, in their order. `id` is `modr-` and the first decision's id, `model` the bundle."""

    id: str
    model: str
    results: list[ModerationResult]


class OpenAIErrorFacts(Shape):
    message: str
    type: str
    param: str | None
    code: str


class OpenAIError(Shape):
    """An error as OpenAI tells it."""

    error: OpenAIErrorFacts


SHAPES = (ModerationBody, ModerationAnswer, OpenAIError)


def moderation_paths() -> dict[str, Any]:
    refusals = SERVICE | {
        400: "The body is no JSON, or a field is missing, unknown or wrong; `param` names it.",
        422: "The Idempotency-Key was used for another request.",
        500: "A fault of ours. Where it is one of some texts, `param` names the first. Nothing was stored.",
    }
    moderate = operation(
        "moderations",
        "Judge texts as OpenAI's moderation endpoint does.",
        ModerationAnswer,
        refusals,
        errors=ErrorShape(JSON, OpenAIError),
        headers=REPLAYED,
        links=leads_to("decision", decision_id="/results/0/decision_id"),
    )
    return {"/v1/moderations": {"post": moderate | takes(ref(ModerationBody))}}
