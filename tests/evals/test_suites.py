"""Every suite on the tiny bundle, as `fairstall evaluate` runs them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.rows import EvalRow
from fairstall.evals.sampling import both_sides, covered, few_a_policy
from fairstall.evals.suite import Subject, SuiteReport
from fairstall.evals.suites import all_suites
from fairstall.model.bundle import Bundle
from fairstall.model.policies import PolicySet, RuleAction, Targets, Term
from fairstall.model.policy_file import starter_policies

DRUGS, WEAPONS = "prohibited/drugs", "prohibited/weapons"
FILLING = "A garden chair of oak with a cushion, used for a summer and kept indoors since. "
PREFIXES = {
    "attacks": "attack/",
    "evidence": "evidence/macro/",
    "guarantees": "guarantees/",
    "held_out": "macro/",
    "languages": "language/de/",
    "leave_one_source_out": "leave_one_source_out/",
    "long_text": "long_text/",
    "look_alikes": "look_alikes/",
    "policy_backtest": "backtest/",
    "routing": "routing/",
    "speed": "speed/",
}
PAGE = (Path(__file__).parents[2] / "docs" / "evaluating.md").read_text()


@pytest.fixture(scope="module")
def rows(listings: list[EvalRow]) -> list[EvalRow]:
    """Some in German; compliant ones long enough to hide a violation in, some with a word of drugs."""
    mixed = [
        row if row.policies else replace(row, description=f"{FILLING * 30} {'With a coke bottle.' * (number % 5 == 4)}")
        for number, row in enumerate(listings)
    ]
    return [replace(row, language="de" if number % 10 == 0 else "en") for number, row in enumerate(mixed)]


@pytest.fixture(scope="module")
def policies() -> PolicySet:
    """The starter policies with targets that a few rows certify, without weapons, and with pistols among the drugs."""
    pistols = (Term("pistol", RuleAction.BLOCK),)
    loose = [replace(one, targets=Targets(precision=0.5, missed=0.4)) for one in starter_policies()]
    kept = [replace(one, terms=one.terms + pistols) if one.code == DRUGS else one for one in loose]
    return PolicySet.named("changed", tuple(one for one in kept if one.code != WEAPONS))


@pytest.fixture(scope="module")
def subject(tiny_bundle: Bundle, blind_fold: Bundle, rows: list[EvalRow], policies: PolicySet) -> Subject:
    return Subject(tiny_bundle, policies, rows, Bootstrap(draws=50), folds=[blind_fold])


@pytest.fixture(scope="module")
def reports(subject: Subject) -> dict[str, SuiteReport | None]:
    return {name: suite.run(subject) for name, suite in all_suites().items()}


def test_each_suite_measures_under_names_of_its_own(reports: dict[str, SuiteReport | None]) -> None:
    assert list(reports) == list(PREFIXES)
    names: set[str] = set()
    for name, report in reports.items():
        assert report is not None, name
        assert any(metric.startswith(PREFIXES[name]) for metric in report.metrics), name
        assert not names & set(report.metrics), "no two suites say the same name"
        names |= set(report.metrics)
        assert report.shown


def test_twice_gives_the_same_bytes(subject: Subject, reports: dict[str, SuiteReport | None]) -> None:
    for name, suite in all_suites().items():
        if not suite.repeatable:
            continue
        again, first = suite.run(subject), reports[name]
        assert again is not None
        assert first is not None
        assert (again.metrics, again.facts, again.plots, again.tables) == (
            first.metrics,
            first.facts,
            first.plots,
            first.tables,
        )


def test_every_stage_counts_up_to_what_it_announced(subject: Subject) -> None:
    announced: dict[str, int] = {}
    done: dict[str, int] = {}

    def begin(stage: str, total: int):  # type: ignore[no-untyped-def]
        announced[stage], done[stage] = total, 0

        def advance(more: int) -> None:
            done[stage] += more

        return advance

    for suite in all_suites().values():
        suite.run(replace(subject, begin=begin))
    assert done == announced


def test_a_suite_without_rows_of_its_kind_measures_nothing(subject: Subject) -> None:
    compliant = replace(subject, rows=[row for row in subject.rows if not row.policies and row.language == "en"][:5])
    suites = all_suites()
    assert [suites[name].run(compliant) for name in ("attacks", "languages", "long_text")] == [None] * 3


def test_the_shipped_policies_are_not_compared_with_themselves(subject: Subject) -> None:
    shipped = replace(subject, policies=starter_policies())
    assert all_suites()["policy_backtest"].run(shipped) is None


def test_a_backtest_on_rows_counts_what_the_policies_change(reports: dict[str, SuiteReport | None]) -> None:
    report = reports["policy_backtest"]
    assert report is not None
    names = report.metrics
    assert names["backtest/rows"] == 240
    moves = [share for name, share in names.items() if "_to_" in name]
    assert names["backtest/changed"] == pytest.approx(sum(moves))
    assert names["backtest/review_to_approve"] > 0, "ammunition"
    assert names["backtest/review_to_block"] > 0, "pistols"
    assert names["backtest/stop_precision_gain"] > 0 > names["backtest/block_precision_gain"]
    assert set(report.tables["changed_outcomes.json"]["after"]) == {"approve", "block"}


def test_every_suite_and_every_number_of_the_backtest_is_documented(reports: dict[str, SuiteReport | None]) -> None:
    assert not [name for name in all_suites() if f"| `{name}` |" not in PAGE]
    report = reports["policy_backtest"]
    assert report is not None
    plain = {name.removesuffix(".low").removesuffix(".high") for name in report.metrics}
    documented = {re.sub(r"/(approve|review|block)_to_\w+$", "/FROM_to_TO", name) for name in plain}
    assert not [name for name in documented if f"`{name}`" not in PAGE]


def test_samples_are_the_same_in_any_order_with_one_row_a_group() -> None:
    rows = [EvalRow(f"s:{n}", f"title {n}", "", policies=_policies(n), group=f"g{n // 2}") for n in range(40)]
    rows.append(EvalRow("s:fr", "titre", "", language="fr"))
    kept = covered(rows, ("en",))
    assert kept == covered(rows[::-1], ("en",))
    assert len(kept) == len({row.group for row in kept}) == 20
    assert [bool(row.policies) for row in both_sides(kept, 3)] == [True] * 3 + [False] * 3
    few = few_a_policy(kept, 2, words=4)
    assert [sum(code in row.policies for row in few) for code in (DRUGS, WEAPONS)] == [2, 2]
    assert sum(not row.policies for row in few) == 2


def _policies(number: int) -> frozenset[str]:
    return frozenset([[DRUGS], [WEAPONS], [], []][number // 2 % 4])
