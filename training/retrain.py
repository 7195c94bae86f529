"""From exported reviews to a candidate, and by the gate's verdict to service or refusal. Training is in `session`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from fairstall.evals.compare import Comparison
from fairstall.evals.gate import GateVerdict
from fairstall.evals.gate_rules import GateRules, shipped_rules
from fairstall.evals.promotion import deploy_examined, examine
from fairstall.evals.tracking import Tracking, tracking_client
from fairstall.model.bundle import Bundle
from fairstall.model.deployed import Deployment, Deployments
from fairstall.model.policies import PolicySet
from fairstall.model.wire import iso_utc
from fairstall.training.config import ExamineConfig, TrainingConfig, UnseenConfig
from fairstall.training.material import Material
from fairstall.training.measure import eval_record
from fairstall.training.progress import Report, counted
from fairstall.training.recipes import RECIPES, Recipe
from fairstall.training.registry import set_alias
from fairstall.training.session import Inputs, Session, revision_at, train_and_record
from fairstall.training.splits import one_a_group


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where retraining reads and writes: the models folder in force, MLflow, and the folder for the candidate."""

    deployments: Deployments
    tracking: Tracking
    folder: Path


@dataclass(frozen=True, slots=True)
class RetrainResult:
    """`deployment` is None when the gate refused; `verdict.reason()` says why, `summary` in one line against what."""

    candidate: Bundle
    champion: Bundle
    session: Session
    comparison: Comparison | None
    verdict: GateVerdict
    summary: str
    deployment: Deployment | None


def retrain(
    corpora: Path | None,
    labels_file: Path | None,
    champion: Bundle,
    config: TrainingConfig,
    *,
    policies: PolicySet,
    at: Workplace,
    now: datetime,
    report: Report,
    rules: GateRules | None = None,
    promote: bool = True,
    recipes: Sequence[Recipe] = RECIPES,
) -> RetrainResult:
    """Trains a candidate on corpora, authored rows and reviews, and lets the gate compare it with `champion`.

    Both are scored as int8 bundles on the candidate's test split: groups that hash to it in every run, so that a
    champion of the same rows has not learned from them either. A candidate that passes is deployed and gets the alias
    champion. What measures the recipe rather than the candidate is left out. Raises CorpusError, SetupError, and
    InputError when no row is left to compare on.
    """
    config = replace(config, examine=ExamineConfig(), unseen=UnseenConfig())
    inputs = Inputs(corpora=corpora, labels_file=labels_file, recipes=recipes)
    session = train_and_record(
        inputs, policies, config, at.folder, tracking=at.tracking, revision=revision_at(now), report=report
    )
    rows = comparison_rows(session.material)
    examination = examine(
        session.bundle.folder,
        champion,
        rows,
        rules or shipped_rules(),
        policies=policies,
        begin=lambda stage, total: counted(report, stage, total),
    )
    verdict = examination.verdict
    deployment = None
    if verdict.passed and promote:
        deployment = deploy_examined(examination, at.deployments, deployed_at=iso_utc(now))
    _record(session, at.tracking, verdict, examination.summary(), promoted=deployment is not None)
    return RetrainResult(
        candidate=session.bundle,
        champion=champion,
        session=session,
        comparison=examination.comparison,
        verdict=verdict,
        summary=examination.summary(),
        deployment=deployment,
    )


def comparison_rows(material: Material) -> list[Mapping[str, Any]]:
    """The test split as evals reads rows, one a group, real and authored together."""
    return [eval_record(g.row, g.group, material.codes) for g in one_a_group(material.splits.test)]


def named_after(config: TrainingConfig, now: datetime) -> TrainingConfig:
    """The configuration under a name that tells one retraining from the next."""
    return replace(config, name=f"retrained-{now:%Y%m%d-%H%M%S}")


def _record(session: Session, tracking: Tracking, verdict: GateVerdict, summary: str, *, promoted: bool) -> None:
    client = tracking_client(tracking.uri)
    client.set_tag(session.run_id, "fairstall.gate", "passed" if verdict.passed else "refused")
    client.set_tag(session.run_id, "fairstall.gate_reason", summary)
    if promoted:
        set_alias(client, "champion", session.registered_version)
