"""`fairstall policy backtest` on ledgers that the pipeline wrote, on SQLite and on PostgreSQL."""

import inspect
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fairstall.cli.bundles import bundles_at_hand
from fairstall.cli.policy import app
from fairstall.cli.policy_backtest import Plan, known_models, replay_ledger
from fairstall.evals.bootstrap import Bootstrap
from fairstall.model.assess import Assessor, assess_listings
from fairstall.model.decision import Decision
from fairstall.model.deployed import Deployments
from fairstall.model.errors import InputError
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.model.policy_file import load_policies, starter_policies
from fairstall.model.scorer import OnnxScorer
from fairstall.records.ledger import Ledger, LedgerEntry

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TITLES = ("Pure heroin", "A pistol", "Garden chair, oak", "Pressed pills [bold]cheap[/]", "Wool scarf, hand knitted")


def some_listings(count: int, titles: Sequence[str]) -> list[Listing]:
    text = "For sale by the owner."
    return [
        Listing(f"l-{n}", f"s-{n % 3}", titles[n % len(titles)], text, language="en", market="DE") for n in range(count)
    ]


@pytest.fixture
def fill(engine, tiny_bundle) -> Callable[..., list[str]]:
    """`fill(count, titles)`: so many decisions of the starter policies, one an hour, on the titles in turn."""

    def run(count: int = 10, titles: Sequence[str] = TITLES) -> list[str]:
        listings = some_listings(count, titles)
        assessments = assess_listings(Assessor(tiny_bundle, starter_policies()), [OnnxScorer(tiny_bundle)], listings)
        moments = [NOON + timedelta(hours=n) for n in range(count)]
        entries = [
            LedgerEntry(one, Decision(time_ordered_id(at), one.listing_id, one.seller_id, at, assessment))
            for one, at, assessment in zip(listings, moments, assessments, strict=True)
        ]
        Ledger(engine).append(entries)
        return [entry.decision.decision_id for entry in entries]

    return run


@pytest.fixture
def new(tmp_path) -> Path:
    """The starter policies with a term of drugs less and one of weapons more."""
    text = Path("policies/starter.yaml").read_text(encoding="utf-8").replace("        - pressed pills\n", "", 1)
    weapons = text.index("code: prohibited/weapons")
    place = text.index("      review:\n", weapons) + len("      review:\n")
    path = tmp_path / "new.yaml"
    path.write_text(text[:place] + "        - garden chair\n" + text[place:], encoding="utf-8")
    return path


@pytest.fixture
def backtest(store_url, tiny_bundle, tmp_path) -> Callable[..., Result]:
    def run(*arguments: object) -> Result:
        given = ["--database", store_url, "--bundle", tiny_bundle.folder, "--home", tmp_path / "home", "--draws", 100]
        runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"})
        return runner.invoke(app, ["backtest", *map(str, [*arguments, *given])])

    return run


