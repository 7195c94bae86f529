"""What a training run is asked to do, as frozen values read from TOML. It trains nothing."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_type_hints

from fairstall.evals.certify import CertifyConfig
from fairstall.model.errors import SetupError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DataConfig:
    """How many rows are taken. Which ones is decided by a hash of their ids, so that it never changes.

    `covered_compliant_rows`: per source in a covered language; `other_compliant_rows`: per source in any other.
    `violation_rows`: per source and policy. `seed_corpus`, `policy_examples`: whether authored rows are used;
    `policy_words`: whether the terms of the policies teach.
    """

    covered_compliant_rows: int = 6000
    other_compliant_rows: int = 400
    violation_rows: int = 4000
    seed_corpus: bool = True
    policy_examples: bool = True
    policy_words: bool = True


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """Shares of the groups; what is left over is the test split."""

    train: float = 0.6
    calibration: float = 0.1
    certification: float = 0.15


# Authored rows certify little and teach much, so most of them train.
AUTHORED_SPLITS = SplitConfig(train=0.7, calibration=0.08, certification=0.1)


@dataclass(frozen=True, slots=True)
class WindowConfig:
    """As in BundleFacts; `training_windows` bounds what one row costs while training."""

    max_tokens: int = 128
    overlap_tokens: int = 32
    max_windows: int = 48
    training_windows: int = 2


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """`minilm` is all-MiniLM-L6-v2; `tiny` is a small BERT with random weights, for tests and demonstrations."""

    kind: Literal["minilm", "tiny"] = "minilm"
    frozen_layers: int = 2


@dataclass(frozen=True, slots=True)
class SamplingConfig:
    """How a pass over the training rows is composed, see `fairstall.training.sampling`.

    A cell is a source with one policy, or a source's compliant rows. A row of a small cell is seen up to `repeats`
    times, a cell gives `violation_cell_rows` or `compliant_cell_rows` at most; authored rows are all seen
    `authored_repeats` times, words of policies once. `disguise`: the share of rows that are
    written as a hostile or careless seller would, see `fairstall.training.augment`. `hard_rows`: compliant rows that
    are seen once more because the first probe is most mistaken about them, see `fairstall.training.mining`.
    """

    repeats: int = 4
    authored_repeats: int = 6
    violation_cell_rows: int = 1500
    compliant_cell_rows: int = 2500
    drop_title: float = 0.15
    drop_description: float = 0.25
    title_as_description: float = 0.2
    disguise: float = 0.0
    hard_rows: int = 0


@dataclass(frozen=True, slots=True)
class TuneConfig:
    """Probe first, then tune (Kumar et al. 2022). `head_rate` and `encoder_rate` are peak learning rates;
    each layer below the top learns at `layer_decay` times the rate of the one above it. `kept_of_pretrained` is the
    share of the pretrained encoder in the final weights (Wortsman et al. 2022). `refit_head` fits the probe once more
    on the tuned encoder. `bf16` is for processors that compute in it; on any other it is passed over.
    """

    batch_rows: int = 32
    encoder_rate: float = 5e-5
    head_rate: float = 5e-4
    layer_decay: float = 0.8
    warmup: float = 0.1
    weight_decay: float = 0.01
    passes: int = 1
    probe_l2: float = 5e-3
    probe_steps: int = 60
    largest_positive_weight: float = 4.0
    kept_of_pretrained: float = 0.0
    refit_head: bool = True
    bf16: bool = True


@dataclass(frozen=True, slots=True)
class ExportConfig:
    """The drift from torch that an int8 graph may have, and the size that a bundle may have.

    `scale_rows`: training rows that set the scales of activations.
    """

    scale_rows: int = 400
    parity_rows: int = 1000
    max_probability_change: float = 0.25
    mean_probability_change: float = 0.01
    precision_loss: float = 0.01
    largest_bundle_bytes: int = 25_000_000


@dataclass(frozen=True, slots=True)
class UnseenConfig:
    """Sources kept out of training in turn, to see what the recipe does on shops that it has never seen.

    Each of `folds` is a list of source names, kept out together; no folds, nothing is measured. `cell_rows`: at most so
    many rows of a source with one policy, or of its compliant rows, are in a fold's test split. The other two are those
    of the sampling, smaller, so that a fold takes minutes.
    """

    folds: tuple[tuple[str, ...], ...] = ()
    cell_rows: int = 700
    violation_cell_rows: int = 500
    compliant_cell_rows: int = 800


@dataclass(frozen=True, slots=True)
class ExamineConfig:
    """Test rows for the suites that change texts. 0 leaves a suite out.

    `attacked_rows`: violations, and as many compliant rows; the language suite runs with them. `hidden_rows`:
    violations of a policy that are hidden in long texts. `timed_rows`: rows that the Trainer's defaults are timed on.
    """

    attacked_rows: int = 0
    hidden_rows: int = 0
    timed_rows: int = 0


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One training run. Every field is recorded in the bundle and in MLflow.

    `bootstrap_draws`: how often groups are drawn for the intervals of the reported metrics.
    """

    name: str
    seed: int = 7
    bootstrap_draws: int = 300
    languages: tuple[str, ...] = ("en",)
    data: DataConfig = field(default_factory=DataConfig)
    splits: SplitConfig = field(default_factory=SplitConfig)
    authored_splits: SplitConfig = AUTHORED_SPLITS
    windows: WindowConfig = field(default_factory=WindowConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    tune: TuneConfig = field(default_factory=TuneConfig)
    certify: CertifyConfig = field(default_factory=CertifyConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    examine: ExamineConfig = field(default_factory=ExamineConfig)
    unseen: UnseenConfig = field(default_factory=UnseenConfig)


def load_config(path: Path) -> TrainingConfig:
    """The run that a TOML file describes. Raises SetupError that names the unknown or mistyped key."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SetupError(f"{path} cannot be read as TOML: {error}") from error
    return _parse(TrainingConfig, content, where=str(path))


def shipped_config(name: str) -> TrainingConfig:
    """A configuration that ships with the package: `starter` or `small`."""
    with resources.as_file(resources.files("fairstall.training") / "configs" / f"{name}.toml") as path:
        return load_config(path)


def _parse(kind: type[T], content: Mapping[str, Any], *, where: str) -> T:
    hints = get_type_hints(kind)
    unknown = sorted(set(content) - set(hints))
    if unknown:
        raise SetupError(f"{where}: unknown key '{unknown[0]}'; known are {', '.join(sorted(hints))}")
    missing = [f.name for f in fields(cast(Any, kind)) if f.name == "name" and f.name not in content]
    if missing:
        raise SetupError(f"{where}: '{missing[0]}' is missing")
    return kind(**{key: _value(hints[key], value, where=f"{where}: {key}") for key, value in content.items()})


def _strings(value: Any, *, where: str) -> tuple[str, ...]:
    if not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise SetupError(f"{where} must be a list of strings, not {value!r}")
    return tuple(value)


def _value(hint: Any, value: Any, *, where: str) -> Any:
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise SetupError(f"{where} must be a table")
        return _parse(cast(type[Any], hint), value, where=where)
    if hint == tuple[str, ...]:
        return _strings(value, where=where)
    if hint == tuple[tuple[str, ...], ...]:
        if not isinstance(value, list):
            raise SetupError(f"{where} must be a list of lists of strings, not {value!r}")
        return tuple(_strings(item, where=where) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    choices = getattr(hint, "__args__", None)
    if choices is not None:
        if value not in choices:
            raise SetupError(f"{where} must be one of {', '.join(map(str, choices))}, not {value!r}")
        return value
    if type(value) is not hint:
        raise SetupError(f"{where} must be of type {hint.__name__}, not {value!r}")
    return value
