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
    return {package_of(folder.relative_to(ROOT)) for folder in folders}


def package_of(folder: Path) -> str:
    """The name that the map gives to a folder, or to the nearest folder above it."""
    names = {Path(path): name for name, path in SETUPTOOLS["package-dir"].items()}
    above = next((found for found in (folder, *folder.parents) if found in names), Path())
    return ".".join((names.get(above, "fairstall"), *folder.relative_to(above).parts))


def test_every_package_on_disk_is_listed() -> None:
    missing = packages_on_disk() - set(SETUPTOOLS["packages"])
    assert not missing, f"add to [tool.setuptools] packages, or the wheel will lack them: {sorted(missing)}"


def test_every_top_level_package_maps_to_its_folder() -> None:
    for name, folder in SETUPTOOLS["package-dir"].items():
        assert name == f"fairstall.{Path(folder).name}"
        assert (ROOT / folder).is_dir()


def test_a_package_that_lies_in_the_folder_of_another_is_not_shipped_twice() -> None:
    for inner in map(Path, SETUPTOOLS["package-dir"].values()):
        for outer in inner.parents[:-1]:
            left_out = SETUPTOOLS["exclude-package-data"][package_of(outer)]
            assert f"{inner.relative_to(outer)}/*" in left_out


def test_nothing_above_the_folders_makes_the_namespace_a_package() -> None:
    assert not (ROOT / "__init__.py").exists()
    assert not (ROOT / "fairstall").exists()
