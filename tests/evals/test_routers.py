"""Routers: the four orders, what they find at a budget, and which of them may be used."""

from dataclasses import replace

import numpy as np
import pytest

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.routers import compare_routers, cross_fitted, doubts_of, errors, fit_predictor
from fairstall.model.certificates import Certificate, PolicyThresholds, Threshold
from fairstall.model.routing import Router, Routing, features, log_odds

QUICK = Bootstrap(draws=100)


def thresholds(scored, value: float = 0.2):
    at = PolicyThresholds(release=Threshold(value, Certificate(0.05, 1.0, 0, 0, holds=False)))
    return dict.fromkeys(scored.labels, at)


@pytest.mark.parametrize(
    ("router", "first"),
    [(Router.SCORE, 0.99), (Router.UNCERTAINTY, 0.5), (Router.MARGIN, 0.2)],
)
def test_each_router_looks_first_where_its_name_says(router, first):
    routing = Routing(router)
    doubts = {p: routing.doubt("a/b", p, 0.2) for p in (0.0, 0.01, 0.2, 0.5, 0.8, 0.99)}
    assert max(doubts, key=doubts.__getitem__) == first
    assert all(0 <= doubt <= 1 for doubt in doubts.values())


def test_certain_probabilities_have_bounded_odds():
    assert log_odds(0.0) == -log_odds(1.0) == -12
    assert all(np.isfinite(features(p, t)).all() for p in (0.0, 1.0) for t in (0.001, 0.999))


def test_errors_are_on_the_wrong_side_of_the_release_threshold(synthetic):
    scored = synthetic(1)
    wrong = errors(scored, thresholds(scored))
    assert (wrong == ((scored.probabilities >= 0.2) != scored.truth)).all()
    unknown = replace(scored, known=np.zeros_like(scored.known))
    assert not errors(unknown, thresholds(scored)).any()


def test_a_budget_for_everything_finds_everything(synthetic):
    scored = synthetic(2)
    found = compare_routers(scored, thresholds(scored), review_budget=1.0, bootstrap=QUICK)
    assert {one.value for one in found["listing"].captured.values()} == {1.0}


def test_the_margin_finds_more_than_the_score_where_errors_are_near_the_threshold(synthetic):
    scored = synthetic(3, rows=2000)
    report = compare_routers(scored, thresholds(scored, 0.5), review_budget=0.1, bootstrap=QUICK)["listing"]
    assert report.captured[Router.MARGIN].value > report.captured[Router.SCORE].value
    assert report.best in (Router.MARGIN, Router.UNCERTAINTY, Router.LEARNED)


def test_a_learned_router_wins_where_errors_lie_away_from_the_threshold(synthetic):
    scored = synthetic(4, rows=4000)
    odd = (scored.probabilities > 0.55) & (scored.probabilities < 0.8)
    spoiled = replace(scored, truth=np.where(odd, False, scored.probabilities >= 0.5))
    spoiled = replace(spoiled, violating=spoiled.truth.any(axis=1))
    report = compare_routers(spoiled, thresholds(scored, 0.5), review_budget=0.05, bootstrap=QUICK)["listing"]
    assert report.best is Router.LEARNED
    assert report.captured[Router.LEARNED].value > report.captured[Router.MARGIN].value + 0.1


def test_the_learned_router_never_sees_the_group_that_it_judges(synthetic):
    scored = synthetic(5)
    noise = np.random.default_rng(0).random(scored.truth.shape) < 0.05
    doubt = cross_fitted(scored, thresholds(scored), noise)
    assert doubt[noise].mean() == pytest.approx(doubt[~noise].mean(), abs=0.02)


def test_a_fitted_predictor_says_how_often_scores_are_wrong(synthetic):
    scored = synthetic(6, rows=6000)
    wrong = errors(scored, thresholds(scored))
    predictor = fit_predictor(scored, thresholds(scored), wrong)
    doubt = doubts_of(Routing(Router.LEARNED, predictor=predictor), scored, thresholds(scored))
    assert doubt.mean() == pytest.approx(wrong.mean(), abs=0.01)


def test_too_few_errors_choose_nothing(synthetic):
    scored = synthetic(7, rows=60)
    perfect = replace(scored, probabilities=np.where(scored.truth, 0.99, 0.01))
    assert compare_routers(perfect, thresholds(scored), review_budget=0.1, bootstrap=QUICK) == {}
    nothing = scored.on_rows([])
    assert compare_routers(nothing, thresholds(scored), review_budget=0.1, bootstrap=QUICK) == {}


def test_a_few_errors_of_one_kind_are_no_reason_to_fail(synthetic):
    scored = synthetic(8, rows=60)
    one = np.zeros_like(scored.truth)
    one[0, 0] = True
    assert cross_fitted(scored, thresholds(scored), one).max() < 0.5
    assert fit_predictor(scored, thresholds(scored), ~one | one).error("prohibited/p0", 0.5, 0.2) > 0.99
