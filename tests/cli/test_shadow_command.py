"""`fairstall shadow`: a bundle marked, shown and cleared, and what was recorded of it told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from fairstall.cli.shadow import app
from fairstall.model.decide import Band, Finding, Outcome, Source
from fairstall.model.decision import Assessment, Decision, Sampling, Versions
from fairstall.model.deployed import Deployments, Role
from fairstall.model.errors import BundleError, Conflict, InputError, NotFound
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.model.starter_bundle import starter_bundle
from fairstall.records.ledger import Ledger, LedgerEntry
from fairstall.records.shadow import Comparison, record_comparisons

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
DRUGS = Finding("prohibited/drugs", 0.95, Band.HIGH, Source.MODEL, (), "Not allowed.")
WEAPONS = Finding("prohibited/weapons", 0.5, Band.MEDIUM, Source.MODEL, (), "Not allowed.")


@pytest.fixture
def shadow(tmp_path):
    def run(*arguments):
        return CliRunner().invoke(app, [*arguments, "--home", str(tmp_path)], env={"COLUMNS": "200"})

    return run


@pytest.fixture
def other(make_tiny_bundle, tmp_path_factory):
    return make_tiny_bundle(tmp_path_factory.mktemp("other") / "other", name="other")


def test_a_shadow_is_set_shown_and_cleared(shadow, other, tmp_path):
    assert shadow("show").stdout == ""
    done = shadow("set", str(other.folder), "--share", "0.25")
    assert (done.exit_code, done.stdout) == (0, f"{other.version} is the shadow now, on 0.25 of listings\n")
    assert shadow("show").stdout.split("\t")[:2] == [other.version, "0.25"]
    deployments = Deployments(tmp_path / "models")
    assert deployments.bundle(deployments.beside(Role.SHADOW)).version == other.version
    assert deployments.current() is None
    assert shadow("clear").exit_code == shadow("clear").exit_code == 0
    assert shadow("show").stdout == ""


def test_the_shipped_bundle_can_be_the_shadow_of_another_one(shadow, other, tmp_path):
    Deployments(tmp_path / "models").deploy(other, reason="first", deployed_at="2026-11-27T12:00:00Z")
    assert shadow("set", "starter").exit_code == 0
    assert shadow("show").stdout.startswith(starter_bundle().version)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("starter",), Conflict),
        (("champion",), Conflict),
        (("no/such/folder",), BundleError),
        (("starter", "--share", "0"), InputError),
        (("starter", "--share", "1.01"), InputError),
        (("starter", "--share", "nan"), InputError),
    ],
)
def test_what_cannot_be_a_shadow_is_refused(shadow, arguments, error):
    assert isinstance(shadow("set", *arguments).exception, error)
    assert shadow("show").stdout == ""


def an_assessment(model, outcome, *findings):
    return Assessment(outcome, findings, (), {}, {}, Sampling(False, 1.0), Versions(model, "p-1"))


@pytest.fixture
def compared(engine):
    """Records comparisons of the shadow s-1 and gives the decisions' ids: `compared(answered, shadow, times)`."""

    def record(answered, after, times=1, seconds=0):
        made = []
        for number in range(times):
            at = NOW + timedelta(seconds=seconds + number)
            decision = Decision(time_ordered_id(at), "l-1", "s-1", at, answered)
            Ledger(engine).append([LedgerEntry(Listing("l-1", "s-1", "Chair", ""), decision)])
            made.append(Comparison(decision, after, at))
        record_comparisons(engine, made)
        return [one.decision.decision_id for one in made]

    return record


APPROVED = an_assessment("m-1", Outcome.APPROVE)
REVIEWED = an_assessment("m-1", Outcome.REVIEW, WEAPONS)
BY_SHADOW = Versions("s-1", "p-1")


def words(text):
    return " ".join(text.split())


def test_the_report_tells_how_often_where_and_how_the_shadow_disagreed(shadow, compared, store_url):
    compared(APPROVED, replace(APPROVED, versions=BY_SHADOW), 95)
    blocked = compared(APPROVED, an_assessment("s-1", Outcome.BLOCK, DRUGS), 4, seconds=100)
    (released,) = compared(REVIEWED, replace(APPROVED, versions=BY_SHADOW), seconds=200)
    done = shadow("report", "--database", store_url, "--examples", "2")
    assert done.exit_code == 0, done.exception
    told = words(done.stdout)
    for line in (
        "Shadow s-1 against m-1",
        "compared 100 listings, 2026-11-27 12:00 to 2026-11-27 12:03 UTC",
        "agreed on outcome and bands: 95, 95.00 % [88.82, 97.85]",
        "approve block 4 4.00 % [1.57, 9.84]",
        "review approve 1 1.00 % [0.18, 5.45]",
        "approve approve 95 95.00 % [88.82, 97.85]",
        "prohibited/drugs 4 4.00 % [1.57, 9.84] 0 0.00 % [0.00, 3.70]",
        "prohibited/weapons 0 0.00 % [0.00, 3.70] 1 1.00 % [0.18, 5.45]",
        f"approve block {blocked[-1]} prohibited/drugs",
        f"review approve {released} prohibited/weapons",
    ):
        assert line in told, line
    assert [one in told for one in blocked] == [False, False, True, True]


def test_the_report_keeps_to_one_champion_and_names_the_others(shadow, compared, store_url):
    compared(APPROVED, replace(APPROVED, versions=BY_SHADOW), 3)
    promoted = replace(APPROVED, versions=Versions("m-2", "p-1"))
    compared(promoted, replace(APPROVED, versions=BY_SHADOW), 2, seconds=60)
    told = words(shadow("report", "--database", store_url).stdout)
    assert "against m-2 compared 2 listings" in told
    assert "also compared with m-1, 3 listings: --against m-1" in told
    assert "By policy" not in told
    assert "compared 3 listings" in words(shadow("report", "--database", store_url, "--against", "m-1").stdout)


def test_the_report_is_against_the_champion_in_force_where_the_shadow_met_it(
    shadow, compared, store_url, other, tmp_path
):
    Deployments(tmp_path / "models").deploy(other, reason="first", deployed_at="2026-11-27T12:00:00Z")
    compared(replace(APPROVED, versions=Versions(other.version, "p-1")), replace(APPROVED, versions=BY_SHADOW))
    compared(APPROVED, replace(APPROVED, versions=BY_SHADOW), 2, seconds=60)
    assert f"against {other.version} compared 1 " in words(shadow("report", "--database", store_url).stdout)


def test_a_report_of_what_was_never_compared_is_refused(shadow, compared, store_url):
    report = ("report", "--database", store_url)
    assert isinstance(shadow(*report).exception, NotFound)
    compared(APPROVED, replace(APPROVED, versions=BY_SHADOW))
    assert isinstance(shadow(*report, "--shadow", "s-9").exception, NotFound)
    assert isinstance(shadow(*report, "--against", "m-9").exception, NotFound)


def test_the_guide_shows_every_command_and_option():
    page = (Path(__file__).parents[2] / "docs" / "serving-models.md").read_text()
    for name, command in typer.main.get_command(app).commands.items():
        assert f"fairstall shadow {name}" in page
        own = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
        assert {option for option in own if f"{option} " not in page} <= {"--home", "--database", "--tracking-uri"}
