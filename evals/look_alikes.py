"""Words are not deeds: compliant listings that use a policy's words, and violations that use none of them.

A policy's words are all its terms and patterns, those that only mark evidence included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fairstall.evals.arrays import Bools, Floats
from fairstall.evals.bootstrap import Bootstrap, Estimate, share_estimate
from fairstall.evals.recall import shares_caught
from fairstall.evals.rows import EvalRow
from fairstall.evals.scored import ScoredRows
from fairstall.evals.slices import MACRO, Thresholds, flagged, policy_scope

if TYPE_CHECKING:
    from fairstall.model.policies import PolicySet

LEAST_ROWS = 10  # of a policy; with fewer a share says nothing


@dataclass(frozen=True, slots=True)
class LookAlikes:
    """Shares by the score of the policy, at its release threshold; `rows` are how many a share is of.

    `worded`: of compliant rows with its words, those stopped; `plain`: of those without. `unnamed`: of violations
    without its words, those found. None where there are too few rows.
    """

    rows: Mapping[str, int]
    worded: Estimate | None
    plain: Estimate | None
    unnamed: Estimate | None

    def metrics(self, scope: str) -> dict[str, float]:
        flat = {f"look_alikes/{scope}/{name}_rows": float(count) for name, count in self.rows.items()}
        for name, found in (
            ("worded_false_positive_rate", self.worded),
            ("plain_false_positive_rate", self.plain),
            ("unnamed_recall", self.unnamed),
        ):
            flat |= found.metrics(f"look_alikes/{scope}/{name}") if found else {}
        return flat


def worded_cells(rows: Sequence[EvalRow], labels: Sequence[str], policies: "PolicySet") -> Bools:
    """(rows, labels): a term or pattern of the policy occurs in the listing."""
    from fairstall.model.rules import RuleBook
    from fairstall.model.view import view_listing

    book = RuleBook(policies)
    found = [{match.policy for match in book.matches(view_listing(row.listing()))} for row in rows]
    return np.array([[label in codes for label in labels] for codes in found], dtype=np.bool_).reshape(
        len(rows), len(labels)
    )


def measure_look_alikes(
    scored: ScoredRows, worded: Bools, thresholds: Thresholds, *, bootstrap: Bootstrap
) -> dict[str, LookAlikes]:
    """By scope: each policy with enough compliant rows that use its words, and the mean over them, `macro`."""
    caught, compliant, broken = flagged(scored, thresholds), scored.known & ~scored.truth, scored.known & scored.truth
    masks = {"worded": compliant & worded, "plain": compliant & ~worded, "unnamed": broken & ~worded}
    columns = np.flatnonzero(_groups(scored, masks["worded"]) >= LEAST_ROWS)
    if not columns.size:
        return {}
    counts = {name: _groups(scored, mask) for name, mask in masks.items()}
    drawn = {
        name: dict(zip(kept.tolist(), shares_caught(scored, mask, caught, kept, bootstrap), strict=True))
        for name, mask in masks.items()
        if (kept := columns[counts[name][columns] >= LEAST_ROWS]).size
    }
    scopes = {policy_scope(scored.labels[column]): [column] for column in columns.tolist()}
    scopes[MACRO] = columns.tolist()
    return {scope: _look_alikes(counts, drawn, of, bootstrap) for scope, of in scopes.items()}


def _look_alikes(
    counts: Mapping[str, "np.ndarray"], drawn: Mapping[str, Mapping[int, Floats]], columns: Sequence[int], by: Bootstrap
) -> LookAlikes:
    shares: dict[str, Estimate] = {}
    for name, values in drawn.items():
        if kept := [column for column in columns if column in values]:
            evidence = round(float(np.mean(counts[name][kept])))
            mean = np.mean([values[column] for column in kept], axis=0)
            shares[name] = share_estimate(
                mean, confidence=by.confidence, evidence=evidence, proportion=len(columns) == 1
            )
    rows = {name: int(counts[name][columns].sum()) for name in counts}
    return LookAlikes(rows, shares.get("worded"), shares.get("plain"), shares.get("unnamed"))


def _groups(scored: ScoredRows, mask: Bools) -> "np.ndarray":
    """(labels,) how many groups have a cell under `mask`."""
    return np.array([np.unique(scored.groups[mask[:, column]]).size for column in range(mask.shape[1])])
