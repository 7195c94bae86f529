import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fairstall.model.bundle import Bundle
from fairstall.model.deployed import POINTER_FILE, Beside, Deployments, Role
from fairstall.model.errors import BundleError, Conflict, SetupError

NOON = "2026-11-22T12:00:00.000000Z"


@pytest.fixture
def two_bundles(make_tiny_bundle: Callable[..., Bundle], tmp_path: Path) -> tuple[Bundle, Bundle]:
    return make_tiny_bundle(tmp_path / "a", name="first"), make_tiny_bundle(tmp_path / "b", name="second")


def test_nothing_is_deployed_in_a_new_folder(tmp_path: Path) -> None:
    assert Deployments(tmp_path).current() is None


def test_a_deployed_bundle_is_kept_even_when_its_source_goes(
    tmp_path: Path, two_bundles: tuple[Bundle, Bundle]
) -> None:
    deployments = Deployments(tmp_path / "models")
    deployment = deployments.deploy(two_bundles[0], reason="first", deployed_at=NOON)
    (two_bundles[0].folder / "model.onnx").unlink()
    assert deployments.current() == deployment
    assert deployments.bundle(deployment).version == two_bundles[0].version


def test_rolling_back_twice_goes_back_two_deployments(tmp_path: Path, two_bundles: tuple[Bundle, Bundle]) -> None:
    deployments = Deployments(tmp_path / "models")
    first, second = (deployments.deploy(b, reason="promoted", deployed_at=NOON) for b in two_bundles)
    assert second.previous == first.version
    assert deployments.roll_back(reason="too strict", deployed_at=NOON).version == first.version
    with pytest.raises(Conflict, match="no earlier deployment"):
        deployments.roll_back(reason="again", deployed_at=NOON)
    assert [d.version for d in deployments.history()] == [first.version, second.version, first.version]


def test_an_altered_bundle_is_not_deployed(tmp_path: Path, two_bundles: tuple[Bundle, Bundle]) -> None:
    deployments = Deployments(tmp_path / "models")
    (two_bundles[0].folder / "card.md").write_text("altered")
    with pytest.raises(BundleError, match=r"card\.md was altered"):
        deployments.deploy(two_bundles[0], reason="promoted", deployed_at=NOON)
    assert deployments.current() is None


def test_a_broken_pointer_is_the_operators_to_mend(tmp_path: Path) -> None:
    (tmp_path / POINTER_FILE).write_text(json.dumps({"version": "x"}))
    with pytest.raises(SetupError, match=POINTER_FILE):
        Deployments(tmp_path).current()


def test_a_shadow_is_kept_beside_the_champion_and_cleared(tmp_path: Path, two_bundles: tuple[Bundle, Bundle]) -> None:
    champion, shadow = two_bundles
    deployments = Deployments(tmp_path / "models")
    assert deployments.beside(Role.SHADOW) is None
    deployments.clear(Role.SHADOW)
    placed = deployments.put_beside(Role.SHADOW, shadow, share=0.25, since=NOON)
    assert deployments.current() is None
    deployments.deploy(champion, reason="first", deployed_at=NOON)
    (shadow.folder / "model.onnx").unlink()
    assert deployments.beside(Role.SHADOW) == placed == Beside(shadow.version, 0.25, NOON)
    assert deployments.bundle(placed).version == shadow.version
    deployments.clear(Role.SHADOW)
    assert deployments.beside(Role.SHADOW) is None
    assert [one.version for one in deployments.history()] == [champion.version]


def test_a_broken_mark_of_a_shadow_is_the_operators_to_mend(tmp_path: Path) -> None:
    for content in ("{", "3", '{"version": "x"}'):
        (tmp_path / Role.SHADOW.file).write_text(content)
        with pytest.raises(SetupError, match=r"shadow\.json"):
            Deployments(tmp_path).beside(Role.SHADOW)


def test_a_canary_ends_with_a_promotion_and_with_a_rollback(tmp_path: Path, two_bundles: tuple[Bundle, Bundle]) -> None:
    deployments = Deployments(tmp_path / "models")
    for role in Role:
        deployments.put_beside(role, two_bundles[1], share=0.1, since=NOON)
    deployments.deploy(two_bundles[0], reason="first", deployed_at=NOON)
    assert deployments.beside(Role.CANARY) is None
    deployments.deploy(two_bundles[1], reason="second", deployed_at=NOON)
    deployments.put_beside(Role.CANARY, two_bundles[0], share=0.1, since=NOON)
    deployments.roll_back(reason="worse", deployed_at=NOON)
    assert deployments.beside(Role.CANARY) is None
    assert deployments.beside(Role.SHADOW) is not None
