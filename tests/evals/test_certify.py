"""Certified thresholds: exact bounds, and a choice that costs no confidence."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from fairstall.evals.certify import (
    CertifyConfig,
    Evidence,
    block_threshold,
    certify,
    lower_bound,
    release_threshold,
    upper_bound,
)
from fairstall.model.policies import Targets

NOTHING = np.array([])
TARGETS = Targets(precision=0.9, missed=0.1)


def evidence(violations, compliant, look_alikes=NOTHING) -> Evidence:
    return Evidence(np.asarray(violations), np.asarray(compliant), np.asarray(compliant), np.asarray(look_alikes))


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (10, 10), (297, 299), (3, 59)])
def test_bounds_are_those_of_clopper_and_pearson(successes: int, trials: int) -> None:
    # A one-sided bound at 95 % is an end of the two-sided interval at 90 %.
    interval = binomtest(successes, trials).proportion_ci(confidence_level=0.9, method="exact")
    assert lower_bound(successes, trials, confidence=0.95) == pytest.approx(interval.low)
    assert upper_bound(successes, trials, confidence=0.95) == pytest.approx(interval.high)


def test_a_block_threshold_records_what_it_rests_on() -> None:
    found = block_threshold(evidence([0.96] * 400, [0.1] * 5000), TARGETS, CertifyConfig())
    assert found is not None
    assert 0.95 <= found.value <= 0.96
    assert (found.certificate.rows, found.certificate.errors) == (400, 0)
    assert found.certificate.bound == pytest.approx(0.05 ** (1 / 400))


def test_too_few_rows_certify_no_block() -> None:
    assert block_threshold(evidence([0.96] * 28, [0.1] * 5000), TARGETS, CertifyConfig()) is None


def test_look_alikes_count_against_a_block_and_never_for_it() -> None:
    real = evidence([0.96] * 400, [0.1] * 5000, look_alikes=[0.96] * 60)
    assert block_threshold(real, TARGETS, CertifyConfig()) is None


def test_too_many_blocked_compliant_rows_certify_no_block() -> None:
    many = evidence([0.96] * 4000, [0.96] * 20 + [0.1] * 5000)
    assert block_threshold(many, TARGETS, CertifyConfig()) is None


def test_a_release_threshold_holds_when_hardly_any_violation_lies_below() -> None:
    found = release_threshold(evidence([0.9] * 99 + [0.01], [0.001] * 1000), TARGETS, CertifyConfig())
    assert found.certificate.holds
    assert (found.certificate.rows, found.certificate.errors) == (100, 1)


def test_a_release_threshold_without_evidence_is_a_best_effort_that_does_not_hold() -> None:
    compliant = np.linspace(0.001, 0.3, 1000)
    found = certify(evidence(NOTHING, compliant), TARGETS, CertifyConfig()).release
    assert not found.certificate.holds
    assert found.value > 0.29
    assert (compliant >= found.value).mean() <= CertifyConfig().best_effort_stops


def test_a_best_effort_never_lies_above_the_ceiling() -> None:
    found = release_threshold(evidence(NOTHING, [0.9] * 1000), TARGETS, CertifyConfig(release_ceiling=0.35))
    assert found.value == 0.35


def test_no_ceiling_binds_odds_that_authored_rows_taught() -> None:
    costly = replace(evidence(NOTHING, [0.9] * 1000), ceiling=False)
    found = release_threshold(costly, TARGETS, CertifyConfig(release_ceiling=0.35))
    assert found.value > 0.9
    assert not found.certificate.holds


def test_a_block_may_bear_a_mislabelled_row_when_there_are_rows_enough() -> None:
    scores = np.linspace(0.951, 0.999, 1200)
    one_wrong = evidence(scores[:-1], np.append(scores[-1:], np.full(9000, 0.1)))
    found = block_threshold(one_wrong, Targets(precision=0.99), CertifyConfig())
    assert found is not None
    assert found.certificate.errors == 1


def test_choosing_a_threshold_costs_no_confidence() -> None:
    # True precision is below target everywhere on the grid, so any certified block is a mistake: 5 % of them at most.
    draw = np.random.default_rng(5)
    mistakes = 0
    for _ in range(400):
        scores = draw.random(600)
        broken = draw.random(600) < 0.88
        few = Evidence(scores[broken], scores[~broken], NOTHING, NOTHING)
        mistakes += block_threshold(few, TARGETS, CertifyConfig(wrong_blocks=1.0)) is not None
    assert mistakes <= binom_limit(400)


def binom_limit(runs: int) -> int:
    """What 5 % mistakes give at most, but for one chance in a thousand."""
    from scipy.stats import binom

    return int(binom.ppf(0.999, runs, 0.05))
