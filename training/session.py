"""A whole training session: rows, bundle, baseline, card, MLflow. It deploys nothing; `retrain` does."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from fairstall.evals.evaluation import Evaluation
from fairstall.evals.leave_out import folds_of
from fairstall.evals.plots import draw_plots
from fairstall.evals.provenance import code_revision
from fairstall.evals.slices import Thresholds
from fairstall.evals.tracking import Run, RunTags, Tracking, open_run
from fairstall.model.bundle import MODEL_FILE, Bundle
from fairstall.model.policies import PolicySet
from fairstall.training.baseline import train_baseline
from fairstall.training.card import Results, model_card
from fairstall.training.config import TrainingConfig
from fairstall.training.examine import Examination, examine
from fairstall.training.material import Material, gather
from fairstall.training.measure import evaluate_split, flat_metrics, measured_rows
from fairstall.training.pipeline import Revision, Trained, seal, train
from fairstall.training.progress import Progress, Report
from fairstall.training.recipes import RECIPES, Recipe
from fairstall.training.runs import TRAINING, flat_parameters, log_candidate
from fairstall.training.scoring import Matrix
from fairstall.training.unseen import UnseenSource, measure_unseen, unseen_facts, unseen_metrics

BASELINE = "tfidf-logistic-regression"
UNFINISHED_CARD = "This bundle is being measured.\n"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a session starts from. `corpora` is the mirror's folder, `labels_file` an export of reviews; both optional.

    `held_out` names sources that only test, whole.
    """

    corpora: Path | None = None
    labels_file: Path | None = None
    held_out: tuple[str, ...] = ()
    recipes: Sequence[Recipe] = RECIPES


@dataclass(frozen=True, slots=True)
class Session:
    """What came out. `metrics` are those of the transformer, `baseline_metrics` have the same names."""

    bundle: Bundle
    material: Material
    trained: Trained
    run_id: str
    baseline_run_id: str
    registered_version: str
    metrics: Mapping[str, float]
    baseline_metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """Evaluations of real rows (True) and authored rows (False), and the probabilities behind them."""

    probabilities: Matrix
    evaluations: Mapping[bool, Evaluation]
    thresholds: Thresholds | None


def train_and_record(
    inputs: Inputs,
    policies: PolicySet,
    config: TrainingConfig,
    folder: Path,
    *,
    tracking: Tracking,
    revision: Revision,
    report: Report,
) -> Session:
    """Trains, measures and seals a bundle in `folder`, and records it and its baseline in MLflow, as the candidate.

    Raises CorpusError for rows that cannot be had, SetupError for missing weights or an export that drifted.
    """
    material = gather(
        policies,
        config,
        corpora=inputs.corpora,
        labels_file=inputs.labels_file,
        held_out=inputs.held_out,
        recipes=inputs.recipes,
    )
    tracking = replace(tracking, experiment=TRAINING)
    tags = RunTags(f"{config.name} in training", policies.version, material.sha256, revision.code)
    with warnings.catch_warnings(), open_run(tracking, name=config.name, tags=tags) as run:
        warnings.simplefilter("ignore")  # MLflow's dependencies warn of one another
        run.log_parameters(flat_parameters({**asdict(config), "rows": material.facts}))
        trained = train(material, policies, config, folder, revision=revision, report=report)
        measured = _measure(trained, trained.probabilities("test"), trained.facts.thresholds)
        baseline_run_id, beside = _baseline(trained, material, config, tracking, tags, report)
        examination = examine(seal(trained, UNFINISHED_CARD), material, policies, config, report)
        unseen = measure_unseen(material, policies, config, folds_of(folder), revision=revision, report=report)
        bundle = _seal(trained, measured, beside, examination, unseen)
        metrics = flat_metrics(measured.evaluations) | _run_metrics(trained, bundle)
        metrics |= examination.metrics() | unseen_metrics(unseen)
        _log(run, trained, measured, metrics)
        for name, facts in (("examination", examination.facts()), ("unseen_sources", unseen_facts(unseen))):
            run.log_text(f"evaluation/{name}.json", json.dumps(facts, indent=1, sort_keys=True) + "\n")
        for seen, loss in trained.tuned.losses:
            run.log_metrics({"training/loss": loss}, step=seen)
        registered = log_candidate(tracking, run, bundle)
    baseline_metrics = flat_metrics(beside.evaluations)
    return Session(bundle, material, trained, run.run_id, baseline_run_id, registered, metrics, baseline_metrics)


