"""Labelled listings as evals read them: one JSON object a line. Making them out of public corpora is for training."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, cast

from fairstall.model.errors import InputError
from fairstall.model.listing import Listing

SUFFIXES = (".jsonl", ".jsonl.gz")


@dataclass(frozen=True, slots=True)
class EvalRow:
    """A listing and what is known about it.

    `policies` are the codes that it violates. `mask` are the codes whose truth is known, None for all: what is not in
    it is left out of every number, since unscored is not wrong. A violated policy is always known. Rows of one `group`
    (near-duplicates, one seller) count as one observation when intervals are made; without one a row stands alone.
    `weight` multiplies the row.
    """

    id: str
    title: str
    description: str
    language: str | None = None
    policies: frozenset[str] = frozenset()
    source: str = "unknown"
    group: str = ""
    mask: frozenset[str] | None = None
    weight: float = 1.0

    def listing(self) -> Listing:
        return Listing(self.id, self.source, self.title, self.description, language=self.language)


def eval_row(value: object) -> EvalRow:
    """An EvalRow from one, from a mapping or from any dataclass with its field names; other fields are passed over.

    Only `id` and one of the two texts must be there. `source` defaults to what stands before the colon of the id.
    `mask` may be a list of codes or a mapping from code to truth value. Raises InputError.
    """
    if isinstance(value, EvalRow):
        return value
    given = _mapping(value)
    row_id = _text(given, "id")
    title, description = _text(given, "title", ""), _text(given, "description", "")
    if not row_id or not (title or description):
        raise InputError(f"row {row_id!r} needs an id and a title or description")
    return EvalRow(
        id=row_id,
        title=title,
        description=description,
        language=_text(given, "language", "") or None,
        policies=_codes(given.get("policies")) or frozenset(),
        source=_text(given, "source", "") or row_id.partition(":")[0],
        group=_text(given, "group", ""),
        mask=_codes(given.get("mask")),
        weight=_weight(given.get("weight")),
    )


def read_rows(paths: Sequence[Path]) -> list[EvalRow]:
    """The rows of files, and of all .jsonl and .jsonl.gz files in folders, in the order of names.

    Raises InputError that names the file and line, or the id that occurs twice.
    """
    rows = [row for path in paths for file in _files(path) for row in _file_rows(file)]
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise InputError(f"row {row.id!r} occurs twice; a row may count only once")
        seen.add(row.id)
    if not rows:
        raise InputError(f"no rows in {', '.join(map(str, paths))}")
    return rows


def rows_sha256(rows: Iterable[EvalRow]) -> str:
    """A hash of all that rows say, whatever their order."""
    lines = sorted(json.dumps(_plain(row), sort_keys=True) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _plain(row: EvalRow) -> Mapping[str, object]:
    mask = None if row.mask is None else sorted(row.mask)
    return {**asdict(row), "policies": sorted(row.policies), "mask": mask}


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.name.endswith(SUFFIXES))


def _file_rows(path: Path) -> Iterator[EvalRow]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _row(line, where=f"{path}:{number}")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _row(line: str, *, where: str) -> EvalRow:
    try:
        return eval_row(json.loads(line))
    except (ValueError, InputError) as error:
        raise InputError(f"{where}: {error}") from error


def _mapping(value: object) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise InputError(f"a row must be a JSON object, not {type(value).__name__}")


def _text(given: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = given.get(name, default)
    if value is None:
        value = default
    if not isinstance(value, str):
        raise InputError(f"'{name}' must be text, not {value!r}")
    return value


def _codes(value: object) -> frozenset[str] | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return frozenset(str(code) for code, known in value.items() if known)
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InputError(f"policies and mask must be lists of policy codes, not {value!r}")
    codes = list(cast(Iterable[object], value))
    if not all(isinstance(code, str) for code in codes):
        raise InputError(f"policies and mask must be lists of policy codes, not {codes!r}")
    return frozenset(cast(list[str], codes))


def _weight(value: object) -> float:
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise InputError(f"'weight' must be a number of 0 or more, not {value!r}")
    return float(value)
