"""What the recipe does on sources that it has never seen: whole sources kept out of training, in turn.

The bundle that ships has seen every source; these are numbers of its recipe, on fewer rows, not of its weights.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fairstall.evals.bootstrap import CONFIDENCE, Bootstrap, Estimate, wilson
from fairstall.evals.compare import Contender, compare
from fairstall.evals.leave_out import WITHOUT_SOURCES
from fairstall.evals.recall import LEAST_VIOLATIONS
from fairstall.evals.scored import ScoredRows
from fairstall.evals.slices import MACRO, Thresholds, flagged, policy_scope
from fairstall.model.policies import PolicySet
from fairstall.training.baseline import train_baseline
from fairstall.training.config import ExamineConfig, TrainingConfig
from fairstall.training.material import Material
from fairstall.training.measure import measured_rows
from fairstall.training.pipeline import Revision, Trained, seal, train
from fairstall.training.progress import Progress, Report
from fairstall.training.rows import Row
from fairstall.training.scoring import Matrix
from fairstall.training.splits import GroupedRow, one_a_group, without_sources

METRIC = "average_precision"
FOLD_CARD = "# A fold\n\nThis bundle was trained without {}, to measure its recipe on sources that it has not seen.\n"


@dataclass(frozen=True, slots=True)
class UnseenPolicy:
    """Average precision on an unseen source's violations of one policy, against compliant rows of seen and unseen
    sources and, where their truth is known, the source's violations of other policies. `difference`: this recipe minus
    TF-IDF with logistic regression on the same rows, paired.
    """

    violations: int
    recipe: float
    baseline: float
    difference: Estimate


@dataclass(frozen=True, slots=True)
class UnseenSource:
    """`policies` with enough violations, by code, and their mean, `macro`. `false_alarms`: the share of the source's
    compliant rows in a covered language that any policy's release threshold stops; None when it has none.
    """

    policies: Mapping[str, UnseenPolicy]
    macro: UnseenPolicy | None
    compliant: int
    false_alarms: Estimate | None


def measure_unseen(
    material: Material, policies: PolicySet, config: TrainingConfig, folder: Path, *, revision: Revision, report: Report
) -> dict[str, UnseenSource]:
    """Trains once for each fold of `config.unseen`; a source of a fold that has no rows is left out.

    The bundle of each fold is left in `folder`, so that evaluations can ask it about the sources that it has not seen.
    """
    found: dict[str, UnseenSource] = {}
    for number, fold in enumerate(config.unseen.folds, start=1):
        at = folder / f"fold-{number}"
        found |= _fold(material, policies, config, fold, at, revision, _named(report, f"unseen {number}"))
    return found


def unseen_metrics(found: Mapping[str, UnseenSource]) -> dict[str, float]:
    """Flat names, `unseen/SOURCE/POLICY/average_precision_gain` and so on, with their intervals."""
    flat: dict[str, float] = {}
    for source, one in found.items():
        measured = {policy_scope(code).removeprefix("policy/"): policy for code, policy in one.policies.items()}
        for name, policy in (measured | ({MACRO: one.macro} if one.macro else {})).items():
            scope = f"unseen/{source}/{name}"
            flat |= {f"{scope}/{METRIC}": policy.recipe, f"{scope}/{METRIC}_baseline": policy.baseline}
            flat |= policy.difference.metrics(f"{scope}/{METRIC}_gain")
        if one.false_alarms:
            flat |= one.false_alarms.metrics(f"unseen/{source}/false_positive_rate")
    return flat


def unseen_facts(found: Mapping[str, UnseenSource]) -> dict[str, Any]:
    """All of it as JSON takes it."""
    return {source: asdict(one) for source, one in found.items()}


def _named(report: Report, prefix: str) -> Report:
    return lambda progress: report(replace(progress, stage=f"{prefix}: {progress.stage}"))


def _fold(
    material: Material,
    policies: PolicySet,
    config: TrainingConfig,
    fold: Sequence[str],
    folder: Path,
    revision: Revision,
    report: Report,
) -> dict[str, UnseenSource]:
    config = _smaller(config)
    splits = without_sources(material.splits, fold)
    splits = replace(splits, test=_first_of_cells(splits.test, config.unseen.cell_rows))
    without = replace(material, splits=splits, facts={**material.facts, WITHOUT_SOURCES: list(fold)})
    trained = train(without, policies, config, folder, revision=revision, report=report)
    seal(trained, FOLD_CARD.format(", ".join(fold)))
    report(Progress("baseline", 0, len(splits.train), 0.0))
    baseline = train_baseline([grouped.row for grouped in splits.train], config)
    scores = trained.probabilities("test"), baseline.probabilities(trained.scored["test"].rows)
    present = {row.source for row in trained.scored["test"].rows if row.language in config.languages}
    return {source: _source(source, trained, scores, config) for source in fold if source in present}


def _smaller(config: TrainingConfig) -> TrainingConfig:
    unseen = config.unseen
    sampling = replace(
        config.sampling,
        violation_cell_rows=unseen.violation_cell_rows,
        compliant_cell_rows=unseen.compliant_cell_rows,
    )
    drift = replace(config.export, max_probability_change=1.0, mean_probability_change=1.0, precision_loss=1.0)
    return replace(config, sampling=sampling, examine=ExamineConfig(), export=drift)  # a fold is measured, not shipped


def _source(source: str, trained: Trained, scores: tuple[Matrix, Matrix], config: TrainingConfig) -> UnseenSource:
    bootstrap = Bootstrap(draws=config.bootstrap_draws)

    def side(of: Matrix, keep: Callable[[Row], bool]) -> ScoredRows:
        test = trained.scored["test"]
        kept = [number for number, row in enumerate(test.rows) if row.language in config.languages and keep(row)]
        rows, groups = [test.rows[number] for number in kept], [test.groups[number] for number in kept]
        return measured_rows(rows, groups, trained.facts.labels, of[kept], real=True)

    recipe, baseline = (side(of, lambda row: row.compliant or row.source == source) for of in scores)
    codes = [code for column, code in enumerate(recipe.labels) if recipe.truth[:, column].sum() >= LEAST_VIOLATIONS]
    mine = side(scores[0], lambda row: row.source == source and row.compliant)
    policies = _compared(recipe, baseline, codes, bootstrap) if codes else {}
    return UnseenSource(
        policies={code: policies[policy_scope(code)] for code in codes},
        macro=policies.get(MACRO),
        compliant=len(mine),
        false_alarms=_false_alarms(mine, trained.facts.thresholds) if len(mine) else None,
    )


def _false_alarms(compliant: ScoredRows, thresholds: Thresholds) -> Estimate:
    """The share that any policy's score stops, whether that policy's truth is known or not; rows are one a group."""
    share = float(flagged(compliant, thresholds).any(axis=1).mean())
    return wilson(share, len(compliant), confidence=CONFIDENCE)


def _compared(
    recipe: ScoredRows, baseline: ScoredRows, codes: Sequence[str], bootstrap: Bootstrap
) -> dict[str, UnseenPolicy]:
    """By scope: each policy and their mean."""
    sides = Contender("baseline", baseline.on_labels(codes)), Contender("recipe", recipe.on_labels(codes))
    comparison = compare(*sides, bootstrap=bootstrap)
    counts = dict(zip(map(policy_scope, codes), sides[0].scored.truth.sum(axis=0).tolist(), strict=True))
    counts[MACRO] = int(sides[0].scored.truth.any(axis=1).sum())
    found = ((scope, comparison.find(scope, METRIC)) for scope in counts)
    return {
        scope: UnseenPolicy(int(counts[scope]), one.second, one.first, one.difference) for scope, one in found if one
    }


def _first_of_cells(rows: Sequence[GroupedRow], cell_rows: int) -> tuple[GroupedRow, ...]:
    """At most `cell_rows` a source and policy, one a group, chosen by a hash of their ids."""
    cells: dict[tuple[object, ...], int] = defaultdict(int)
    kept = []
    for grouped in sorted(one_a_group(rows), key=lambda one: hashlib.sha256(one.row.id.encode()).digest()):
        cell = (grouped.row.source, grouped.row.labels)
        cells[cell] += 1
        if cells[cell] <= cell_rows:
            kept.append(grouped)
    return tuple(kept)
