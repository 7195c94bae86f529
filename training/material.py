"""All rows of a run, gathered, grouped and split: corpora, authored rows, reviews. Each is read in its own module."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fairstall.model.errors import CorpusError
from fairstall.model.policies import PolicySet
from fairstall.training.authored import example_rows, seed_rows, word_rows
from fairstall.training.config import TrainingConfig
from fairstall.training.corpora import check_mirror, corpus_rows
from fairstall.training.groups import near_duplicate_groups
from fairstall.training.recipes import RECIPES, Recipe
from fairstall.training.reviewed import review_rows
from fairstall.training.rows import Row, content_sha256
from fairstall.training.splits import GroupedRow, Splits, split_rows


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that a run learns from and is measured on. `facts` describe it for the bundle and for MLflow."""

    codes: tuple[str, ...]
    splits: Splits
    sha256: str
    facts: Mapping[str, Any]


def gather(
    policies: PolicySet,
    config: TrainingConfig,
    *,
    corpora: Path | None = None,
    labels_file: Path | None = None,
    held_out: Sequence[str] = (),
    recipes: Sequence[Recipe] = RECIPES,
) -> Material:
    """The rows of a run, grouped and split. Without `corpora` it has authored rows and reviews alone.

    Raises CorpusError when a corpus is missing or altered, a label cannot be read, or there is nothing to learn from.
    """
    codes = policies.codes
    rows: list[Row] = []
    if corpora is not None:
        check_mirror(corpora, recipes)
        rows += corpus_rows(corpora, codes=codes, data=config.data, languages=config.languages, recipes=recipes)
    rows += authored_rows(policies, config)
    if labels_file is not None:
        rows += review_rows(labels_file, codes, default_language=config.languages[0])
    rows = _once_each(rows)
    if not rows:
        raise CorpusError("there is nothing to learn from: no corpora, no authored rows and no labels were given")
    groups = near_duplicate_groups(rows)
    splits = split_rows(rows, groups, config.splits, authored=config.authored_splits, held_out=held_out)
    words = word_rows(policies, codes) if config.data.policy_words else []
    splits = replace(splits, train=(*splits.train, *(GroupedRow(row, row.id) for row in words)))
    rows += words
    sha256 = content_sha256(rows)
    used = recipes if corpora is not None else ()
    facts = material_facts(rows, len(set(groups)) + len(words), splits, sha256, used)
    return Material(codes, splits, sha256, facts)


def authored_rows(policies: PolicySet, config: TrainingConfig) -> list[Row]:
    """Seed corpus and policy examples, as far as the configuration wants them."""
    rows = seed_rows(policies.codes) if config.data.seed_corpus else []
    return rows + (example_rows(policies, policies.codes) if config.data.policy_examples else [])


def material_facts(
    rows: Sequence[Row], groups: int, splits: Splits, sha256: str, recipes: Sequence[Recipe]
) -> dict[str, Any]:
    """Rows, origins, licences and hashes, as `bundle.json` keeps them."""
    known = {recipe.name: recipe for recipe in recipes}
    return {
        "sha256": sha256,
        "rows": len(rows),
        "groups": groups,
        "splits": {name: len(part) for name, part in splits.named().items()},
        "sources": {
            source: _source_facts([row for row in rows if row.source == source], known.get(source))
            for source in sorted({row.source for row in rows})
        },
    }


def _source_facts(rows: Sequence[Row], recipe: Recipe | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "rows": len(rows),
        "violations": sum(not row.compliant for row in rows),
        "label_kinds": dict(sorted(Counter(row.label_kind for row in rows).items())),
        "languages": sorted({row.language for row in rows}),
    }
    if recipe is None:
        return facts
    return facts | {"origin": recipe.origin, "licence": recipe.licence, "sha256": recipe.sha256}


def _once_each(rows: Sequence[Row]) -> list[Row]:
    """One row an id; a later one replaces an earlier, so that a review overrules what a corpus said."""
    return list({row.id: row for row in rows}.values())
