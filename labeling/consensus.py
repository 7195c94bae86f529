"""How reliable each reviewer is when there is no truth but what all say: cleanlab's CROWDLAB. Labels in, figures out.

Goh, Tkachenko and Mueller 2022, "CROWDLAB: Supervised learning to infer consensus labels and quality scores for data
with multiple annotators". Importing cleanlab takes seconds, so it is done when somebody asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fairstall.model.errors import MissingExtra

LEAST_PROBABILITY = 0.01  # the model is never given the last word


@dataclass(frozen=True, slots=True)
class Judged:
    """What reviewers said of one decision, violation or not, and the model's probability that it is one."""

    by: Mapping[str, bool]
    probability: float


@dataclass(frozen=True, slots=True)
class Consensus:
    """`quality`: how often a reviewer is right, as estimated from all labels and the model, 0 to 1.

    `agreeing`: how often he says what all together say of the `decisions` that others judged too.
    """

    quality: float
    agreeing: float
    decisions: int


def by_consensus(judged: Sequence[Judged]) -> dict[str, Consensus]:
    """The figures of each reviewer of these decisions, each of which has two reviewers at least.

    None at all without two reviewers. Raises MissingExtra without cleanlab.
    """
    people = sorted({one for decision in judged for one in decision.by})
    if len(people) < 2:
        return {}
    try:
        import numpy as np
        import pandas as pd
        from cleanlab.multiannotator import get_label_quality_multiannotator
    except ModuleNotFoundError as error:
        raise MissingExtra("quality", "quality") from error
    given = pd.DataFrame([[decision.by.get(one) for one in people] for decision in judged], columns=people, dtype=float)
    violation = np.clip([decision.probability for decision in judged], LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    found = get_label_quality_multiannotator(
        given, np.column_stack([1 - violation, violation]), return_detailed_quality=False, verbose=False
    )
    counted = given.notna().sum()
    return {
        str(row.Index): Consensus(
            float(row.annotator_quality), float(row.agreement_with_consensus), int(counted[row.Index])
        )
        for row in found["annotator_stats"].itertuples()
    }
