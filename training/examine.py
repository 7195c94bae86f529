"""What a sealed bundle does with attacked, long and foreign texts. The suites are in evals; here are their rows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from fairstall.evals.attacks import ATTACKS
from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.depth import DEPTHS, FILLINGS, WORDS, Depth, measure_depth
from fairstall.evals.languages import LanguageGateReport, language_metrics, measure_languages
from fairstall.evals.robustness import Robustness, measure_robustness
from fairstall.evals.rows import EvalRow, eval_row
from fairstall.evals.sampling import both_sides, covered, few_a_policy
from fairstall.model.bundle import Bundle
from fairstall.model.policies import PolicySet
from fairstall.training.authored import other_language_rows
from fairstall.training.config import TrainingConfig
from fairstall.training.material import Material
from fairstall.training.measure import eval_record
from fairstall.training.progress import Report, counted
from fairstall.training.splits import GroupedRow


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
    real = [grouped for grouped in material.splits.test if grouped.row.real and grouped.row.judged]
    rows = covered([_record(grouped, material.codes) for grouped in real], config.languages)
    bootstrap = Bootstrap(draws=config.bootstrap_draws)
    attacked = both_sides(rows, config.examine.attacked_rows)
    count = config.examine.hidden_rows
    hidden = few_a_policy(rows, count, words=FILLINGS * WORDS) if count else []
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


def _other_languages(codes: Sequence[str]) -> list[EvalRow]:
    return [eval_row(eval_record(row, "", codes)) for row in other_language_rows(codes)]


def _record(grouped: GroupedRow, codes: Sequence[str]) -> EvalRow:
    return eval_row(eval_record(grouped.row, grouped.group, codes))
