"""A registered bundle run by MLflow alone, with the commands and the script that docs/evaluating.md shows."""

import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.evaluation import evaluate
from fairstall.evals.rows import read_rows
from fairstall.evals.scored import score_rows
from fairstall.evals.tracking import RunTags, Tracking, open_run, tracking_client
from fairstall.model.bundle import Bundle, open_bundle
from fairstall.model.deployed import Deployments, Role
from fairstall.model.errors import InputError
from fairstall.training.registered import registered_bundle
from fairstall.training.runs import log_candidate

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "evaluating.md").read_text(encoding="utf-8")
DRUGS, WILDLIFE = "prohibited/drugs", "prohibited/wildlife"
WORDS = {"heroin": [DRUGS], "mdma": [DRUGS], "unheard": [DRUGS], "ivory": [WILDLIFE], "oak": [], "blue": [], "old": []}


@dataclass(frozen=True)
class Registered:
    """A tiny bundle that is the candidate in an MLflow store, and `rows.jsonl` in the same folder."""

    bundle: Bundle
    tracking: Tracking
    folder: Path

    def run(self, *command: str) -> str:
        environment = {**os.environ, "MLFLOW_TRACKING_URI": self.tracking.uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
        done = subprocess.run(
            [sys.executable, *command], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> Registered:
    folder = tmp_path_factory.mktemp("registered")
    tracking = Tracking(f"sqlite:///{folder / 'mlflow.sqlite'}", folder / "artifacts")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_run(tracking, name="tiny", tags=RunTags(tiny_bundle.version, "p", "d", "c")) as run:
            log_candidate(tracking, run, tiny_bundle)
    (folder / "rows.jsonl").write_text("".join(map(_row, range(60))), encoding="utf-8")
    return Registered(tiny_bundle, tracking, folder)


def _row(number: int) -> str:
    word = list(WORDS)[number % len(WORDS)]
    row = {"id": f"r:{number}", "title": f"{word} thing {number}", "description": "", "language": "en"}
    return json.dumps({**row, "policies": WORDS[word]}) + "\n"


def fenced(language: str, containing: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    return next(block for block in blocks if containing in block)


def test_the_registered_folder_is_the_bundle(registered: Registered) -> None:
    client = tracking_client(registered.tracking.uri)
    source = client.get_model_version_by_alias("fairstall", "candidate").source
    assert open_bundle(Path(source.removeprefix("file://"))).version == registered.bundle.version


def test_mlflow_models_predict_answers_as_the_guide_shows(registered: Registered) -> None:
    (registered.folder / "listings.json").write_text(fenced("json", "dataframe_records"))
    [command] = re.findall(r"^(mlflow models predict .*)$", GUIDE, re.MULTILINE)
    answer = json.loads(registered.run("-m", *command.split()).splitlines()[-1])
    assert [row["outcome"] for row in answer["predictions"]] == ["approve", "review"]
    assert set(registered.bundle.facts.labels) < set(answer["predictions"][0])


@pytest.mark.parametrize("name", ["mlflow.models.evaluate", "mlflow.evaluate"])
def test_mlflow_evaluate_measures_as_the_guide_shows(registered: Registered, name: str) -> None:
    script = fenced("python", "mlflow.models.evaluate").replace("mlflow.models.evaluate", name)
    (registered.folder / "measure.py").write_text(script)
    recall, precision = map(float, registered.run("measure.py").splitlines()[-1].split())
    rows = read_rows([registered.folder / "rows.jsonl"])
    scored = score_rows(registered.bundle, rows)
    stopped = scored.outcomes != "approve"
    assert recall == pytest.approx(stopped[scored.violating].mean())
    metrics = evaluate(scored, registered.bundle.facts.thresholds, bootstrap=Bootstrap(draws=100, seed=0)).metrics()
    assert precision == pytest.approx(metrics["policy/prohibited.drugs/average_precision"])


@pytest.mark.parametrize("name", ["models:/fairstall@candidate", "models:/fairstall/1"])
def test_a_registered_bundle_is_fetched_whole_and_gone_afterwards(registered: Registered, name: str) -> None:
    with registered_bundle(name, registered.tracking.uri) as folder:
        assert open_bundle(folder).version == registered.bundle.version
    assert not folder.exists()


@pytest.mark.parametrize(
    "name",
    ["models:/fairstall@nobody", "models:/other@candidate", "models:/fairstall/99", "models:/fairstall", "models:/@x"],
)
def test_a_name_that_the_registry_does_not_have_is_refused_with_the_name(registered: Registered, name: str) -> None:
    with pytest.raises(InputError, match=re.escape(name)), registered_bundle(name, registered.tracking.uri):
        pass


@pytest.mark.parametrize("role", Role)
def test_a_registered_bundle_runs_beside_the_champion_by_its_alias(
    registered: Registered, role: Role, tmp_path: Path
) -> None:
    home = ("--home", str(tmp_path))
    registered.run("-m", "fairstall.cli.main", role, "set", "models:/fairstall@candidate", "--share", "0.1", *home)
    deployments = Deployments(tmp_path / "models")
    beside = deployments.beside(role)
    assert beside is not None
    assert deployments.bundle(beside).version == registered.bundle.version


def test_a_registered_bundle_is_promoted_by_its_alias(
    registered: Registered, make_tiny_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    deployments = Deployments(tmp_path / "home" / "models")
    first = make_tiny_bundle(tmp_path / "first", name="first")
    deployments.deploy(first, reason="the first", deployed_at="2026-11-27T12:00:00Z")
    what = ("models:/fairstall@candidate", "--data", "rows.jsonl", "--home", str(tmp_path / "home"))
    told = ("--override", "--reason", "a try", "--draws", "100")
    registered.run("-m", "fairstall.cli.main", "promote", *what, *told)
    deployed = deployments.current()
    assert deployed is not None
    assert deployments.bundle(deployed).version == registered.bundle.version
    assert deployed.previous == first.version
