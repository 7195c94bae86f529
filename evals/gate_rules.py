"""The gate's rules as frozen values, read from TOML. What they say about a candidate is for `gate`."""

import tomllib
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from fairstall.evals.compare import COMPARED
from fairstall.model.errors import SetupError

Requirement = Literal["better", "not_worse"]


@dataclass(frozen=True, slots=True)
class MacroRule:
    metric: str = "average_precision"
    require: Requirement = "better"
    margin: float = 0.01


@dataclass(frozen=True, slots=True)
class PolicyRule:
    metric: str = "average_precision"
    largest_loss: float = 0.02


@dataclass(frozen=True, slots=True)
class CalibrationRule:
    largest_ece_rise: float = 0.02


@dataclass(frozen=True, slots=True)
class CoverageRule:
    largest_automation_loss: float = 0.05
    fewer_block_certificates: int = 0
    fewer_release_certificates: int = 0
    fewer_policies: int = 0


@dataclass(frozen=True, slots=True)
class AttackRule:
    largest_recall_loss: float = 0.05


@dataclass(frozen=True, slots=True)
class SpeedRule:
    largest_slowdown: float = 0.25


@dataclass(frozen=True, slots=True)
class BundleRule:
    """How far the exported graph may be from the trained one, in calibrated probabilities on the same rows."""

    max_probability_change: float = 0.25
    mean_probability_change: float = 0.01


@dataclass(frozen=True, slots=True)
class GateRules:
    """The tables of a rules file; `gate.toml` says what each limit means."""

    macro: MacroRule = field(default_factory=MacroRule)
    policy: PolicyRule = field(default_factory=PolicyRule)
    calibration: CalibrationRule = field(default_factory=CalibrationRule)
    attacks: AttackRule = field(default_factory=AttackRule)
    speed: SpeedRule = field(default_factory=SpeedRule)
    coverage: CoverageRule = field(default_factory=CoverageRule)
    bundle: BundleRule = field(default_factory=BundleRule)


def shipped_rules() -> GateRules:
    """The rules that ship with Fairstall."""
    return load_rules(Path(str(files("fairstall.evals"))) / "gate.toml")


def load_rules(path: Path) -> GateRules:
    """The rules in a TOML file; what it leaves out is as in `gate.toml`.

    Raises SetupError that names the wrong key or value.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SetupError(f"{path} cannot be read as TOML: {error}") from error
    kinds = get_type_hints(GateRules)
    _refuse_unknown(content, list(kinds), where=str(path))
    return GateRules(
        **{table: _table(kinds[table], values, where=f"{path}: {table}") for table, values in content.items()}
    )


def _table(kind: type[Any], values: object, *, where: str) -> Any:
    if not isinstance(values, dict):
        raise SetupError(f"{where} must be a table")
    hints = get_type_hints(kind)
    _refuse_unknown(values, [known.name for known in fields(kind)], where=where)
    return kind(**{name: _value(hints[name], value, where=f"{where}.{name}") for name, value in values.items()})


def _value(hint: Any, value: object, *, where: str) -> object:
    if choices := get_args(hint):
        if value not in choices:
            raise SetupError(f"{where} must be one of {', '.join(choices)}, not {value!r}")
        return value
    if where.endswith(".metric") and value not in COMPARED:
        raise SetupError(f"{where} must be one of {', '.join(COMPARED)}, not {value!r}")
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint or (isinstance(value, int | float) and value < 0):
        raise SetupError(f"{where} must be a {hint.__name__} of 0 or more, not {value!r}")
    return value


def _refuse_unknown(given: dict[str, Any], known: list[str], *, where: str) -> None:
    for name in given:
        if name not in known:
            raise SetupError(f"{where}: unknown key '{name}'; known are {', '.join(known)}")
