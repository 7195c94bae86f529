"""A small mirror of corpora in the public format, written by the tests themselves, and one session trained on it."""

import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fairstall.evals.tracking import Tracking
from fairstall.model.policies import PolicySet
from fairstall.model.policy_file import starter_policies
from fairstall.training.config import TrainingConfig, load_config
from fairstall.training.recipes import DRUGS, FRAUD, WEAPONS, Recipe
from fairstall.training.rows import Row
from fairstall.training.session import Inputs, Session, revision_at, train_and_record

GOODS = ("kettle", "lamp", "jacket", "drill", "teapot", "bicycle", "carpet", "camera", "guitar", "blanket", "kite")
MAKERS = ("Arlo", "Benz", "Corvo", "Delta", "Erikson", "Fjord", "Gallo", "Hobbs", "Iris", "Jansen", "Marsh", "Lumo")
DARK = {
    "prohibited/drugs": "pure crystal {} grams, stealth shipping",
    "prohibited/weapons": "loaded pistol {} rounds, no serial number",
    "prohibited/fraud_services": "fresh cards {} dumps, balance guaranteed",
}
DARK_POLICIES = {"prohibited/drugs": DRUGS, "prohibited/weapons": WEAPONS, "prohibited/fraud_services": FRAUD}
TINY_CONFIG = """
name = "tiny"
bootstrap_draws = 20
[encoder]
kind = "tiny"
frozen_layers = 0
[data]
seed_corpus = false
policy_words = false
[splits]
train = 0.4
calibration = 0.2
certification = 0.2
[sampling]
repeats = 1
authored_repeats = 1
[tune]
encoder_rate = 1e-3
head_rate = 1e-3
bf16 = false
[export]
parity_rows = 60
precision_loss = 0.1
"""

Mirror = tuple[Path, tuple[Recipe, ...]]
WriteCorpus = Callable[..., Recipe]


def _token(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _raw(name: str, number: int, title: str, policy: str = "") -> dict[str, Any]:
    return {
        "id": f"{name}:{number:05d}",
        "title": title,
        "description": "",
        "language": "en",
        "verdict": "violation" if policy else "compliant",
        "policies": [policy] if policy else [],
        "label_kind": "source_category" if policy else "assumed_live_listing",
    }


def _shop(count: int) -> list[dict[str, Any]]:
    titles = [f"{MAKERS[n % 12]} {GOODS[n % 11]} {_token(f'shop {n}')}" for n in range(count)]
    return [_raw("tiny_shop", n, title) for n, title in enumerate(titles)]


def _dark(count: int) -> list[dict[str, Any]]:
    policies = [list(DARK)[n % 3] for n in range(count)]
    return [_raw("tiny_dark", n, DARK[policy].format(_token(f"dark {n}")), policy) for n, policy in enumerate(policies)]


def _write(folder: Path, name: str, rows: Sequence[dict[str, Any]], **recipe: Any) -> Recipe:
    (folder / "corpora").mkdir(parents=True, exist_ok=True)
    content = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0)
    (folder / "corpora" / f"{name}.jsonl.gz").write_bytes(content)
    return Recipe(name, hashlib.sha256(content).hexdigest(), "written by a test", **recipe)


@pytest.fixture(scope="session")
def write_corpus() -> WriteCorpus:
    """`write_corpus(folder, name, rows, **recipe)`: a file in the mirror's format, and the recipe that fits it."""
    return _write


@pytest.fixture(scope="session")
def policies() -> PolicySet:
    return starter_policies()


@pytest.fixture
def make_row(policies: PolicySet) -> Callable[..., Row]:
    """`make_row(id, title, broken=(), **changes)`: a row whose labels are all known."""

    def make(row_id: str, title: str, broken: Sequence[str] = (), **changes: Any) -> Row:
        values: dict[str, Any] = {
            "source": row_id.partition(":")[0],
            "description": "",
            "language": "en",
            "label_kind": "human",
            "labels": tuple(float(code in broken) for code in policies.codes),
            "trust": (1.0,) * len(policies.codes),
        }
        return Row(id=row_id, title=title, **{**values, **changes})

    return make


@pytest.fixture(scope="session")
def make_mirror() -> Callable[..., Mirror]:
    """`make_mirror(folder, rows, change=None)`: a shop and a dark market of `rows` listings each.

    `change` is given both lists of raw rows before they are written.
    """

    def make(folder: Path, rows: int, change: Callable[..., None] | None = None) -> Mirror:
        shop, dark = _shop(rows), _dark(rows)
        if change:
            change(shop, dark)
        recipes = (_write(folder, "tiny_shop", shop), _write(folder, "tiny_dark", dark, policies=DARK_POLICIES))
        return folder, recipes

    return make


@pytest.fixture(scope="session")
def tiny_mirror(make_mirror: Callable[..., Mirror], tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    """A shop and a dark market of 240 listings each."""
    return make_mirror(tmp_path_factory.mktemp("mirror"), 240)


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(TINY_CONFIG, encoding="utf-8")
    return load_config(path)


@pytest.fixture(scope="session")
def tiny_tracking(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    folder = tmp_path_factory.mktemp("mlflow")
    return Tracking(f"sqlite:///{folder / 'mlflow.sqlite'}", folder / "artifacts")


@pytest.fixture(scope="session")
def tiny_session(
    tiny_mirror: Mirror,
    tiny_config: TrainingConfig,
    tiny_tracking: Tracking,
    policies: PolicySet,
    tmp_path_factory: pytest.TempPathFactory,
) -> Session:
    """One whole run on the tiny mirror: bundle, baseline, MLflow. Read it, never write into it."""
    folder, recipes = tiny_mirror
    return train_and_record(
        Inputs(corpora=folder, recipes=recipes),
        policies,
        tiny_config,
        tmp_path_factory.mktemp("bundle"),
        tracking=tiny_tracking,
        revision=revision_at(datetime(2026, 11, 22, tzinfo=UTC)),
        report=lambda _: None,
    )
