"""Metrics against known answers: scikit-learn's, or counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, precision_recall_curve, roc_curve

from fairstall.evals.metric import Sample
from fairstall.evals.metrics import all_metrics
from fairstall.evals.scored import ScoredRows
from fairstall.evals.slices import cut_slices

POLICY = "policy/prohibited.p0"


def numbers(scored: ScoredRows, scope: str = POLICY, thresholds=None) -> dict[str, float]:
    cut = cut_slices(scored, thresholds)[scope]
    sample = Sample(cut, scored.weights[cut.rows][:, None])
    return {metric.name: metric.compute(sample)[0] for metric in all_metrics()}


def few(probabilities: list[float], truth: list[int], **changes) -> ScoredRows:
    size = len(truth)
    return ScoredRows(
        labels=("prohibited/p0",),
        probabilities=np.array(probabilities)[:, None],
        truth=np.array(truth, dtype=bool)[:, None],
        known=np.ones((size, 1), dtype=bool),
        weights=np.ones(size),
        groups=np.arange(size).astype(str),
        sources=np.full(size, "shop"),
        ids=np.arange(size).astype(str),
        violating=np.array(truth, dtype=bool),
        **changes,
    )


@pytest.mark.parametrize("decimals", [15, 2, 1])
def test_ranking_agrees_with_scikit_learn_with_and_without_ties(synthetic, decimals):
    scored = synthetic(3, rows=2000)
    scored = replace(scored, probabilities=np.round(scored.probabilities, decimals))
    truth, score = scored.truth[:, 0], scored.probabilities[:, 0]
    found = numbers(scored)
    precision, recall, _ = precision_recall_curve(truth, score)
    false_positives, true_positives, _ = roc_curve(truth, score, drop_intermediate=False)
    assert found["average_precision"] == pytest.approx(average_precision_score(truth, score))
    assert found["precision_at_recall_80"] == pytest.approx(precision[np.flatnonzero(recall >= 0.8)[-1]])
    assert found["recall_at_false_positives_1"] == pytest.approx(true_positives[false_positives <= 0.01].max())
    assert found["brier"] == pytest.approx(brier_score_loss(truth, score))


def test_weights_count_as_copies_of_a_row(synthetic):
    scored = synthetic(5, rows=300)
    copies = np.random.default_rng(0).integers(1, 4, size=300)
    rows = np.repeat(np.arange(300), copies)
    fields = {name: getattr(scored, name)[rows] for name in ("probabilities", "truth", "known", "weights", "groups")}
    fields |= {name: getattr(scored, name)[rows] for name in ("sources", "ids", "violating")}
    weighted, copied = numbers(replace(scored, weights=copies.astype(float))), numbers(replace(scored, **fields))
    for name in set(weighted) - {"ece", "automation_rate", "automated_error_rate"}:  # bins hold equally many rows
        assert weighted[name] == pytest.approx(copied[name]), name


def test_perfect_ranking_scores_one_and_reversed_ranking_little():
    assert numbers(few([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0]))["average_precision"] == 1
    assert numbers(few([0.9, 0.8, 0.2, 0.1], [0, 0, 0, 1]))["average_precision"] == 0.25


def test_calibration_error_is_the_mean_gap_over_bins_of_equally_many_rows():
    probabilities = np.repeat(np.linspace(0.05, 0.95, 15), 20)
    truth = [int(i % 20 < 10) for i in range(300)]
    expected = np.abs(np.linspace(0.05, 0.95, 15) - 0.5).mean()
    assert numbers(few(list(probabilities), truth))["ece"] == pytest.approx(expected)


def test_rows_of_equal_probability_share_a_bin_whatever_their_order():
    probabilities, truth = [0.1] * 30 + [0.6] * 30, [0] * 27 + [1] * 3 + [1] * 18 + [0] * 12
    backwards = numbers(few(probabilities[::-1], truth[::-1]))["ece"]
    assert backwards == pytest.approx(numbers(few(probabilities, truth))["ece"], abs=1e-12)
    assert backwards == pytest.approx(0, abs=1e-12)


def test_risk_coverage_agrees_with_a_count_by_hand():
    scored = few([0.99, 0.02, 0.9, 0.3, 0.6, 0.45], [1, 0, 0, 0, 0, 1])  # wrong: 0.9, 0.6 and 0.45
    risks = [0 / 1, 0 / 2, 1 / 3, 1 / 4, 2 / 5, 3 / 6]
    found = numbers(scored)
    assert found["aurc"] == pytest.approx(np.mean(risks))
    assert found["excess_aurc"] == pytest.approx(np.mean(risks) - (0.5 + 0.5 * np.log(0.5)))


def test_errors_captured_counts_the_least_certain_rows_first():
    probabilities = [0.5 + 0.02 * distance for distance in range(1, 21)]
    truth = [0, 0, *[1] * 17, 0]  # wrong: the two least certain rows, and the most certain one
    found = numbers(few(probabilities, truth))
    assert found["errors_captured_at_review_5"] == pytest.approx(1 / 3)
    assert found["errors_captured_at_review_10"] == pytest.approx(2 / 3)
    assert found["errors_captured_at_review_20"] == pytest.approx(2 / 3)
    assert found["reviewed_wrong_at_20"] == pytest.approx(2 / 4)


def test_equally_uncertain_rows_are_reviewed_evenly():
    found = numbers(few([0.25] * 20, [1] * 5 + [0] * 15))
    assert found["errors_captured_at_review_20"] == pytest.approx(0.2)


def test_a_model_without_errors_has_no_share_of_errors_captured():
    found = numbers(few([0.9, 0.1], [1, 0]))
    assert np.isnan(found["errors_captured_at_review_10"])
    assert found["aurc"] == 0


def test_thresholds_decide_what_is_flagged_and_automated(tiny_bundle):
    thresholds = {"prohibited/p0": tiny_bundle.facts.thresholds["prohibited/drugs"]}  # release 0.1, block 0.9
    found = numbers(few([0.95, 0.95, 0.5, 0.2, 0.05, 0.05], [1, 0, 1, 0, 0, 1]), thresholds=thresholds)
    assert found["precision"] == pytest.approx(2 / 4)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["false_positive_rate"] == pytest.approx(2 / 3)
    assert found["automation_rate"] == pytest.approx(4 / 6)
    assert found["automated_error_rate"] == pytest.approx(2 / 4)


def test_an_uncertified_block_threshold_automates_nothing(tiny_bundle):
    thresholds = {"prohibited/p0": tiny_bundle.facts.thresholds["prohibited/weapons"]}
    assert numbers(few([0.95, 0.05], [1, 0]), thresholds=thresholds)["automation_rate"] == 0.5


def test_listing_numbers_follow_what_was_decided():
    outcomes = np.array(["block", "approve", "review", "approve"])
    found = numbers(few([0.9, 0.6, 0.5, 0.1], [1, 1, 0, 0], outcomes=outcomes), scope="listing")
    assert found["automation_rate"] == 0.75
    assert found["automated_error_rate"] == pytest.approx(1 / 3)


def test_each_metric_has_a_name_of_its_own():
    names = [metric.name for metric in all_metrics()]
    assert len(names) == len(set(names)) == 18
