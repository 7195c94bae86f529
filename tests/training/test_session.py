"""A whole run on a tiny mirror: a sealed bundle that scores, and MLflow with the baseline beside it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fairstall.evals.gate_rules import GateRules, MacroRule, shipped_rules
from fairstall.evals.tracking import Tracking, tracking_client
from fairstall.model.assess import Assessor, assess_listings
from fairstall.model.bundle import Bundle, open_bundle
from fairstall.model.deployed import Deployments
from fairstall.model.errors import CorpusError
from fairstall.model.listing import Listing
from fairstall.model.policies import PolicySet
from fairstall.model.scorer import OnnxScorer
from fairstall.training.config import TrainingConfig
from fairstall.training.material import gather
from fairstall.training.recipes import DRUGS, Recipe
from fairstall.training.retrain import RetrainResult, Workplace, retrain
from fairstall.training.runs import flat_parameters
from fairstall.training.session import Session

Mirror = tuple[Path, tuple[Recipe, ...]]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's dependencies warn of one another


def test_the_bundle_opens_and_scores(tiny_session: Session, policies: PolicySet) -> None:
    bundle = open_bundle(tiny_session.bundle.folder)
    assessor = Assessor(bundle, policies)
    listings = [
        Listing("1", "s", "pure crystal abc grams, stealth shipping", ""),
        Listing("2", "s", "Marsh kettle", ""),
    ]
    dark, shop = assess_listings(assessor, [OnnxScorer(bundle)], listings)
    assert dark.probabilities[DRUGS] > 5 * shop.probabilities[DRUGS]
    assert dark.versions.model.startswith("tiny-")


def test_the_bundle_says_what_it_was_made_of(tiny_session: Session) -> None:
    facts = tiny_session.bundle.facts
    assert facts.data["sources"]["tiny_dark"]["licence"] == "none stated"
    assert facts.data["sha256"] == tiny_session.material.sha256
    assert facts.training["config"]["seed"] == 7
    assert facts.parity["rows"] > 0
    assert set(facts.thresholds) == set(facts.calibration) == set(facts.labels)


def test_the_card_has_every_policy_and_source(tiny_session: Session) -> None:
    card = tiny_session.bundle.card.read_text(encoding="utf-8")
    assert all(f"| {code} |" in card for code in tiny_session.bundle.facts.labels)
    assert all(f"| {source} |" in card for source in tiny_session.bundle.facts.data["sources"])
    assert "$" not in card


def test_the_baseline_lies_beside_the_run_under_the_same_names(tiny_session: Session, tiny_tracking: Tracking) -> None:
    client = tracking_client(tiny_tracking.uri)
    run, beside = client.get_run(tiny_session.run_id), client.get_run(tiny_session.baseline_run_id)
    assert run.info.experiment_id == beside.info.experiment_id
    assert run.info.status == beside.info.status == "FINISHED"
    name = "policy/prohibited.drugs/average_precision"
    assert {name, f"{name}.low", "macro/average_precision"} <= set(run.data.metrics) & set(beside.data.metrics)
    assert run.data.params["rows.sha256"] == beside.data.params["rows.sha256"]


def test_the_bundle_and_its_figures_are_artifacts(tiny_session: Session, tiny_tracking: Tracking) -> None:
    client = tracking_client(tiny_tracking.uri)
    files = {file.path for folder in ("bundle", None) for file in client.list_artifacts(tiny_session.run_id, folder)}
    assert {"bundle/model.onnx", "bundle/bundle.json", "precision_recall.png", "reliability.png"} <= files


def test_the_bundle_is_registered_as_the_candidate(tiny_session: Session, tiny_tracking: Tracking) -> None:
    client = tracking_client(tiny_tracking.uri)
    found = client.get_model_version_by_alias("fairstall", "candidate")
    assert found.run_id == tiny_session.run_id
    assert Bundle.version.fget(tiny_session.bundle) == found.tags["bundle"]  # type: ignore[attr-defined]


def test_held_out_sources_do_not_train(tiny_mirror: Mirror, tiny_config: TrainingConfig, policies: PolicySet) -> None:
    folder, recipes = tiny_mirror
    material = gather(policies, tiny_config, corpora=folder, recipes=recipes, held_out=("tiny_dark",))
    assert "tiny_dark" not in {grouped.row.source for grouped in material.splits.train}


def test_nothing_to_learn_from_is_an_error(tiny_config: TrainingConfig, policies: PolicySet) -> None:
    nothing = replace(tiny_config, data=replace(tiny_config.data, policy_examples=False))
    with pytest.raises(CorpusError, match="nothing to learn from"):
        gather(policies, nothing)


def run_retrain(champion: Bundle, rules: GateRules, folder: Path, **given: object) -> RetrainResult:
    tracking = Tracking(f"sqlite:///{folder / 'mlflow.sqlite'}", folder / "artifacts")
    at = Workplace(Deployments(folder / "models"), tracking, folder / "candidate")
    return retrain(champion=champion, rules=rules, at=at, now=NOW, report=lambda _: None, **given)  # type: ignore[arg-type]


def test_a_candidate_no_better_than_the_champion_is_refused(
    tiny_session: Session, tiny_mirror: Mirror, tiny_config: TrainingConfig, policies: PolicySet, tmp_path: Path
) -> None:
    given = {"corpora": tiny_mirror[0], "recipes": tiny_mirror[1], "labels_file": None}
    result = run_retrain(tiny_session.bundle, shipped_rules(), tmp_path, config=tiny_config, policies=policies, **given)
    assert result.deployment is None
    assert "refused by the gate" in result.summary
    assert Deployments(tmp_path / "models").current() is None


def test_a_candidate_that_passes_serves_and_is_champion(
    tiny_session: Session, tiny_mirror: Mirror, tiny_config: TrainingConfig, policies: PolicySet, tmp_path: Path
) -> None:
    lenient = replace(shipped_rules(), macro=MacroRule(require="not_worse", margin=1.0))
    labels = tmp_path / "labels.jsonl"
    labels.write_text(
        '{"decision_id": "d1", "title": "Jansen sofa", "description": "", "language": "en", "verdict": "compliant",'
        ' "policies": [], "inclusion_probability": 1.0, "label_kind": "review"}\n',
        encoding="utf-8",
    )
    given = {"corpora": tiny_mirror[0], "recipes": tiny_mirror[1], "labels_file": labels}
    result = run_retrain(tiny_session.bundle, lenient, tmp_path, config=tiny_config, policies=policies, **given)
    assert result.verdict.passed, result.summary
    assert result.deployment is not None
    assert Deployments(tmp_path / "models").current() == result.deployment
    client = tracking_client(f"sqlite:///{tmp_path / 'mlflow.sqlite'}")
    assert client.get_model_version_by_alias("fairstall", "champion").tags["bundle"] == result.candidate.version


def test_parameter_names_are_such_as_mlflow_takes() -> None:
    flat = flat_parameters({"rows": {"human_3+_votes": 825}, "seed": 7})
    assert flat == {"rows.human_3__votes": "825", "seed": "7"}
