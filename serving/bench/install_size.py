"""How much disk the serving install takes: Fairstall's packages and all that the extra draws in, as found here."""

from collections.abc import Mapping
from importlib import import_module, metadata
from importlib.util import cache_from_source
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = "fairstall"
PACKAGES = ("cli", "evals", "labeling", "model", "policies", "records", "serving", "training")  # the wheel has them all
BLOCK_BYTES = 512  # of st_blocks, whatever the file system


def serving_install_mb() -> dict[str, float]:
    """Megabytes of 10^6 bytes on disk by distribution, the largest first."""
    sizes = {PROJECT: sum(_folder_bytes(_folder(package)) for package in PACKAGES)}
    for name in _drawn_in(f"{PROJECT}[serving]"):
        if name != PROJECT:
            sizes[name] = distribution_bytes(metadata.distribution(name))
    return {name: size / 1e6 for name, size in sorted(sizes.items(), key=lambda pair: -pair[1])}


def total_mb(sizes: Mapping[str, float]) -> float:
    return sum(sizes.values())


def _drawn_in(requirement: str) -> set[str]:
    """The names of the distributions that a requirement needs here, with their extras followed."""
    waiting, seen = [Requirement(requirement)], set[tuple[str, str]]()
    while waiting:
        one = waiting.pop()
        for extra in ("", *one.extras):
            if (step := (canonicalize_name(one.name), extra)) not in seen:
                seen.add(step)
                waiting.extend(_requirements(one.name, extra))
    return {name for name, _ in seen}


def _requirements(name: str, extra: str) -> list[Requirement]:
    found = [Requirement(line) for line in metadata.requires(name) or ()]
    return [one for one in found if one.marker is None or one.marker.evaluate({"extra": extra})]


def distribution_bytes(distribution: metadata.Distribution) -> int:
    """Bytes on disk of an installed distribution, with the bytecode that is there."""
    listed = {Path(str(distribution.locate_file(file))) for file in distribution.files or ()}
    # An install without bytecode gets that of the modules it uses, and no list has it.
    compiled = {Path(cache_from_source(str(path))) for path in listed if path.suffix == ".py"}
    return sum(_file_bytes(path) for path in listed | compiled if path.is_file())


def _folder(package: str) -> Path:
    return Path(str(import_module(f"{PROJECT}.{package}").__file__)).parent


def _folder_bytes(folder: Path) -> int:
    return sum(_file_bytes(path) for path in folder.rglob("*") if path.is_file())


def _file_bytes(path: Path) -> int:
    return path.stat().st_blocks * BLOCK_BYTES
