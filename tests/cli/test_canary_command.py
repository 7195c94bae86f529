"""`fairstall canary`: a bundle that answers a share, marked, shown and cleared."""

from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from fairstall.cli.canary import app
from fairstall.model.deployed import Deployments, Role
from fairstall.model.errors import BundleError, Conflict, InputError


@pytest.fixture
def canary(tmp_path):
    return lambda *arguments: CliRunner().invoke(app, [*arguments, "--home", str(tmp_path)])


def test_a_canary_is_set_shown_and_cleared(canary, make_tiny_bundle, tmp_path):
    other = make_tiny_bundle(tmp_path / "other", name="other")
    done = canary("set", str(other.folder), "--share", "0.05")
    assert (done.exit_code, done.stdout) == (0, f"{other.version} is the canary now, on 0.05 of listings\n")
    assert canary("show").stdout.split("\t")[:2] == [other.version, "0.05"]
    assert Deployments(tmp_path / "models").beside(Role.SHADOW) is None
    assert canary("clear").exit_code == 0
    assert canary("show").stdout == ""


@pytest.mark.parametrize(
    ("bundle", "share", "error"),
    [("starter", "0.1", Conflict), ("no/such/folder", "0.1", BundleError)]
    + [("starter", share, InputError) for share in ("0", "-1", "0.51", "nan")],
)
def test_what_cannot_be_a_canary_is_refused(canary, bundle, share, error):
    assert isinstance(canary("set", bundle, "--share", share).exception, error)
    assert canary("show").stdout == ""


def test_a_share_has_to_be_stated(canary):
    assert canary("set", "starter").exit_code == 2


def test_the_guide_shows_every_command():
    page = (Path(__file__).parents[2] / "docs" / "serving-models.md").read_text()
    for name in typer.main.get_command(app).commands:
        assert f"fairstall canary {name}" in page
