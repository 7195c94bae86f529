"""Rows of sources that a bundle has not seen: the folds of a recipe, and each row scored by the fold that lacks it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fairstall.evals.progress import Progress
from fairstall.evals.rows import EvalRow
from fairstall.evals.scored import BY_CELL, BY_ROW, ScoredRows, score_rows
from fairstall.model.bundle import FACTS_FILE, Bundle, open_bundle
from fairstall.model.errors import InputError

if TYPE_CHECKING:
    from fairstall.model.policies import PolicySet

WITHOUT_SOURCES = "without_sources"  # in a fold's record of its data


def folds_of(bundle: Path) -> Path:
    """The folder beside a bundle in which its training leaves the folds."""
    return bundle.with_name(f"{bundle.name}-folds")


def open_folds(folder: Path) -> list[Bundle]:
    """The folds in `folder`, by name. Raises InputError for a bundle that was trained on every source."""
    folds = [open_bundle(path.parent) for path in sorted(folder.glob(f"*/{FACTS_FILE}"))]
    for fold in folds:
        if not fold.facts.data.get(WITHOUT_SOURCES):
            raise InputError(f"{fold.folder} is no fold: it was trained without leaving a source out")
    return folds


def unseen_rows(fold: Bundle, rows: Sequence[EvalRow]) -> list[EvalRow]:
    """Those of the sources that the fold was trained without."""
    return [row for row in rows if row.source in fold.facts.data[WITHOUT_SOURCES]]


def score_unseen(
    fold: Bundle, rows: Sequence[EvalRow], *, policies: "PolicySet", progress: Progress | None = None
) -> ScoredRows | None:
    """The rows that the fold has not seen, scored by it; None when there are none."""
    unseen = unseen_rows(fold, rows)
    return score_rows(fold, unseen, policies=policies, progress=progress) if unseen else None


def stacked(parts: Sequence[ScoredRows]) -> ScoredRows:
    """Rows of all parts, with outcomes, under one another. Raises InputError when they score different policies."""
    first = parts[0]
    if any(part.labels != first.labels for part in parts):
        raise InputError("the folds do not score the same policies")
    arrays = {name: [getattr(part, name) for part in parts] for name in (*BY_CELL, *BY_ROW)}
    return replace(first, **{name: np.concatenate(values) for name, values in arrays.items()})  # type: ignore[arg-type]
