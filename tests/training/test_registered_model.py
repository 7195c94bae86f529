"""A registered bundle run by MLflow alone, with the commands and the script that docs/evaluating.md shows."""

import json
import os
import re
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.evaluation import evaluate
from fairstall.evals.rows import read_rows
from fairstall.evals.scored import score_rows
from fairstall.evals.tracking import RunTags, Tracking, open_run, tracking_client
from fairstall.model.bundle import Bundle, open_bundle
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
