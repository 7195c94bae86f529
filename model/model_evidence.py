"""Model evidence: which words made a model find a policy, as it is stored and shown. `occlusion` finds it."""

from dataclasses import dataclass
from enum import StrEnum

from fairstall.model.listing import Field


class Weight(StrEnum):
    """How much less the model is sure of a policy without the words."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class WeighedSpan:
    """Raw text `start:end` of a field, in Unicode code points, that made the model find `policy`."""

    policy: str
    field: Field
    start: int
    end: int
    weight: Weight
