from collections.abc import Callable
from pathlib import Path

import pytest

from fairstall.cli.bundles import bundle_in_force, thresholds_in_force
from fairstall.cli.settings import models_folder
from fairstall.model.bundle import Bundle
from fairstall.model.deployed import Deployments
from fairstall.model.errors import BundleError

NOON = "2026-11-22T12:00:00.000000Z"


def test_the_deployed_bundle_is_in_force(tiny_bundle: Bundle, tmp_path: Path) -> None:
    Deployments(models_folder(tmp_path)).deploy(tiny_bundle, reason="first", deployed_at=NOON)
    assert bundle_in_force(tmp_path).version == tiny_bundle.version


def test_a_chosen_bundle_wins_over_the_deployed_one(
    tiny_bundle: Bundle, make_tiny_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    Deployments(models_folder(tmp_path)).deploy(tiny_bundle, reason="first", deployed_at=NOON)
    chosen = make_tiny_bundle(tmp_path / "chosen", name="chosen")
    assert bundle_in_force(tmp_path, chosen.folder).version == chosen.version


def test_a_deployed_bundle_that_is_broken_is_not_replaced_in_silence(tiny_bundle: Bundle, tmp_path: Path) -> None:
    Deployments(models_folder(tmp_path)).deploy(tiny_bundle, reason="first", deployed_at=NOON)
    (models_folder(tmp_path) / tiny_bundle.version / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"model\.onnx is missing"):
        bundle_in_force(tmp_path)


def test_the_thresholds_of_a_newly_deployed_bundle_are_told_and_none_while_it_cannot_be_read(
    tiny_bundle: Bundle, make_tiny_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    tell, deployments = thresholds_in_force(tmp_path), Deployments(models_folder(tmp_path))
    deployments.deploy(tiny_bundle, reason="first", deployed_at=NOON)
    assert tell() == tiny_bundle.facts.thresholds
    changed = tiny_bundle.facts.thresholds | {"prohibited/drugs": tiny_bundle.facts.thresholds["prohibited/weapons"]}
    second = make_tiny_bundle(tmp_path / "second", thresholds=changed)
    deployments.deploy(second, reason="second", deployed_at=NOON)
    assert tell() == second.facts.thresholds != tiny_bundle.facts.thresholds
    (models_folder(tmp_path) / "champion.json").write_text("{")
    assert tell() == {}