def test_it_tells_what_changes_and_leaves_it_to_be_read(fill, new, backtest, tmp_path):
    ids = fill(10)
    result = backtest(new, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert f"{starter_policies().version} → {load_policies(new).version}" in result.stdout
    assert "4 of 10 decisions would end otherwise (40.00 %)." in result.stdout
    assert "Pressed pills [bold]cheap[/]" in result.stdout
    changes = [json.loads(line) for line in (tmp_path / "out" / "changes.jsonl").read_text().splitlines()]
    assert sorted((one["decision_id"], one["before"], one["after"]) for one in changes) == sorted(
        [(ids[n], "approve", "review") for n in (2, 7)] + [(ids[n], "review", "approve") for n in (3, 8)]
    )
    numbers = json.loads((tmp_path / "out" / "backtest.json").read_text())
    assert numbers["policies"]["prohibited/weapons"] == {"come": 2, "gone": 0, "stay": 2, "outcomes": 2}
    assert numbers["policies"]["prohibited/drugs"] == {"come": 0, "gone": 2, "stay": 2, "outcomes": 2}
    assert numbers["segments"]["seller"]["first"]["decisions"] == 3
    assert (numbers["other_policies"], numbers["other_model"]) == (0, 0)


def test_the_policies_in_force_change_nothing(fill, backtest):
    fill(5)
    result = backtest("policies/starter.yaml")
    assert result.exit_code == 0
    assert "0 of 5 decisions would end otherwise" in result.stdout


def test_old_and_days_can_be_chosen(fill, new, backtest):
    fill(30)
    result = backtest(new, "--old", new, "--since", "2026-11-23", "--until", "2026-11-23T06:00:00")
    assert "0 of 6 decisions would end otherwise" in result.stdout
    assert "6 decisions were made under other policies than" in result.stdout


def test_a_ledger_without_decisions_has_nothing_to_tell(new, backtest):
    result = backtest(new)
    assert isinstance(result.exception, InputError)
    assert "no decision of the model" in str(result.exception)


def test_a_bad_file_is_refused_before_anything_is_read(tmp_path, backtest):
    (tmp_path / "bad.yaml").write_text("version: x\n")
    result = backtest(tmp_path / "bad.yaml")
    assert result.exit_code == 1
    assert "bad.yaml:1:1" in result.stderr


def test_a_ledger_gives_what_assessing_every_listing_again_would(fill, new, store_url, tiny_bundle, tmp_path):
    draw = random.Random(5)
    words = [*TITLES, "mdma", "ivory", "toy", "ｇａｒｄｅｎ chair", "pr3ssed pills", "miracle", "Стул"]
    titles = [" ".join(draw.sample(words, draw.randint(1, 3))) for _ in range(120)]
    fill(120, titles)
    policies, scorers = [starter_policies(), load_policies(new)], [OnnxScorer(tiny_bundle)]
    both = [
        [one.outcome for one in assess_listings(Assessor(tiny_bundle, some), scorers, some_listings(120, titles))]
        for some in policies
    ]
    plan = Plan(store_url, *policies, known_models(tmp_path, tiny_bundle.folder), sample=50, seed=0)
    found = replay_ledger(plan, None, None, processes=1).result(Bootstrap(draws=100))
    assert found.flow.moves == Counter(zip(*both, strict=True))
    assert found.flow.changed > 10


def test_two_processes_count_what_one_does(fill, new, store_url, tiny_bundle, tmp_path):
    fill(20)
    models = known_models(tmp_path, tiny_bundle.folder)
    plan = Plan(store_url, starter_policies(), load_policies(new), models, sample=50, seed=0)
    one, two = (
        replay_ledger(plan, None, None, processes=processes, rows=rows) for processes, rows in ((1, 100), (2, 6))
    )
    assert one.result(Bootstrap(draws=100)) == two.result(Bootstrap(draws=100))
    assert one.sample.chosen() == two.sample.chosen()


def test_the_bundles_at_hand_are_those_that_were_deployed_and_are_still_whole(make_tiny_bundle, tmp_path):
    deployments = Deployments(tmp_path / "models")
    made = [make_tiny_bundle(tmp_path / name, name=name) for name in ("first", "second", "third")]
    for bundle in (*made, made[0]):
        deployments.deploy(bundle, reason="test", deployed_at="2026-11-22T12:00:00Z")
    (tmp_path / "models" / made[1].version / "card.md").unlink()
    found = [bundle.facts.name for bundle in bundles_at_hand(tmp_path, made[0])]
    assert found == ["first", "third", "starter"]


def test_every_option_of_its_own_is_documented():
    page = Path("docs/policies.md").read_text(encoding="utf-8")
    section = page[page.index("## Before you publish") :]
    of_all = {"--home", "--database", "--bundle", "--policies"}
    [command] = [one for one in app.registered_commands if one.callback.__name__ == "backtest"]
    names = {f"--{name}" for name in inspect.signature(command.callback).parameters} - {"--new"}
    assert not [name for name in names - of_all if f"`{name}" not in section]
