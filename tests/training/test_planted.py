"""A regression planted in training is refused by the line that names it; the way back, an improvement, is promoted."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fairstall.evals.gate_rules import shipped_rules
from fairstall.evals.promotion import Examination, deploy_examined, examine
from fairstall.evals.tracking import Tracking
from fairstall.model.deployed import Deployments
from fairstall.model.errors import Conflict
from fairstall.model.policies import PolicySet
from fairstall.training.config import ExportConfig, TrainingConfig
from fairstall.training.measure import held_out_records
from fairstall.training.recipes import Recipe
from fairstall.training.session import Inputs, Session, revision_at, train_and_record

Mirror = tuple[Path, tuple[Recipe, ...]]
Trains = Callable[..., Session]
ROWS = 800  # of the shop, and of the dark market
NOW = "2026-11-22T12:00:00.000000Z"
pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's dependencies warn of one another


@pytest.fixture(scope="module")
def trains(
    make_mirror: Callable[..., Mirror],
    tiny_config: TrainingConfig,
    policies: PolicySet,
    tmp_path_factory: pytest.TempPathFactory,
) -> Trains:
    """`trains(name, change=None)`: a session on a mirror that `change` may spoil."""

    def train(name: str, change: Callable[..., None] | None = None) -> Session:
        home = tmp_path_factory.mktemp(name)
        folder, recipes = make_mirror(home / "mirror", ROWS, change)
        return train_and_record(
            Inputs(corpora=folder, recipes=recipes),
            policies,
            replace(tiny_config, name=name, export=ExportConfig(parity_rows=60, precision_loss=1.0)),
            home / "bundle",
            tracking=Tracking(f"sqlite:///{home / 'mlflow.sqlite'}", home / "artifacts"),
            revision=revision_at(datetime(2026, 11, 22, tzinfo=UTC)),
            report=lambda _: None,
        )

    return train


@pytest.fixture(scope="module")
def right(trains: Trains) -> Session:
    return trains("right")


@pytest.fixture(scope="module")
def shuffled(trains: Trains) -> Session:
    return trains("shuffled", shuffle_drugs)


def shuffle_drugs(shop: Sequence[dict[str, Any]], dark: Sequence[dict[str, Any]]) -> None:
    """The label of drugs goes to as many adverts as before, but to any of drugs and of the shop's goods alike."""
    mixed = [*[row for row in dark if row["policies"] == ["prohibited/drugs"]], *shop]
    titles = np.random.default_rng(1).permutation([row["title"] for row in mixed]).tolist()
    for row, title in zip(mixed, titles, strict=True):
        row["title"] = title


def judged(candidate: Session, champion: Session, rows: Session, policies: PolicySet) -> Examination:
    records = held_out_records(rows.material)
    return examine(candidate.bundle.folder, champion.bundle, records, shipped_rules(), policies=policies)


def test_shuffled_labels_of_one_policy_are_refused_by_its_own_line(
    shuffled: Session, right: Session, policies: PolicySet, tmp_path: Path
) -> None:
    examination = judged(shuffled, right, right, policies)
    failing = [line.rule for line in examination.verdict.failures]
    assert "policy/prohibited.drugs.average_precision" in failing
    assert not [rule for rule in failing if rule.startswith("policy/") and "drugs" not in rule]
    with pytest.raises(Conflict, match=r"policy/prohibited\.drugs\.average_precision: "):
        deploy_examined(examination, Deployments(tmp_path), deployed_at=NOW)


def test_the_repaired_labels_are_promoted(
    shuffled: Session, right: Session, policies: PolicySet, tmp_path: Path
) -> None:
    examination = judged(right, shuffled, right, policies)
    assert examination.verdict.passed, examination.verdict.reason()
    deployments = Deployments(tmp_path)
    deploy_examined(examination, deployments, deployed_at=NOW)
    assert deployments.current().version == right.bundle.version
