"""Held-out rows in the form that evals measures, real and authored apart. The metrics themselves live in evals."""

from collections.abc import Mapping, Sequence
from typing import Any

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.evaluation import Evaluation, evaluate
from fairstall.evals.scored import ScoredRows, scored_rows
from fairstall.model.certificates import PolicyThresholds
from fairstall.training.material import Material
from fairstall.training.rows import JUDGED_TRUST, Row
from fairstall.training.scoring import Matrix
from fairstall.training.splits import one_a_group

AUTHORED_PREFIX = "authored/"


def eval_record(row: Row, group: str, codes: Sequence[str]) -> Mapping[str, Any]:
    """A row as `fairstall.evals.rows.eval_row` takes it."""
    return {
        "id": row.id,
        "title": row.title,
        "description": row.description,
        "language": row.language,
        "policies": [code for code, label in zip(codes, row.labels, strict=True) if label],
        "mask": [code for code, trust in zip(codes, row.trust, strict=True) if trust >= JUDGED_TRUST],
        "source": row.source,
        "group": group,
    }


def held_out_records(material: Material) -> list[Mapping[str, Any]]:
    """The real test rows with a label that is trusted, one a group."""
    rows = one_a_group(material.splits.test)
    return [eval_record(g.row, g.group, material.codes) for g in rows if g.row.real and g.row.judged]


def measured_rows(
    rows: Sequence[Row], groups: Sequence[str], codes: Sequence[str], probabilities: Matrix, *, real: bool
) -> ScoredRows:
    """The real rows, or the authored ones, with their probabilities; not those whose violation is hardly trusted."""
    kept = [index for index, row in enumerate(rows) if row.real is real and row.judged]
    records = [eval_record(rows[index], groups[index], codes) for index in kept]
    return scored_rows(records, codes, probabilities[kept])


def evaluate_split(
    rows: Sequence[Row],
    groups: Sequence[str],
    codes: Sequence[str],
    probabilities: Matrix,
    thresholds: Mapping[str, PolicyThresholds] | None,
    *,
    draws: int,
) -> dict[bool, Evaluation]:
    """One Evaluation of the real rows (True) and one of the authored rows (False), as far as there are any."""
    found = {}
    for real in (True, False):
        scored = measured_rows(rows, groups, codes, probabilities, real=real)
        if len(scored):
            found[real] = evaluate(scored, thresholds, bootstrap=Bootstrap(draws=draws))
    return found


def flat_metrics(evaluations: Mapping[bool, Evaluation]) -> dict[str, float]:
    """All numbers by name. Those on authored rows stand under `authored/`, unless there is nothing else."""
    only_authored = True not in evaluations
    flat: dict[str, float] = {}
    for real, evaluation in evaluations.items():
        prefix = "" if real or only_authored else AUTHORED_PREFIX
        flat |= {f"{prefix}{name}": value for name, value in evaluation.metrics().items()}
    return flat
