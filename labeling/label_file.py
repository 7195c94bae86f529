"""Labels as a file: one JSON object a line in the corpora's row format, and a manifest beside it. No database."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from fairstall.model.wire import json_line

FORMAT = 1
_LINE_ENDS = "\u0085\u2028\u2029"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a label file holds. Times are RFC 3339, UTC; versions are those of the decisions that were reviewed."""

    file: str
    rows: int
    sha256: str
    verdicts: Mapping[str, int]
    policies: Mapping[str, int]
    reviewed_from: str | None
    reviewed_until: str | None
    model_versions: tuple[str, ...]
    policies_versions: tuple[str, ...]

    def body(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}


def manifest_path(file: Path) -> Path:
    """Where the manifest of a label file is: `labels.jsonl` has `labels.manifest.json`."""
    return file.with_suffix(".manifest.json")


def write_labels(file: Path, rows: Iterable[Mapping[str, Any]]) -> Manifest:
    """Write `rows` and their manifest. Both files appear whole or not at all; an earlier one is replaced."""
    tally = _Tally()
    with arriving(file) as out:
        for row in rows:
            line = _one_line(row)
            tally.add(row, line)
            out.write(line)
    manifest = replace(tally.manifest(), file=file.name)
    with arriving(manifest_path(file)) as out:
        out.write(json.dumps(manifest.body(), indent=1).encode() + b"\n")
    return manifest


@contextmanager
def arriving(file: Path) -> Iterator[BinaryIO]:
    """What is written in the block becomes `file` at its end, whole and on disk; after an error nothing has changed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.arriving")
    try:
        with beside.open("wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def _one_line(row: Mapping[str, Any]) -> bytes:
    """JSON without the characters that some readers take for the end of a line (Python's `splitlines` among them)."""
    text = json_line(row)
    for character in _LINE_ENDS:
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode() + b"\n"


class _Tally:
    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._rows = 0
        self._verdicts: dict[str, int] = {}
        self._policies: dict[str, int] = {}
        self._seen: dict[str, set[str]] = {"reviewed_at": set(), "model_version": set(), "policies_version": set()}

    def add(self, row: Mapping[str, Any], line: bytes) -> None:
        self._digest.update(line)
        self._rows += 1
        self._verdicts[row["verdict"]] = self._verdicts.get(row["verdict"], 0) + 1
        for code in row["policies"]:
            self._policies[code] = self._policies.get(code, 0) + 1
        for name, seen in self._seen.items():
            if value := row.get(name):
                seen.add(value)

    def manifest(self) -> Manifest:
        times = self._seen["reviewed_at"]
        return Manifest(
            file="",
            rows=self._rows,
            sha256=self._digest.hexdigest(),
            verdicts=dict(sorted(self._verdicts.items())),
            policies=dict(sorted(self._policies.items())),
            reviewed_from=min(times, default=None),
            reviewed_until=max(times, default=None),
            model_versions=tuple(sorted(self._seen["model_version"])),
            policies_versions=tuple(sorted(self._seen["policies_version"])),
        )
