"""A model as a folder: what is in it, how it is sealed, and how a sealed one is opened. It runs nothing.

model.onnx       int8 graph: input_ids, attention_mask (batch, tokens) int64 -> logits (batch, labels) float32
tokenizer.json   Hugging Face tokenizers file
card.md          what it was made of and how well it does
bundle.json      BundleFacts, the SHA-256 of each file above, and `digest`, the SHA-256 of all the rest of bundle.json
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from fairstall.model.calibration import PlattCalibration
from fairstall.model.certificates import PolicyThresholds, thresholds_from_json
from fairstall.model.errors import BundleError
from fairstall.model.routing import Routing, routing_from_json

FORMAT = 1
MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
CARD_FILE = "card.md"
FACTS_FILE = "bundle.json"
SEALED_FILES = (MODEL_FILE, TOKENIZER_FILE, CARD_FILE)


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """What a bundle knows about itself.

    `labels` are policy codes in the order of the logits. A window has `max_tokens` tokens at most and shares
    `overlap_tokens` with its neighbour; a listing has `max_windows` at most. `languages` are ISO 639-1. `routing` says
    which listings people look at first.
    `data`, `training` and `parity` are records for people and for MLflow: hashes, configuration, seed, measured drift.
    """

    name: str
    created_at: str
    code_revision: str
    labels: tuple[str, ...]
    languages: tuple[str, ...]
    calibration: Mapping[str, PlattCalibration]
    thresholds: Mapping[str, PolicyThresholds]
    routing: Routing = field(default_factory=Routing)
    max_tokens: int = 128
    overlap_tokens: int = 32
    max_windows: int = 48
    data: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A sealed bundle on disk whose files were checked against their hashes when it was opened."""

    folder: Path
    facts: BundleFacts
    digest: str

    @property
    def version(self) -> str:
        """The bundle's name and the first twelve digits of its digest: what `versions.model` says."""
        return f"{self.facts.name}-{self.digest[:12]}"

    @property
    def model(self) -> Path:
        return self.folder / MODEL_FILE

    @property
    def tokenizer(self) -> Path:
        return self.folder / TOKENIZER_FILE

    @property
    def card(self) -> Path:
        return self.folder / CARD_FILE


def seal_bundle(folder: Path, facts: BundleFacts) -> Bundle:
    """Write `bundle.json` over the files in `folder` and open the result. Raises BundleError when a file is missing."""
    content = {"format": FORMAT, **asdict(facts), "files": {name: _file_sha256(folder / name) for name in SEALED_FILES}}
    content = json.loads(json.dumps(content))
    sealed = {**content, "digest": _digest(content)}
    (folder / FACTS_FILE).write_text(json.dumps(sealed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return open_bundle(folder)


def open_bundle(folder: Path) -> Bundle:
    """The bundle in `folder`. Raises BundleError that names the file that is missing, altered or unreadable."""
    path = folder / FACTS_FILE
    try:
        content = json.loads(path.read_bytes(), parse_constant=_no_such_number)
    except FileNotFoundError as error:
        raise BundleError(f"{folder} is no bundle: {FACTS_FILE} is missing") from error
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BundleError(f"{path} is not of bundle format {FORMAT}")
    digest = content.pop("digest", None)
    if digest != _digest(content):
        raise BundleError(f"{path} was altered: its digest does not match its content")
    files = content.get("files")
    for name in SEALED_FILES:
        if not isinstance(files, dict) or _file_sha256(folder / name) != files.get(name):
            raise BundleError(f"{folder / name} was altered: its SHA-256 is not the one in {FACTS_FILE}")
    return Bundle(folder=folder, facts=_facts(content, path), digest=str(digest))


def _facts(content: Mapping[str, Any], path: Path) -> BundleFacts:
    values = {name: value for name, value in content.items() if name not in ("format", "files")}
    try:
        values["labels"] = tuple(values["labels"])
        values["languages"] = tuple(values["languages"])
        values["calibration"] = {code: PlattCalibration(**c) for code, c in values["calibration"].items()}
        values["thresholds"] = {code: thresholds_from_json(t) for code, t in values["thresholds"].items()}
        if "routing" in values:
            values["routing"] = routing_from_json(values["routing"])
        facts = BundleFacts(**values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{path} lacks or misspells a field: {error}") from error
    unready = [code for code in facts.labels if code not in facts.calibration or code not in facts.thresholds]
    if unready:
        raise BundleError(f"{path} has no calibration or thresholds for {', '.join(unready)}")
    return facts


def _no_such_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()  # in one go, so that other threads work meanwhile
    except FileNotFoundError as error:
        raise BundleError(f"{path.parent} is no bundle: {path.name} is missing") from error
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
