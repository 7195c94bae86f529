"""What a sealed bundle does with attacked, long and foreign texts. The suites are in evals; here are their rows."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from fairstall.evals.attacks import ATTACKS
from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.depth import DEPTHS, FILLINGS, WORDS, Depth, measure_depth
from fairstall.evals.languages import LanguageGateReport, language_metrics, measure_languages
from fairstall.evals.robustness import Robustness, measure_robustness
from fairstall.evals.rows import EvalRow, eval_row
from fairstall.model.bundle import Bundle
from fairstall.model.policies import PolicySet
from fairstall.training.authored import other_language_rows
from fairstall.training.config import TrainingConfig
from fairstall.training.material import Material
from fairstall.training.measure import eval_record
from fairstall.training.progress import Report, counted
from fairstall.training.rows import Row
from fairstall.training.splits import GroupedRow, one_a_group


@dataclass(frozen=True, slots=True)
class Examination:
    """What was measured; a suite that the configuration leaves out is None or empty."""

    robustness: Robustness | None = None
    depth: Depth | None = None
    languages: Mapping[str, LanguageGateReport] = field(default_factory=dict)

    def metrics(self) -> dict[str, float]:
        flat = language_metrics(self.languages)
        for suite in (self.robustness, self.depth):
            if suite is not None:
                flat |= suite.metrics()
        return flat

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def examine(
    bundle: Bundle, material: Material, policies: PolicySet, config: TrainingConfig, report: Report
) -> Examination:
    """Runs the suites on real test rows in a covered language, one a group, and on listings in other languages."""
    rows = sorted(
        (g for g in one_a_group(material.splits.test) if _measurable(g.row, config)),
        key=lambda grouped: hashlib.sha256(grouped.row.id.encode()).digest(),
    )
    bootstrap = Bootstrap(draws=config.bootstrap_draws)
    attacked = _both_sides(rows, material.codes, config.examine.attacked_rows)
    hidden = _few_a_policy(rows, material.codes, config.examine.hidden_rows)
    robustness = depth = None
    if attacked:
        violations = sum(bool(row.policies) for row in attacked)
        total = (1 + len(ATTACKS)) * violations + 2 * len(attacked)
        progress = counted(report, "attacks", total)
        robustness = measure_robustness(bundle, attacked, policies=policies, bootstrap=bootstrap, progress=progress)
    if hidden:
        progress = counted(report, "long texts", FILLINGS + len(DEPTHS) * sum(bool(row.policies) for row in hidden))
        depth = measure_depth(bundle, hidden, policies=policies, bootstrap=bootstrap, progress=progress)
    languages = measure_languages(bundle, _other_languages(material.codes), policies=policies) if attacked else {}
    return Examination(robustness, depth, languages)


def _measurable(row: Row, config: TrainingConfig) -> bool:
    return row.real and row.judged and row.language in config.languages


def _other_languages(codes: Sequence[str]) -> list[EvalRow]:
    return [eval_row(eval_record(row, "", codes)) for row in other_language_rows(codes)]


def _both_sides(rows: Sequence[GroupedRow], codes: Sequence[str], count: int) -> list[EvalRow]:
    broken = [grouped for grouped in rows if not grouped.row.compliant][:count]
    fine = [grouped for grouped in rows if grouped.row.compliant][:count]
    return _records([*broken, *fine], codes)


def _few_a_policy(rows: Sequence[GroupedRow], codes: Sequence[str], count: int) -> list[EvalRow]:
    """`count` violations of each set of policies, and compliant rows enough to fill the long texts."""
    if not count:
        return []
    taken: Counter[tuple[float, ...]] = Counter()
    broken = []
    for grouped in rows:
        if not grouped.row.compliant and taken[grouped.row.labels] < count:
            taken[grouped.row.labels] += 1
            broken.append(grouped)
    fine, words = [], 0
    for grouped in (one for one in rows if one.row.compliant):
        if words >= FILLINGS * WORDS:
            break
        fine.append(grouped)
        words += len(f"{grouped.row.title} {grouped.row.description}".split())
    return _records([*broken, *fine], codes)


def _records(rows: Sequence[GroupedRow], codes: Sequence[str]) -> list[EvalRow]:
    return [eval_row(eval_record(grouped.row, grouped.group, codes)) for grouped in rows]
