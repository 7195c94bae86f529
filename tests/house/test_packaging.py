"""The package map in pyproject.toml agrees with the folders on disk."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
NOT_PACKAGES = {"tests", "docs", "build", "dist"}


def packages_on_disk() -> set[str]:
    folders = {
        path.parent for path in ROOT.glob("[!.]*/**/*.py") if path.relative_to(ROOT).parts[0] not in NOT_PACKAGES
    }
    return {".".join(("fairstall", *folder.relative_to(ROOT).parts)) for folder in folders}


def test_every_package_on_disk_is_listed() -> None:
    missing = packages_on_disk() - set(SETUPTOOLS["packages"])
    assert not missing, f"add to [tool.setuptools] packages, or the wheel will lack them: {sorted(missing)}"


def test_every_top_level_package_maps_to_its_folder() -> None:
    for name, folder in SETUPTOOLS["package-dir"].items():
        assert name == f"fairstall.{folder}"
        assert (ROOT / folder).is_dir()


def test_nothing_above_the_folders_makes_the_namespace_a_package() -> None:
    assert not (ROOT / "__init__.py").exists()
    assert not (ROOT / "fairstall").exists()
