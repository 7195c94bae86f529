"""Comparisons: equal bundles are rarely called better, different ones are, and only like is compared with like."""

from dataclasses import replace

import pytest

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.compare import Contender, Word, compare
from fairstall.model.errors import InputError

QUICK = Bootstrap(draws=150)
AVERAGE_PRECISION = ("macro", "average_precision")


def verdict(first, second, *names: str) -> Word:
    found = compare(Contender("first", first), Contender("second", second), bootstrap=QUICK)
    return found.find(*(names or AVERAGE_PRECISION)).verdict


def test_a_bundle_is_never_better_than_itself(synthetic):
    scored = synthetic(1)
    found = compare(Contender("a", scored), Contender("a", scored), bootstrap=QUICK)
    assert {d.verdict for d in found.differences} == {Word.CANNOT_TELL}
    assert {d.difference.value for d in found.differences} == {0.0}


def test_equal_bundles_are_called_better_in_5_percent_of_seeds_at_most(synthetic):
    pairs = [(synthetic(seed, rows=400), synthetic(seed, rows=400, noise=1)) for seed in range(200)]
    verdicts = [verdict(first, second) for first, second in pairs]
    assert verdicts.count(Word.BETTER) <= 10
    assert verdicts.count(Word.WORSE) <= 10


def test_a_planted_improvement_is_better_and_the_other_way_round_worse(synthetic):
    plain, improved = synthetic(2, rows=1500), synthetic(2, rows=1500, edge=1.0)
    assert verdict(plain, improved) is Word.BETTER
    assert verdict(improved, plain) is Word.WORSE
    assert verdict(plain, improved, "policy/prohibited.p1", "average_precision") is Word.BETTER
    assert verdict(plain, improved, "source/shop", "recall") is Word.BETTER


def test_lower_is_better_for_calibration(synthetic):
    scored = synthetic(3)
    spoiled = replace(scored, probabilities=scored.probabilities**0.25)
    assert verdict(scored, spoiled, "macro", "ece") is Word.WORSE
    assert verdict(scored, spoiled) is Word.CANNOT_TELL  # the order is the same


def test_a_difference_in_fewer_than_ten_groups_decides_nothing(synthetic):
    scored = synthetic(4)
    probabilities = scored.probabilities.copy()
    missed = (scored.truth[:, 0] & (probabilities[:, 0] < 0.5)).nonzero()[0][:6]
    probabilities[missed, 0] = 0.51
    found = compare(Contender("a", scored), Contender("b", replace(scored, probabilities=probabilities)))
    recall = found.find("policy/prohibited.p0", "recall")
    assert recall.groups <= 6
    assert recall.verdict is Word.CANNOT_TELL
    assert recall.difference.value > 0


def test_only_policies_that_both_score_are_compared(synthetic):
    scored = synthetic(5)
    fewer = scored.on_labels(scored.labels[:2])
    found = compare(Contender("a", scored), Contender("b", fewer), bootstrap=QUICK)
    assert found.only_first == ("prohibited/p2",)
    assert found.find("policy/prohibited.p2", "average_precision") is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: {"ids": s.ids[::-1]}, "same rows"),
        (lambda s: {"truth": ~s.truth}, "differ in truth"),
        (lambda s: {"groups": s.ids}, "differ in groups"),
        (lambda s: {"labels": ("a/a", "a/b", "a/c")}, "share no policy"),
    ],
)
def test_bundles_scored_on_different_rows_are_not_compared(synthetic, change, words):
    scored = synthetic(6)
    with pytest.raises(InputError, match=words):
        verdict(scored, replace(scored, **change(scored)))


def test_comparing_twice_gives_the_same_numbers(synthetic):
    pair = Contender("a", synthetic(7)), Contender("b", synthetic(7, noise=1))
    assert compare(*pair, bootstrap=QUICK) == compare(*pair, bootstrap=QUICK)
