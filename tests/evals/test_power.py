"""How many more labels would tell: none where they tell already, and about as many as it then takes."""

from dataclasses import replace

import numpy as np
import pytest

from fairstall.evals.bootstrap import Bootstrap, Estimate
from fairstall.evals.compare import Comparison, Contender, Word, compare
from fairstall.evals.power import POWER, labels_needed, needed_shown

HEADLINE = ("macro", "average_precision")


def compared(synthetic, seed: int, *, rows: int, edge: float) -> Comparison:
    sides = synthetic(seed, rows=rows), synthetic(seed, rows=rows, noise=1, edge=edge)
    return compare(Contender("a", sides[0]), Contender("b", sides[1]), bootstrap=Bootstrap(draws=150))


def test_no_labels_are_needed_where_they_tell_already(synthetic):
    comparison = compared(synthetic, 1, rows=1500, edge=1.0)
    found = comparison.find(*HEADLINE)
    assert found.verdict is Word.BETTER
    assert labels_needed(found, comparison) == 0
    assert needed_shown(found, comparison) == ""


def test_no_difference_has_no_number_of_labels(synthetic):
    scored = synthetic(2)
    comparison = compare(Contender("a", scored), Contender("a", scored), bootstrap=Bootstrap(draws=100))
    assert labels_needed(comparison.find(*HEADLINE), comparison) is None


def test_a_smaller_difference_needs_more_labels(synthetic):
    large, small = (compared(synthetic, 3, rows=300, edge=edge) for edge in (0.15, 0.05))
    needed = [labels_needed(comparison.find(*HEADLINE), comparison) for comparison in (large, small)]
    assert 0 < needed[0] < needed[1]
    assert needed_shown(small.find(*HEADLINE), small).rstrip("kM")[0].isdigit()


@pytest.mark.parametrize(("groups", "shown"), [(10, "72"), (1000, "7.2k"), (100_000, "720k"), (10_000_000, "72M")])
def test_numbers_of_labels_are_short(synthetic, groups, shown):
    comparison = compared(synthetic, 3, rows=300, edge=0.05)
    found = replace(comparison.find(*HEADLINE), difference=Estimate(0.1, -0.1, 0.3), observations=groups, groups=10**6)
    assert needed_shown(found, comparison) == shown


def test_so_many_labels_tell_in_about_as_many_cases_as_promised(synthetic):
    """What the pilot with the most usual difference asks for is drawn anew, and tells about as often as it said."""
    pilots = [compared(synthetic, seed, rows=400, edge=0.25) for seed in range(20)]
    usual = np.mean([pilot.find(*HEADLINE).difference.value for pilot in pilots])
    unsure = [pilot for pilot in pilots if pilot.find(*HEADLINE).verdict is Word.CANNOT_TELL]
    pilot = min(unsure, key=lambda one: abs(one.find(*HEADLINE).difference.value - usual))
    more = labels_needed(pilot.find(*HEADLINE), pilot)
    rows = round(400 * (pilot.groups + more) / pilot.groups)
    told = [compared(synthetic, 100 + seed, rows=rows, edge=0.25).find(*HEADLINE).verdict for seed in range(20)]
    assert told.count(Word.BETTER) / len(told) == pytest.approx(POWER, abs=0.2)
