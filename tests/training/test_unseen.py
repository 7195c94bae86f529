"""Sources are kept out whole, and what the recipe does on them is reported beside the baseline."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fairstall.evals.leave_out import WITHOUT_SOURCES, folds_of, open_folds, unseen_rows
from fairstall.evals.rows import eval_row
from fairstall.evals.tracking import Tracking
from fairstall.model.policies import PolicySet
from fairstall.training.config import ExamineConfig, SplitConfig, TrainingConfig, UnseenConfig
from fairstall.training.groups import near_duplicate_groups
from fairstall.training.measure import held_out_records
from fairstall.training.recipes import DRUGS, Recipe
from fairstall.training.rows import Row
from fairstall.training.session import Inputs, Session, revision_at, train_and_record
from fairstall.training.splits import split_rows, without_sources

Mirror = tuple[Path, tuple[Recipe, ...]]
WriteCorpus = Callable[..., Recipe]
pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's dependencies warn of one another


@pytest.fixture(scope="module")
def whole_session(
    tiny_mirror: Mirror,
    tiny_config: TrainingConfig,
    write_corpus: WriteCorpus,
    policies: PolicySet,
    tmp_path_factory: pytest.TempPathFactory,
) -> Session:
    """A run with every measurement on, and a second dark market and shop that are kept out."""
    folder, recipes = tiny_mirror
    dark = {"policies": ["prohibited/drugs"], "verdict": "violation"}
    rows = [_raw(f"new:{n}", f"pure crystal {_token(n)} grams, stealth shipping", **dark) for n in range(100)]
    rows += [_raw(f"new:s{n}", f"Ruiz kettle and lamp {_token(-n)}") for n in range(100)]
    new = write_corpus(folder, "new", rows, policies={"prohibited/drugs": DRUGS})
    config = replace(
        tiny_config,
        sampling=replace(tiny_config.sampling, disguise=0.2),
        examine=ExamineConfig(attacked_rows=200, hidden_rows=12, timed_rows=64),
        unseen=UnseenConfig(folds=(("new", "not_there"),), cell_rows=30),
    )
    home = tmp_path_factory.mktemp("whole")
    return train_and_record(
        Inputs(corpora=folder, recipes=(*recipes, new)),
        policies,
        config,
        home / "bundle",
        tracking=Tracking(f"sqlite:///{home / 'mlflow.sqlite'}", home / "artifacts"),
        revision=revision_at(datetime(2026, 11, 22, tzinfo=UTC)),
        report=lambda _: None,
    )


def _token(number: int) -> str:
    return hashlib.sha256(f"new {number}".encode()).hexdigest()[:40]


def _raw(row_id: str, title: str, **changes: object) -> dict[str, object]:
    row = {"id": row_id, "title": title, "description": "", "language": "en", "verdict": "compliant", "policies": []}
    return {**row, "label_kind": "human", **changes}


def test_an_unseen_source_is_reported_beside_the_baseline(whole_session: Session) -> None:
    metrics = whole_session.metrics
    scope = "unseen/new/prohibited.drugs"
    gain = metrics[f"{scope}/average_precision"] - metrics[f"{scope}/average_precision_baseline"]
    assert metrics[f"{scope}/average_precision_gain"] == pytest.approx(gain)
    assert metrics[f"{scope}/average_precision_gain.low"] <= gain
    assert 0 <= metrics["unseen/new/false_positive_rate"] <= 1
    assert not [name for name in metrics if "not_there" in name]


def test_each_fold_stays_beside_the_bundle_and_says_what_it_has_not_seen(whole_session: Session) -> None:
    [fold] = open_folds(folds_of(whole_session.bundle.folder))
    assert fold.facts.data[WITHOUT_SOURCES] == ["new", "not_there"]
    assert "without new, not_there" in fold.card.read_text(encoding="utf-8")
    records = [eval_row(record) for record in held_out_records(whole_session.material)]
    assert {row.source for row in unseen_rows(fold, records)} == {"new"}


def test_held_out_rows_are_real_rows_of_the_test_split_one_a_group(whole_session: Session) -> None:
    records = held_out_records(whole_session.material)
    test = {grouped.row.id: grouped for grouped in whole_session.material.splits.test}
    assert len({record["group"] for record in records}) == len(records) > 0
    assert all(test[record["id"]].row.real for record in records)
    trained = {grouped.group for grouped in whole_session.material.splits.train}
    assert not trained & {record["group"] for record in records}


def test_the_card_tells_what_attacks_languages_and_unseen_sources_do(whole_session: Session) -> None:
    card = whole_session.bundle.card.read_text(encoding="utf-8")
    for cell in ("| new | prohibited/drugs |", "| homoglyph |", "| de |", "| changed_decisions |", "times as fast"):
        assert cell in card


def test_every_suite_is_among_the_metrics(whole_session: Session) -> None:
    wanted = {"attack/leet/score/recall_kept.low", "language/zh/declared", "training/speed_gain", "parity/speed_gain"}
    assert wanted <= set(whole_session.metrics)


def test_a_group_that_touches_an_unseen_source_is_unseen(make_row: Callable[..., Row]) -> None:
    rows = [make_row(f"a:{n}", f"a kettle of copper with a lid, number {n}") for n in range(9)]
    rows += [make_row("b:1", "a kettle of copper with a lid, number 12")]
    splits = split_rows(rows, near_duplicate_groups(rows), SplitConfig(1.0, 0.0, 0.0))
    assert len(splits.train) == 10
    assert len(without_sources(splits, ["b"]).test) == 10
    assert without_sources(splits, ["c"]) == splits


def test_authored_groups_have_shares_of_their_own(make_row: Callable[..., Row]) -> None:
    rows = [make_row("a:1", "kettle"), make_row("seed:1", "a bicycle for two", real=False)]
    rows += [make_row("seed:2", "kettle", real=False)]
    splits = split_rows(rows, ["g1", "g2", "g1"], SplitConfig(0.0, 0.0, 0.0), authored=SplitConfig(1.0, 0.0, 0.0))
    assert [one.row.id for one in splits.train] == ["seed:1"]
    assert {one.row.id for one in splits.test} == {"a:1", "seed:2"}
