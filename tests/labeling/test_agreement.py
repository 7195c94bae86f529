"""Agreement is what the papers say it is, and a figure that rests on little says so."""

import numpy as np
import pytest

from fairstall.labeling.agreement import cohen_kappa, krippendorff_alpha

# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", sections A and C: one row an observer, 0 for none.
TWO_OBSERVERS = ("0100000010", "1110010000")
FOUR_OBSERVERS = ("123321412000", "123322412503", "033323422510", "123324412510")


def counts_of(observers, labels: str) -> np.ndarray:
    """(units, labels)."""
    return np.array([[column.count(label) for label in labels] for column in zip(*observers, strict=True)])


def test_alpha_is_that_of_krippendorffs_examples():
    binary = krippendorff_alpha(counts_of(TWO_OBSERVERS, "01"))
    assert binary.figure.value == pytest.approx(0.095, abs=5e-4)
    nominal = krippendorff_alpha(counts_of(FOUR_OBSERVERS, "12345"))
    assert nominal.figure.value == pytest.approx(0.743, abs=5e-4)
    assert nominal.decisions == 11  # the last unit has one value


def test_kappa_is_that_of_a_table_worked_by_hand():
    both, first_only, second_only, neither = 20, 5, 10, 15
    first = np.repeat([True, True, False, False], [both, first_only, second_only, neither])
    second = np.repeat([True, False, True, False], [both, first_only, second_only, neither])
    found = cohen_kappa(first, second)
    assert found.observed == pytest.approx(0.7)
    assert found.figure.value == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert found.figure.low < found.figure.value < found.figure.high
    assert cohen_kappa(first, second) == found


def test_kappa_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(3)
    for share in (0.1, 0.5, 0.9):
        first = random.random(80) < share
        second = np.where(random.random(80) < 0.8, first, ~first)
        assert cohen_kappa(first, second).figure.value == pytest.approx(metrics.cohen_kappa_score(first, second))


def test_full_agreement_of_few_has_a_wide_interval_and_of_many_a_narrow_one():
    few, many = (krippendorff_alpha(np.array([[2, 0], [0, 2]] * pairs)).figure for pairs in (10, 1_000))
    assert few.value == many.value == few.high == 1.0
    assert few.low < 0.7 < 0.99 < many.low


def test_chance_alone_is_no_agreement():
    random = np.random.default_rng(0)
    first, second = random.random((2, 4_000)) < 0.3
    said_yes = first.astype(int) + second
    for found in (cohen_kappa(first, second), krippendorff_alpha(np.column_stack([said_yes, 2 - said_yes]))):
        assert found.figure.low < 0 < found.figure.high
        assert found.figure.high - found.figure.low < 0.2


def test_where_all_say_the_same_there_is_no_figure():
    assert cohen_kappa(np.ones(9, bool), np.ones(9, bool)).figure is None
    assert krippendorff_alpha(np.array([[2, 0]] * 9)).figure is None


def test_without_a_second_review_there_is_nothing_to_tell():
    with pytest.raises(ValueError, match="two reviews"):
        krippendorff_alpha(np.array([[1, 0], [0, 1]]))
    with pytest.raises(ValueError, match="two reviews"):
        cohen_kappa(np.array([], bool), np.array([], bool))
