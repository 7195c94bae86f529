"""Folders import one another only along the drawn arrows, and the serving side never loads the training stack."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "model": set(),
    "records": {"model"},
    "evals": {"model"},
    "training": {"evals", "model"},
    "serving": {"records", "model"},
    "client": {"model"},
    "labeling": {"records", "model"},
    "cli": {"records", "model", "evals", "training", "serving", "labeling"},
}
LIGHT = ("model", "records", "serving", "client", "labeling")
HEAVY = ("torch", "transformers", "datasets", "mlflow")
CLIENT = ROOT / "serving" / "client"  # a package of its own, fairstall.client
PEERS = ROOT / "serving" / "bench" / "peers"  # programs for environments with other frameworks, never imported


def modules(package: str) -> list[Path]:
    folder = CLIENT if package == "client" else ROOT / package
    apart = {CLIENT, PEERS} - {folder}
    return sorted(path for path in folder.rglob("*.py") if not apart & {*path.parents})


def name_of(path: Path) -> str:
    inside = path.relative_to(CLIENT.parent if CLIENT in path.parents else ROOT)
    return ".".join(("fairstall", *inside.with_suffix("").parts)).removesuffix(".__init__")


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_along_the_arrows(package: str) -> None:
    strays = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imports(ast.parse(path.read_text()))
        if name.startswith("fairstall.") and name.split(".")[1] not in MAY_IMPORT[package] | {package, "policies"}
    }
    assert not strays


def test_the_command_line_imports_the_parts_it_runs_only_inside_functions() -> None:
    lazy = ("training", "serving", "labeling", "evals")
    eager = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules("cli")
        for statement in ast.parse(path.read_text()).body
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for name in imports(statement)
        if name.startswith(tuple(f"fairstall.{part}" for part in lazy))
    }
    assert not eager


@pytest.mark.parametrize("package", LIGHT)
def test_the_serving_side_never_loads_the_training_stack(package: str) -> None:
    names = [name_of(path) for path in modules(package) if "migrations" not in path.parts]
    program = f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\n"
    program += f"print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_the_client_loads_httpx_and_two_small_modules_beside_its_own() -> None:
    program = "import sys, httpx\nbefore = set(sys.modules)\nimport fairstall.client\n"
    program += "print(*[name for name in set(sys.modules) - before])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.split(".")[0] not in sys.stdlib_module_names}
    assert {name for name in loaded if not name.startswith("fairstall.client")} == {
        "fairstall",
        "fairstall.model",
        "fairstall.model.errors",
        "fairstall.model.release",
    }
