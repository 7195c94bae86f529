"""Where a bundle was wrong: its most confident errors, to read, and which policies it takes for which."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fairstall.evals.rows import EvalRow
from fairstall.evals.scored import ScoredRows
from fairstall.evals.slices import EVEN, Thresholds, flagged
from fairstall.evals.suite import Columns

if TYPE_CHECKING:
    from fairstall.model.bundle import Bundle
    from fairstall.model.decision import Assessment
    from fairstall.model.policies import PolicySet

WORST = 50
LONGEST_TEXT = 400  # characters of a title or description that a table shows
COMPLIANT, NOTHING = "compliant", "nothing"


@dataclass(frozen=True, slots=True)
class WrongCell:
    """One wrong prediction at even odds: of which row, of which policy."""

    row: int
    label: int


def worst_cells(scored: ScoredRows, *, most: int = WORST) -> list[WrongCell]:
    """The wrong predictions furthest from even odds, worst first; one a group, since reposts say nothing more."""
    off = np.where(scored.known, np.abs(scored.truth - scored.probabilities), 0.0)
    rows, labels = np.nonzero(off > EVEN)
    order = np.argsort(-off[rows, labels], kind="stable")
    groups: set[str] = set()
    cells: list[WrongCell] = []
    for row, label in zip(rows[order].tolist(), labels[order].tolist(), strict=True):
        if len(cells) < most and (group := str(scored.groups[row])) not in groups:
            groups.add(group)
            cells.append(WrongCell(row, label))
    return cells


def worst_errors(
    bundle: "Bundle", rows: Sequence[EvalRow], scored: ScoredRows, *, policies: "PolicySet | None" = None
) -> Columns:
    """A table of `worst_cells` with the text of the listing and the evidence that was found for the policy."""
    from fairstall.model.assess import Assessor, assess_listings
    from fairstall.model.policy_file import starter_policies
    from fairstall.model.scorer import OnnxScorer

    cells = worst_cells(scored)
    listings = [rows[cell.row].listing() for cell in cells]
    assessments = assess_listings(Assessor(bundle, policies or starter_policies()), [OnnxScorer(bundle)], listings)
    table: dict[str, list[object]] = {
        name: []
        for name in ("policy", "truth", "probability", "outcome", "evidence", "title", "description", "id", "source")
    }
    for cell, assessment in zip(cells, assessments, strict=True):
        row, code = rows[cell.row], scored.labels[cell.label]
        values = (
            code,
            "violation" if scored.truth[cell.row, cell.label] else COMPLIANT,
            round(float(scored.probabilities[cell.row, cell.label]), 4),
            str(assessment.outcome),
            " | ".join(_evidence(assessment, code)),
            row.title[:LONGEST_TEXT],
            row.description[:LONGEST_TEXT],
            row.id,
            row.source,
        )
        for column, value in zip(table.values(), values, strict=True):
            column.append(value)
    return table


def _evidence(assessment: "Assessment", code: str) -> Iterator[str]:
    for finding in assessment.findings:
        if finding.policy == code:
            yield from (span.text for span in finding.evidence)


def confusion(scored: ScoredRows, thresholds: Thresholds | None = None) -> Columns:
    """A row for each policy that rows violate, and one for compliant rows: how many of them have which policy as the
    most probable one at or above its release threshold. A row that violates two policies counts in both.
    """
    stopped = flagged(scored, thresholds) & scored.known
    top = np.where(stopped, scored.probabilities, -1.0).argmax(axis=1)
    top = np.where(stopped.any(axis=1), top, len(scored.labels))
    truths = [(code, scored.truth[:, column]) for column, code in enumerate(scored.labels)]
    table: dict[str, list[object]] = {"truth": [], **{code: [] for code in (*scored.labels, NOTHING)}}
    for name, mask in (*truths, (COMPLIANT, ~scored.violating)):
        if mask.any():
            counts = np.bincount(top[mask], minlength=len(scored.labels) + 1).tolist()
            for column, value in zip(table.values(), (name, *counts), strict=True):
                column.append(value)
    return table
