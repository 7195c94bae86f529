"""Which router a bundle carries: the one that finds the most errors on rows that taught nothing."""

from collections.abc import Mapping, Sequence

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.routers import compare_routers, errors, fit_predictor
from fairstall.evals.slices import LISTING
from fairstall.model.calibration import PlattCalibration
from fairstall.model.certificates import PolicyThresholds
from fairstall.model.routing import Router, Routing
from fairstall.training.config import TrainingConfig
from fairstall.training.measure import measured_rows
from fairstall.training.rows import Split
from fairstall.training.scoring import ScoredRows, calibrated


def choose_routing(
    scored: Mapping[Split, ScoredRows],
    codes: Sequence[str],
    calibration: Mapping[str, PlattCalibration],
    thresholds: Mapping[str, PolicyThresholds],
    config: TrainingConfig,
) -> Routing:
    """From the real certification rows; with too few errors among them, the plain score."""
    held = scored["certification"]
    rows = measured_rows(held.rows, held.groups, codes, calibrated(held.logits, codes, calibration), real=True)
    found = compare_routers(
        rows,
        thresholds,
        review_budget=config.certify.review_budget,
        bootstrap=Bootstrap(draws=config.bootstrap_draws),
    )
    if LISTING not in found:
        return Routing()
    best = found[LISTING].best
    predictor = fit_predictor(rows, thresholds, errors(rows, thresholds)) if best is Router.LEARNED else None
    return Routing(best, config.certify.review_budget, predictor)
