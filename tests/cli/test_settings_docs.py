"""The settings page agrees with the one place where settings are defined."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.models import OptionInfo

from fairstall.cli import settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "settings.md").read_text()


def options() -> dict[str, OptionInfo]:
    defined: dict[str, Any] = {name: value for name, value in vars(settings).items() if name.endswith("Setting")}
    return {name: get_args(alias)[1] for name, alias in defined.items()}


@pytest.mark.parametrize("name", options())
def test_each_setting_is_documented_with_its_flag_and_variable(name: str) -> None:
    option = options()[name]
    flag = option.param_decls[0] if option.param_decls else option.default
    assert f"| `{flag}` | `{option.envvar}` |" in PAGE


def test_no_other_module_reads_the_environment() -> None:
    folders = ("cli", "evals", "labeling", "model", "records", "serving", "training")
    elsewhere = [
        str(path.relative_to(ROOT))
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "settings.py" and re.search(r"envvar=|getenv|os\.environ\[|environ\.get", path.read_text())
    ]
    assert not elsewhere
