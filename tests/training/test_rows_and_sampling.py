"""Reviews weigh by how they were drawn, small sources are seen often, and fields are dropped on both sides."""

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairstall.model.errors import CorpusError
from fairstall.model.policies import PolicySet, RuleAction
from fairstall.training.authored import AMBIGUOUS_TRUST, WORDS_SOURCE, example_rows, seed_rows, word_rows
from fairstall.training.config import SamplingConfig, TrainingConfig
from fairstall.training.material import gather
from fairstall.training.recipes import DRUGS, WEAPONS
from fairstall.training.reviewed import review_rows
from fairstall.training.rows import Row
from fairstall.training.sampling import training_pass, with_dropped_fields

MakeRow = Callable[..., Row]
LABEL = {"decision_id": "d1", "title": "pistol", "description": "", "language": "en", "verdict": "violation"}
LABEL |= {"policies": [WEAPONS], "inclusion_probability": 0.5, "label_kind": "review"}


def labels_file(folder: Path, *changes: dict[str, Any]) -> Path:
    file = folder / "labels.jsonl"
    file.write_text("".join(json.dumps({**LABEL, **change}) + "\n" for change in changes), encoding="utf-8")
    return file


def test_a_review_weighs_by_its_inclusion_probability(tmp_path: Path, policies: PolicySet) -> None:
    file = labels_file(tmp_path, {}, {"decision_id": "d2", "inclusion_probability": 0.0001})
    rows = review_rows(file, policies.codes)
    assert [row.weight for row in rows] == [2.0, 20.0]
    assert rows[0].labels[policies.codes.index(WEAPONS)] == 1.0


def test_a_compliant_review_knows_every_policy(tmp_path: Path, policies: PolicySet) -> None:
    rows = review_rows(labels_file(tmp_path, {"verdict": "compliant", "policies": []}), policies.codes)
    assert rows[0].compliant
    assert set(rows[0].trust) == {1.0}


@pytest.mark.parametrize("change", [{"verdict": "compliant"}, {"inclusion_probability": 0}, {"policies": 3}])
def test_a_broken_label_is_refused_with_its_line(tmp_path: Path, policies: PolicySet, change: dict[str, Any]) -> None:
    with pytest.raises(CorpusError, match="line 2"):
        review_rows(labels_file(tmp_path, {}, change), policies.codes)


def test_every_policy_has_authored_rows_on_both_sides(policies: PolicySet) -> None:
    rows = seed_rows(policies.codes) + example_rows(policies, policies.codes)
    assert not any(row.real for row in rows)
    for column, _ in enumerate(policies.codes):
        near = [row for row in rows if row.trust[column] == 1.0]
        assert {row.labels[column] for row in near} == {0.0, 1.0}


def test_the_words_of_a_policy_teach_that_policy_alone(policies: PolicySet) -> None:
    rows = word_rows(policies, policies.codes)
    terms = [(policy.code, term) for policy in policies for term in policy.terms]
    assert len({row.id for row in rows}) == len(rows) == len(terms)
    for row, (code, term) in zip(rows, terms, strict=True):
        known = {policies.codes[i]: trust for i, trust in enumerate(row.trust) if trust}
        assert term.text in row.title
        assert known == {code: AMBIGUOUS_TRUST if term.action is RuleAction.EVIDENCE else 1.0}
        assert [policies.codes[i] for i, label in enumerate(row.labels) if label] == [code]


def test_words_are_seen_once_a_pass_and_only_train(policies: PolicySet) -> None:
    config = TrainingConfig("x", sampling=SamplingConfig(authored_repeats=3, disguise=1.0))
    material = gather(policies, config)
    words = [one.row for one in material.splits.train if one.row.source == WORDS_SOURCE]
    assert len(words) == len(word_rows(policies, policies.codes))
    held_out = (material.splits.calibration, material.splits.certification, material.splits.test)
    assert not any(one.row.source == WORDS_SOURCE for part in held_out for one in part)
    seen = training_pass([one.row for one in material.splits.train], config.sampling, seed=1)
    assert sum(row.source == WORDS_SOURCE for row in seen) == len(words)


def test_a_small_source_is_seen_often_and_a_large_one_in_part(make_row: MakeRow) -> None:
    rows = [make_row(f"big:{n}", f"grams {n}", [DRUGS]) for n in range(100)]
    rows += [make_row(f"small:{n}", f"pistol {n}", [WEAPONS]) for n in range(5)]
    rows += [make_row(f"shop:{n}", f"kettle {n}") for n in range(50)]
    sampling = SamplingConfig(repeats=3, violation_cell_rows=40, compliant_cell_rows=30)
    seen = training_pass(rows, sampling, seed=1)
    assert Counter(row.source for row in seen) == {"big": 40, "small": 15, "shop": 30}
    assert [row.id for row in seen] == [row.id for row in training_pass(rows, sampling, seed=1)]


def test_fields_are_dropped_from_violations_and_compliant_rows_alike(make_row: MakeRow) -> None:
    sampling = SamplingConfig(drop_title=0.3, drop_description=0.3)
    for broken in ([], [DRUGS]):
        row, draw = make_row("a:1", "title", broken, description="description"), random.Random(1)
        dropped = [with_dropped_fields(row, sampling, draw) for _ in range(500)]
        assert 100 < sum(not one.title for one in dropped) < 200
        assert 100 < sum(not one.description for one in dropped) < 200
        assert all(one.title or one.description for one in dropped)
