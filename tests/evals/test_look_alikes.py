"""Words and deeds are told apart: compliant rows with a policy's words, and violations without them."""

import numpy as np
import pytest

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.look_alikes import measure_look_alikes, worded_cells
from fairstall.evals.rows import EvalRow
from fairstall.evals.scored import scored_rows
from fairstall.model.certificates import Certificate, PolicyThresholds, Threshold
from fairstall.model.policy_file import starter_policies

DRUGS, WEAPONS = "prohibited/drugs", "prohibited/weapons"
EVEN = PolicyThresholds(release=Threshold(0.5, Certificate(0.05, 1.0, 0, 0, holds=False)))
THRESHOLDS = {DRUGS: EVEN, WEAPONS: EVEN}


def row(number: int, title: str, *policies: str) -> EvalRow:
    return EvalRow(f"s:{number}", title, "", policies=frozenset(policies))


def test_words_are_those_of_the_policies_rules_evidence_included():
    rows = [row(1, "Leather pistol holster"), row(2, "Garden chair"), row(3, "c0caine mirror")]
    found = worded_cells(rows, (DRUGS, WEAPONS), starter_policies())
    assert found.tolist() == [[False, True], [False, False], [True, False]]


@pytest.fixture
def measured():
    """40 compliant rows with the words of drugs, a quarter of them stopped; 20 violations without, half found."""
    rows = [row(n, "words") for n in range(40)] + [row(n, "plain") for n in range(40, 140)]
    rows += [row(n, "none", DRUGS) for n in range(140, 160)]
    probabilities = np.zeros((160, 2))
    probabilities[:10, 0] = probabilities[140:150, 0] = 0.9
    worded = np.zeros((160, 2), dtype=bool)
    worded[:40, 0] = True
    scored = scored_rows(rows, (DRUGS, WEAPONS), probabilities)
    return measure_look_alikes(scored, worded, THRESHOLDS, bootstrap=Bootstrap(draws=200))


def test_shares_are_of_the_rows_that_they_name(measured):
    found = measured["policy/prohibited.drugs"]
    assert (found.worded.value, found.plain.value, found.unnamed.value) == (0.25, 0.0, 0.5)
    assert found.rows == {"worded": 40, "plain": 100, "unnamed": 20}
    assert found.worded.low < 0.25 < found.worded.high
    assert found.metrics("macro")["look_alikes/macro/unnamed_recall"] == 0.5


def test_a_policy_with_too_few_worded_rows_is_left_out(measured):
    assert set(measured) == {"policy/prohibited.drugs", "macro"}


def test_nothing_worded_is_not_measured():
    scored = scored_rows([row(1, "a"), row(2, "b", DRUGS)], (DRUGS, WEAPONS), np.zeros((2, 2)))
    nothing = np.zeros((2, 2), dtype=bool)
    assert measure_look_alikes(scored, nothing, THRESHOLDS, bootstrap=Bootstrap(draws=100)) == {}
