"""A decision as it is answered, stored and read again. How it is reached is `decide`'s business."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fairstall.model.decide import Doubt, Finding, Outcome

MODEL_ACTOR = "model"


@dataclass(frozen=True, slots=True)
class Versions:
    model: str
    policies: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """Whether this listing was drawn for the control sample, and with which probability it gets a label.

    `inclusion_probability` is 1 for a listing that goes to review anyway, and the control rate for any other.
    """

    control: bool
    inclusion_probability: float


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the model side makes of one listing. `probabilities`: calibrated, per policy code that the model scores."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    doubts: tuple[Doubt, ...]
    probabilities: Mapping[str, float]
    evasion: Mapping[str, int]
    sampling: Sampling
    versions: Versions


@dataclass(frozen=True, slots=True)
class Decision:
    """One row of the ledger: never changed, only overridden by a newer one that names it in `overrides`.

    `actor` is "model" or `user:NAME`. `automated` says that no person took part in this decision. `repeated`: its
    scores are those of an equal text that came before. `erased_at`: since then seller and listing are pseudonyms, and
    evidence has no text.
    """

    decision_id: str
    listing_id: str
    seller_id: str
    decided_at: datetime
    assessment: Assessment
    actor: str = MODEL_ACTOR
    case_id: str | None = None
    overrides: str | None = None
    repeated: bool = False
    erased_at: datetime | None = None

    @property
    def outcome(self) -> Outcome:
        return self.assessment.outcome

    @property
    def automated(self) -> bool:
        return self.actor == MODEL_ACTOR and self.outcome is not Outcome.REVIEW
