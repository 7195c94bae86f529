"""The suites on the tiny bundle, which knows a dozen words: what is kept of recall is known beforehand."""

from dataclasses import replace

import numpy as np
import pytest

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.depth import DEPTHS, measure_depth
from fairstall.evals.languages import language_metrics, measure_languages
from fairstall.evals.recall import recall_kept
from fairstall.evals.robustness import attacked, measure_robustness
from fairstall.evals.rows import EvalRow
from fairstall.evals.scored import score_rows
from fairstall.evals.slices import flagged
from fairstall.model.bundle import Bundle

DRAWS = Bootstrap(draws=50)
FILLING = "A garden chair of oak with a cushion, used for a summer and kept indoors since. "


def backwards(text: str, _: object) -> str:
    return text[::-1]


def unchanged(text: str, _: object) -> str:
    return text


@pytest.fixture(scope="module")
def long_rows(listings: list[EvalRow]) -> list[EvalRow]:
    return [row if row.policies else replace(row, description=FILLING * 8) for row in listings]


def test_recall_kept_is_the_quotient_of_macro_recalls(tiny_bundle: Bundle, listings: list[EvalRow]) -> None:
    scored = score_rows(tiny_bundle, listings)
    caught = flagged(scored, tiny_bundle.facts.thresholds)
    half = caught.copy()
    half[::2] = False
    kept = recall_kept(scored, caught, half, bootstrap=DRAWS)
    assert kept is not None
    assert kept.kept.value == pytest.approx(kept.changed.value / kept.plain.value)
    assert kept.kept.low <= kept.kept.value <= kept.kept.high
    assert kept.violations == sum(bool(row.policies) for row in listings)
    same = recall_kept(scored, caught, caught, bootstrap=DRAWS)
    assert same is not None
    assert (same.kept.low, same.kept.value, same.kept.high) == (1.0, 1.0, 1.0)


def test_a_policy_of_few_violations_is_not_measured(tiny_bundle: Bundle, listings: list[EvalRow]) -> None:
    scored = score_rows(tiny_bundle, listings[:40])
    caught = np.ones_like(scored.truth)
    assert recall_kept(scored, caught, caught, bootstrap=DRAWS) is None


def test_what_is_lost_and_what_is_kept_under_attack(tiny_bundle: Bundle, listings: list[EvalRow]) -> None:
    attacks = {"backwards": backwards, "unchanged": unchanged}
    found = measure_robustness(tiny_bundle, listings, attacks=attacks, bootstrap=DRAWS)
    assert found.scores["unchanged"].kept.value == 1.0
    assert found.scores["backwards"].kept.value == 0.0
    assert found.scores["backwards"].plain.value > 0.5
    assert found.metrics()["attack/backwards/score/recall_kept"] == 0.0
    assert found.defence is not None
    assert found.defence.value == 0.0  # clean words read the same either way


def test_a_disguise_sends_a_listing_to_a_person(tiny_bundle: Bundle, listings: list[EvalRow]) -> None:
    found = measure_robustness(tiny_bundle, listings, bootstrap=DRAWS)
    assert set(found.scores) == set(found.decisions)
    assert found.scores["homoglyph"].kept.value == pytest.approx(1.0)
    assert found.decisions["homoglyph"].changed.value == 1.0


def test_the_same_row_is_attacked_the_same_way(listings: list[EvalRow]) -> None:
    from fairstall.evals.attacks import ATTACKS

    row = listings[0]
    assert attacked(row, ATTACKS["leet"]) == attacked(row, ATTACKS["leet"])
    assert attacked(row, ATTACKS["leet"], seed=1).title != row.title


def test_a_violation_is_found_at_any_depth(tiny_bundle: Bundle, long_rows: list[EvalRow]) -> None:
    done: list[int] = []
    found = measure_depth(tiny_bundle, long_rows, words=150, bootstrap=DRAWS, progress=done.append)
    assert found is not None
    assert tuple(found.kept) == DEPTHS
    assert {kept.kept.value for kept in found.kept.values()} == {1.0}
    assert found.false_alarms.value == 0.0
    assert sum(done) > 5 * 40
    assert found.metrics()["long_text/words"] == 150


def test_without_innocent_text_nothing_can_be_hidden(tiny_bundle: Bundle, listings: list[EvalRow]) -> None:
    violations = [row for row in listings if row.policies]
    assert measure_depth(tiny_bundle, violations, words=150, bootstrap=DRAWS) is None


def test_the_language_gate_is_reported_by_language(tiny_bundle: Bundle) -> None:
    text = "Schöner alter Gartenstuhl aus Eiche, sehr gut erhalten und sofort abzuholen bei mir zu Hause"
    rows = [EvalRow(f"de:{n}", text, "", language="de") for n in range(3)]
    rows += [EvalRow("de:9", text, "", language="de", policies=frozenset({"prohibited/drugs"}))]
    reports = measure_languages(tiny_bundle, rows)
    assert reports["de"].rows == 4
    assert reports["de"].declared.value == reports["de"].undeclared.value == 1.0
    assert reports["de"].approved_violations.value == 0.0
    assert language_metrics(reports)["language/de/declared.low"] < 1.0
