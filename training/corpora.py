"""Reads the public corpora from their mirror, hashes checked. What a corpus means stands in `recipes`."""

import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairstall.model.errors import CorpusError
from fairstall.training.config import DataConfig
from fairstall.training.recipes import NEIGHBOURS, RECIPES, Recipe
from fairstall.training.rows import Row, rows_dataset

if TYPE_CHECKING:
    import datasets

FOLDER = "corpora"


def load_corpora(
    mirror: Path,
    *,
    codes: Sequence[str],
    data: DataConfig,
    languages: Sequence[str] = ("en",),
    recipes: Sequence[Recipe] = RECIPES,
) -> "datasets.Dataset":
    """All listings of `recipes` as a `datasets.Dataset`, labelled for the policies `codes`.

    Raises CorpusError when a file is missing or is not the one that its recipe was written for.
    """
    return rows_dataset(corpus_rows(mirror, codes=codes, data=data, languages=languages, recipes=recipes))


def corpus_rows(
    mirror: Path,
    *,
    codes: Sequence[str],
    data: DataConfig,
    languages: Sequence[str] = ("en",),
    recipes: Sequence[Recipe] = RECIPES,
) -> list[Row]:
    """The rows behind `load_corpora`."""
    listings = [recipe for recipe in recipes if recipe.listing_style]
    return [row for recipe in listings for row in _sampled(read_recipe(mirror, recipe, codes=codes), data, languages)]


def read_recipe(mirror: Path, recipe: Recipe, *, codes: Sequence[str]) -> list[Row]:
    """Every row of one corpus, notices included when that is what the recipe holds. Raises CorpusError."""
    return [_row(recipe, raw, codes) for raw in _lines(_file(mirror, recipe), recipe)]


def check_mirror(mirror: Path, recipes: Sequence[Recipe] = RECIPES) -> None:
    """Raises CorpusError that names every missing file at once, or the first that is not the expected one."""
    missing = [recipe.file_name for recipe in recipes if not _path(mirror, recipe).is_file()]
    if missing:
        raise CorpusError(
            f"{mirror} lacks {', '.join(missing)}: FAIRSTALL_CORPORA (or --corpora) must name a folder that holds"
            f" {FOLDER}/NAME.jsonl.gz for each recipe; without it, training uses the seed corpus alone"
        )
    for recipe in recipes:
        _file(mirror, recipe)


def _path(mirror: Path, recipe: Recipe) -> Path:
    inside = mirror / FOLDER
    return (inside if inside.is_dir() else mirror) / recipe.file_name


def _file(mirror: Path, recipe: Recipe) -> bytes:
    path = _path(mirror, recipe)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorpusError(
            f"corpus '{recipe.name}' cannot be read from {path} ({error.strerror}): it comes from {recipe.origin},"
            f" in the project's row format, SHA-256 {recipe.sha256}"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != recipe.sha256:
        raise CorpusError(f"{path} is not the corpus of the recipe: SHA-256 is {found}, not {recipe.sha256}")
    return content


def _lines(content: bytes, recipe: Recipe) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(gzip.decompress(content).splitlines(), start=1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise CorpusError(f"{recipe.file_name}, line {number}: {error}") from error


def _row(recipe: Recipe, raw: Mapping[str, Any], codes: Sequence[str]) -> Row:
    try:
        broken = {recipe.policies[label] for label in raw["policies"]}
        return Row(
            id=raw["id"],
            source=recipe.name,
            title=raw["title"],
            description=raw["description"],
            language=raw["language"],
            label_kind=raw["label_kind"],
            labels=tuple(float(code in broken) for code in codes),
            trust=tuple(_trust(recipe, code, broken) for code in codes),
        )
    except KeyError as error:
        raise CorpusError(f"corpus '{recipe.name}': row {raw.get('id')} has no or an unknown {error}") from error


def _trust(recipe: Recipe, code: str, broken: set[str]) -> float:
    if code in broken:
        return recipe.label_trust.get(code, 1.0)
    if any(code in NEIGHBOURS.get(other, ()) for other in broken):
        return 0.0
    return recipe.negative_trust.get(code, recipe.other_trust)


def _sampled(rows: Sequence[Row], data: DataConfig, languages: Sequence[str]) -> list[Row]:
    pools: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows:
        pools[(row.labels, row.compliant and row.language in languages)].append(row)
    kept = []
    for (_, covered), pool in pools.items():
        compliant_rows = data.covered_compliant_rows if covered else data.other_compliant_rows
        limit = compliant_rows if pool[0].compliant else data.violation_rows
        kept += sorted(pool, key=lambda row: hashlib.sha256(row.id.encode()).digest())[:limit]
    return kept
