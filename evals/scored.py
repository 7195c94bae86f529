"""Rows with a bundle's scores beside their truth: what every metric starts from. No metric lives here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fairstall.evals.arrays import Bools, Floats, Texts
from fairstall.evals.progress import Progress
from fairstall.evals.rows import EvalRow, eval_row
from fairstall.model.errors import InputError

if TYPE_CHECKING:
    from fairstall.model.bundle import Bundle
    from fairstall.model.decision import Assessment
    from fairstall.model.policies import PolicySet

SESSIONS = 2
ROWS_AT_ONCE = 512
BY_CELL = ("probabilities", "truth", "known")
BY_ROW = ("weights", "groups", "sources", "ids", "violating", "outcomes")


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """`rows` listings against `labels` policy codes. Arrays of shape (rows, labels) unless said otherwise.

    `probabilities`: calibrated, 0 to 1. `truth`: the policy is violated. `known`: the truth is known; where it is not,
    the cell takes part in nothing. `weights` (rows,). `groups`, `sources`, `ids` (rows,).
    `outcomes` (rows,): what decide() said, with rules and doubts; None when only scores are known.
    `violating` (rows,): the listing breaks some policy, scored or not.
    """

    labels: tuple[str, ...]
    probabilities: Floats
    truth: Bools
    known: Bools
    weights: Floats
    groups: Texts
    sources: Texts
    ids: Texts
    violating: Bools
    outcomes: Texts | None = None

    def __post_init__(self) -> None:
        rows, shape = len(self.ids), (len(self.ids), len(self.labels))
        for name in BY_CELL:
            if getattr(self, name).shape != shape:
                raise InputError(f"{name} has the shape {getattr(self, name).shape}, not {shape}")
        for name in BY_ROW:
            value = getattr(self, name)
            if value is not None and value.shape != (rows,):
                raise InputError(f"{name} has the shape {value.shape}, not {(rows,)}")
        if not np.isfinite(self.probabilities).all():
            raise InputError("probabilities must be finite numbers")

    def __len__(self) -> int:
        return len(self.ids)

    def on_labels(self, labels: Sequence[str]) -> "ScoredRows":
        """The same rows with only `labels`, in that order. Raises ValueError when one is not scored here."""
        columns = [self.labels.index(label) for label in labels]
        cells = {name: getattr(self, name)[:, columns] for name in BY_CELL}
        return replace(self, labels=tuple(labels), **cells)

    def on_rows(self, ids: Sequence[str]) -> "ScoredRows":
        """Only the rows with those ids, in that order. Raises KeyError when one is not scored here."""
        places = {row_id: place for place, row_id in enumerate(self.ids.tolist())}
        kept = [places[row_id] for row_id in ids]
        arrays = {name: value[kept] for name in (*BY_CELL, *BY_ROW) if (value := getattr(self, name)) is not None}
        return replace(self, **arrays)


def score_rows(
    bundle: "Bundle", rows: Sequence[object], *, policies: "PolicySet | None" = None, progress: Progress | None = None
) -> ScoredRows:
    """Run a sealed bundle over labelled listings, as serving would: int8, windows, rules, decide().

    `rows` are EvalRows, mappings or dataclasses as `eval_row` takes them. `policies` are the starter policies when not
    given. `progress` is told how many more rows are done. The same rows in the same order give the same bytes.
    """
    kept = [eval_row(row) for row in rows]
    assessments = list(assess_rows(bundle, kept, policies=policies, progress=progress))
    labels = bundle.facts.labels
    probabilities = [[assessment.probabilities[label] for label in labels] for assessment in assessments]
    return scored_rows(
        kept,
        labels,
        np.array(probabilities, dtype=np.float64).reshape(len(kept), len(labels)),
        outcomes=np.array([str(assessment.outcome) for assessment in assessments], dtype=np.str_),
    )


def assess_rows(
    bundle: "Bundle",
    rows: Sequence[EvalRow],
    *,
    policies: "PolicySet | None" = None,
    progress: Progress | None = None,
) -> "Iterator[Assessment]":
    """What `decide()` makes of each row, in their order, as in `score_rows`."""
    from fairstall.model.assess import Assessor, assess_listings
    from fairstall.model.policy_file import starter_policies
    from fairstall.model.scorer import OnnxScorer

    assessor = Assessor(bundle, policies or starter_policies())
    scorers = [OnnxScorer(bundle) for _ in range(SESSIONS)]
    for chunk in _chunks(rows):
        yield from assess_listings(assessor, scorers, [row.listing() for row in chunk])
        if progress:
            progress(len(chunk))


def scored_rows(
    rows: Sequence[object], labels: Sequence[str], probabilities: Floats, *, outcomes: Texts | None = None
) -> ScoredRows:
    """Rows with probabilities (rows, labels) from anywhere, a baseline for one. Raises InputError on wrong shapes."""
    kept = [eval_row(row) for row in rows]
    truth = [[label in row.policies for label in labels] for row in kept]
    known = [[row.mask is None or label in row.mask or label in row.policies for label in labels] for row in kept]
    shape = (len(kept), len(labels))
    return ScoredRows(
        labels=tuple(labels),
        probabilities=np.asarray(probabilities, dtype=np.float64),
        truth=np.array(truth, dtype=np.bool_).reshape(shape),
        known=np.array(known, dtype=np.bool_).reshape(shape),
        weights=np.array([row.weight for row in kept], dtype=np.float64),
        groups=np.array([row.group or row.id for row in kept], dtype=np.str_),
        sources=np.array([row.source for row in kept], dtype=np.str_),
        ids=np.array([row.id for row in kept], dtype=np.str_),
        violating=np.array([bool(row.policies) for row in kept], dtype=np.bool_),
        outcomes=outcomes,
    )


def _chunks(rows: Sequence[EvalRow]) -> Iterator[Sequence[EvalRow]]:
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield rows[start : start + ROWS_AT_ONCE]