def revision_at(moment: datetime) -> Revision:
    """The revision of a bundle made at `moment` with the code that runs now."""
    return Revision(code_revision(), moment)


def main_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """What a person wants to see at the end: precision, calibration, attacks, unseen sources, speed."""
    wanted = (
        "macro/average_precision",
        "macro/ece",
        "listing/false_positive_rate",
        "training/rows_per_second",
        "training/speed_gain",
    )
    endings = ("/average_precision", "/score/recall_kept", "_gain", "/false_positive_rate")
    scopes = ("policy/", "attack/", "unseen/", "parity/")
    more = sorted(name for name in metrics if name.startswith(scopes) and name.endswith(endings))
    return {name: metrics[name] for name in (*wanted, *more) if name in metrics}


def _measure(trained: Trained, probabilities: Matrix, thresholds: Thresholds | None) -> Measured:
    test = trained.scored["test"]
    labels, draws = trained.facts.labels, trained.facts.training["config"]["bootstrap_draws"]
    found = evaluate_split(test.rows, test.groups, labels, probabilities, thresholds, draws=draws)
    return Measured(probabilities, found, thresholds)


def _baseline(
    trained: Trained, material: Material, config: TrainingConfig, tracking: Tracking, tags: RunTags, report: Report
) -> tuple[str, Measured]:
    rows = [grouped.row for grouped in material.splits.train]
    report(Progress("baseline", 0, len(rows), 0.0))
    model = train_baseline(rows, config)
    measured = _measure(trained, model.probabilities(trained.scored["test"].rows), None)
    tags = replace(tags, bundle_version=BASELINE)
    with open_run(tracking, name=f"{config.name}-{BASELINE}", tags=tags) as run:
        run.log_parameters({"name": BASELINE, "seed": config.seed, "rows.sha256": material.sha256})
        _log(run, trained, measured, flat_metrics(measured.evaluations))
    return run.run_id, measured


def _seal(
    trained: Trained,
    measured: Measured,
    beside: Measured,
    examination: Examination,
    unseen: Mapping[str, UnseenSource],
) -> Bundle:
    results = Results(measured.evaluations, beside.evaluations, examination, unseen)
    model_bytes = (trained.folder / MODEL_FILE).stat().st_size
    return seal(trained, model_card(trained.facts, results, model_bytes=model_bytes))


def _log(run: Run, trained: Trained, measured: Measured, metrics: Mapping[str, float]) -> None:
    run.log_metrics(metrics)
    for real, evaluation in measured.evaluations.items():
        run.log_text(f"evaluation/{'real' if real else 'authored'}.json", evaluation.to_json())
    real = True in measured.evaluations
    if real or measured.evaluations:
        test, labels = trained.scored["test"], trained.facts.labels
        scored = measured_rows(test.rows, test.groups, labels, measured.probabilities, real=real)
        run.log_plots(draw_plots(scored, measured.evaluations[real], measured.thresholds))


def _run_metrics(trained: Trained, bundle: Bundle) -> dict[str, float]:
    size = sum(file.stat().st_size for file in bundle.folder.iterdir())
    facts = {f"parity/{name}": float(value) for name, value in trained.parity.facts().items()}
    facts |= {"training/rows_per_second": trained.tuned.rows_per_s, "bundle/bytes": float(size)}
    if gain := trained.facts.training.get("speed_gain"):
        facts["training/speed_gain"] = float(gain)
    return facts
