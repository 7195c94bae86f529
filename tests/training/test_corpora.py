"""Recipes read what they were written for and nothing else, and say how far each label is trusted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fairstall.model.errors import CorpusError
from fairstall.model.policies import PolicySet
from fairstall.training.config import DataConfig
from fairstall.training.corpora import check_mirror, corpus_rows, load_corpora, read_recipe
from fairstall.training.recipes import DRUGS, MEDICINES, RECIPES, WEAPONS, Recipe
from fairstall.training.rows import content_sha256, dataset_rows

Mirror = tuple[Path, tuple[Recipe, ...]]


def test_a_wrong_hash_is_refused_with_both_hashes(tiny_mirror: Mirror, tmp_path: Path, policies: PolicySet) -> None:
    folder, (shop, _) = tiny_mirror
    (tmp_path / shop.file_name).write_bytes((folder / "corpora" / shop.file_name).read_bytes() + b"!")
    with pytest.raises(CorpusError, match=f"not {shop.sha256}"):
        read_recipe(tmp_path, shop, codes=policies.codes)


def test_a_missing_file_is_named_with_its_origin(tmp_path: Path, policies: PolicySet) -> None:
    with pytest.raises(CorpusError, match=r"agora_2014.*comes from mozzarellaV8.*SHA-256 61fb54"):
        read_recipe(tmp_path, RECIPES[0], codes=policies.codes)


def test_all_missing_files_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as raised:
        check_mirror(tmp_path)
    assert all(recipe.file_name in str(raised.value) for recipe in RECIPES)


def test_every_recipe_maps_to_policies_that_exist(policies: PolicySet) -> None:
    codes = {code for recipe in RECIPES for code in recipe.policies.values()}
    assert codes <= set(policies.codes)
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES) == 16


def test_neighbouring_policies_of_a_dark_market_row_are_unknown(tiny_mirror: Mirror, policies: PolicySet) -> None:
    rows = read_recipe(tiny_mirror[0], tiny_mirror[1][1], codes=policies.codes)
    drugs = next(row for row in rows if row.labels[policies.codes.index(DRUGS)])
    assert drugs.trust[policies.codes.index(MEDICINES)] == 0
    assert drugs.trust[policies.codes.index(WEAPONS)] == 1


def test_the_same_rows_are_taken_every_time(tiny_mirror: Mirror, policies: PolicySet) -> None:
    folder, recipes = tiny_mirror
    few = DataConfig(covered_compliant_rows=30, violation_rows=10)
    first = corpus_rows(folder, codes=policies.codes, data=few, recipes=recipes)
    again = corpus_rows(folder, codes=policies.codes, data=few, recipes=recipes[::-1])
    assert len(first) == 60
    assert content_sha256(first) == content_sha256(again) != content_sha256(first[1:])


def test_a_dataset_gives_its_rows_back(tiny_mirror: Mirror, policies: PolicySet) -> None:
    folder, recipes = tiny_mirror
    dataset = load_corpora(folder, codes=policies.codes, data=DataConfig(), recipes=recipes)
    assert dataset.num_rows == 480
    assert content_sha256(dataset_rows(dataset)) == content_sha256(
        corpus_rows(folder, codes=policies.codes, data=DataConfig(), recipes=recipes)
    )


def test_notices_are_left_out_of_listings(tmp_path: Path, write_corpus: Callable[..., Recipe]) -> None:
    notice = {"id": "n:1", "title": "Recall of a stroller", "description": "", "language": "en"}
    row = {**notice, "verdict": "violation", "policies": ["r"], "label_kind": "source_category_not_listing_style"}
    recipe = write_corpus(tmp_path, "n", [row], policies={"r": "prohibited/recalled"}, listing_style=False)
    codes = ("prohibited/recalled",)
    assert corpus_rows(tmp_path, codes=codes, data=DataConfig(), recipes=[recipe]) == []
    assert len(read_recipe(tmp_path, recipe, codes=codes)) == 1
