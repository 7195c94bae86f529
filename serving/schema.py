"""The shapes of answers, for the OpenAPI document and for tests: nothing is built from them at run time."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]
DecisionId = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
OutcomeName = Literal["approve", "review", "block"]
DoubtName = Literal["language_not_covered", "longer_than_the_model_reads", "text_disguised", "not_scored_in_time"]


OnTimeoutName = Literal["hold", "review", "publish"]


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class EvidenceShape(Shape):
    """The raw text `start:end` of a field, in Unicode code points."""

    field: Literal["title", "description"]
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]
    text: str


class ResemblanceShape(Shape):
    """The decision that blocked a listing which is nearly the same, and how much of both is the same."""

    decision_id: DecisionId
    similarity: Probability


class FindingShape(Shape):
    """One policy that stood in the way of approval. `probability` is null when no model scores this policy.

    `resembles` is null when no blocked listing is nearly the same; `source` is `near_duplicate` if nothing else speaks.
    """

    policy: str
    probability: Probability | None
    band: Literal["low", "medium", "high"]
    source: Literal["model", "rule", "model+rule", "near_duplicate"]
    evidence: list[EvidenceShape]
    reason: str
    resembles: ResemblanceShape | None = None


class VersionsShape(Shape):
    """Which model and which policies took part."""

    model: str
    policies: str


class _Decided(Shape):
    decision_id: DecisionId
    listing_id: str
    outcome: OutcomeName
    findings: list[FindingShape]
    doubts: list[DoubtName]
    evasion: Annotated[dict[str, int], Field(description="How often each trick of disguise was undone in the text.")]
    case_id: Annotated[DecisionId | None, Field(description="The case in the review queue of a listing under review.")]
    versions: VersionsShape
    automated: Annotated[bool, Field(description="False when a person decided or has to decide.")]
    repeated: Annotated[bool, Field(description="The scores are those of an equal text that came before.")]
    scores: Annotated[
        dict[str, Probability] | None, Field(description="Every policy's probability; with `?scores=true` only.")
    ] = None


class Answer(_Decided):
    """What a listing is answered with, once its decision is stored."""

    timings_ms: Annotated[dict[str, float], Field(description="Milliseconds by stage: prepare, queue, score, decide.")]


class StoredDecision(_Decided):
    """A decision read back. `overrides` names the decision that this one takes the place of.

    `erased_at` is null unless the seller's data were erased; then seller and listing are pseudonyms, and evidence is
    without its text.
    """

    seller_id: str
    decided_at: Moment
    actor: Annotated[str, Field(description="'model' or 'user:NAME'.")]
    overrides: DecisionId | None
    erased_at: Moment | None = None


class FieldProblem(Shape):
    field: str
    problem: str


class Problem(Shape):
    """RFC 9457 problem details. `errors` name each wrong field.

    `on_timeout`: what the policies state for a listing that the service could not answer for.
    """

    type: Annotated[str, Field(json_schema_extra={"format": "uri"})]
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] | None = None
    on_timeout: OnTimeoutName | None = None
    request_id: str | None = None


class Unanswered(Problem):
    """A problem of the service's: `on_timeout` is what the policies state for the listing, which got no answer."""

    on_timeout: OnTimeoutName


class RefusedItem(Shape):
    """In the place of a listing that was wrong."""

    error: Problem


class BatchAnswer(Shape):
    """An answer or an error for each listing, in their order."""

    answers: list[Answer | RefusedItem]


class Health(Shape):
    status: Literal["ok"]


class Readiness(Shape):
    status: Literal["ready"]
    versions: VersionsShape


class PolicyShape(Shape):
    """A policy in the words for sellers. `on_timeout`: what it states for a listing that gets no answer."""

    code: str
    title: str
    seller_text: str
    severity: Literal["low", "medium", "high", "critical"]
    on_timeout: OnTimeoutName


class PoliciesInForce(Shape):
    """The policies that decide now. `on_timeout` is the strictest of theirs, and the one that holds."""

    version: str
    on_timeout: OnTimeoutName
    policies: list[PolicyShape]


class DecisionEvent(Shape):
    """What a webhook tells of a decision: neither the text of the listing nor its seller."""

    decision_id: DecisionId
    listing_id: str
    outcome: OutcomeName
    policies: Annotated[list[str], Field(description="The policies of the findings, the gravest first.")]
    automated: Annotated[bool, Field(description="False when a person decided or has to decide.")]
    overrides: Annotated[DecisionId | None, Field(description="The decision that this one takes the place of.")]
    decided_at: Moment


class EventMessage(Shape):
    """The body of a webhook, as Standard Webhooks has it."""

    type: Literal["decision.made", "decision.overridden"]
    timestamp: Annotated[Moment, Field(description="When it happened, not when it was sent.")]
    data: DecisionEvent
