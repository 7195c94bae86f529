"""Scoring labelled rows with a real sealed bundle."""

import numpy as np
import pytest

from fairstall.evals.rows import EvalRow
from fairstall.evals.scored import score_rows, scored_rows
from fairstall.model.errors import InputError

DRUGS, WEAPONS = "prohibited/drugs", "prohibited/weapons"


def row(number: int, title: str, policies=(), mask=None) -> EvalRow:
    kept = None if mask is None else frozenset(mask)
    return EvalRow(f"shop:{number}", title, "", language="en", policies=frozenset(policies), source="shop", mask=kept)


def test_rows_come_back_in_order_with_probability_truth_and_outcome(tiny_bundle):
    rows = [row(1, "wool scarf"), row(2, "pure heroin", [DRUGS]), row(3, "old pistol", [WEAPONS])]
    scored = score_rows(tiny_bundle, rows)
    assert scored.ids.tolist() == ["shop:1", "shop:2", "shop:3"]
    assert scored.labels == tiny_bundle.facts.labels
    np.testing.assert_allclose(scored.probabilities[:, 0], [0.0067, 0.982, 0.0067], atol=1e-3)
    assert scored.truth[:, :2].tolist() == [[False, False], [True, False], [False, True]]
    assert scored.outcomes.tolist() == ["approve", "block", "review"]
    assert scored.known.all()


def test_a_masked_policy_is_unknown_and_a_violated_one_always_known(tiny_bundle):
    scored = score_rows(tiny_bundle, [row(1, "lamp", mask=[WEAPONS]), row(2, "heroin", [DRUGS], mask=[])])
    assert scored.known.tolist() == [[False, True, False, False], [True, False, False, False]]


def test_a_violation_of_a_policy_that_is_not_scored_is_remembered(tiny_bundle):
    scored = score_rows(tiny_bundle, [row(1, "replica watch", ["prohibited/counterfeit"])])
    assert not scored.truth.any()
    assert scored.violating.tolist() == [True]


def test_scoring_twice_gives_the_same_bytes(tiny_bundle, listings):
    first, again = (score_rows(tiny_bundle, listings).probabilities.tobytes() for _ in range(2))
    assert first == again


def test_progress_counts_every_row(tiny_bundle, listings):
    done = []
    score_rows(tiny_bundle, listings * 3, progress=done.append)
    assert sum(done) == 3 * len(listings)
    assert len(done) > 1


def test_no_rows_are_scored_as_no_rows(tiny_bundle):
    assert len(score_rows(tiny_bundle, [])) == 0


def test_probabilities_from_elsewhere_must_fit_the_rows():
    rows = [{"id": "a:1", "title": "lamp"}]
    assert scored_rows(rows, [DRUGS], np.array([[0.5]])).groups.tolist() == ["a:1"]
    with pytest.raises(InputError, match=r"probabilities has the shape \(1, 2\), not \(1, 1\)"):
        scored_rows(rows, [DRUGS], np.array([[0.5, 0.5]]))
    with pytest.raises(InputError, match="finite"):
        scored_rows(rows, [DRUGS], np.array([[np.nan]]))
