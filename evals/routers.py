"""Which router finds the most errors for the reviews that people can afford.

An error is a score on the wrong side of its release threshold: what would happen if nobody looked. For a listing as a
whole, any policy's. The learned predictor is judged on groups that it was not fitted on.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fairstall.evals.arrays import Bools, Floats
from fairstall.evals.bootstrap import Bootstrap, Estimate, estimate, share_estimate, weightings
from fairstall.evals.scored import ScoredRows
from fairstall.evals.slices import LISTING, Thresholds, flagged, policy_scope
from fairstall.model.routing import FEATURES, FURTHEST, ErrorPredictor, Router, Routing, features

FOLDS = 5
RIDGE = 1.0
LEAST_ERRORS = 10  # of a policy; with fewer, which router finds them is luck
SIMPLEST_FIRST = (Router.MARGIN, Router.UNCERTAINTY, Router.SCORE, Router.LEARNED)


@dataclass(frozen=True, slots=True)
class RouterReport:
    """For one scope: the share of its errors that each router finds within the budget, and the `best` of them. A router
    is passed over for a simpler one unless it is ahead of it with confidence, paired.
    """

    errors: int
    captured: Mapping[Router, Estimate]
    best: Router

    def metrics(self, scope: str) -> dict[str, float]:
        flat = {f"routing/{scope}/errors": float(self.errors)}
        for router, found in self.captured.items():
            flat |= found.metrics(f"routing/{scope}/{router}/errors_captured")
        return flat


def compare_routers(
    scored: ScoredRows, thresholds: Thresholds, *, review_budget: float, bootstrap: Bootstrap
) -> dict[str, RouterReport]:
    """By scope: `listing`, and every policy with enough errors."""
    wrong = errors(scored, thresholds)
    if not wrong.any():
        return {}
    doubts = {router: doubts_of(Routing(router), scored, thresholds) for router in SIMPLEST_FIRST[:-1]}
    doubts[Router.LEARNED] = cross_fitted(scored, thresholds, wrong)
    weights = np.concatenate(list(weightings(scored, bootstrap)), axis=1)
    found: dict[str, RouterReport] = {}
    whole = {router: np.where(scored.known, doubt, -1.0).max(axis=1) for router, doubt in doubts.items()}
    if report := _report(scored, whole, np.any(wrong, axis=1), weights, review_budget, bootstrap):
        found[LISTING] = report
    for column, code in enumerate(scored.labels):
        kept = scored.known[:, column]
        of_policy = {router: doubt[kept, column] for router, doubt in doubts.items()}
        rows = scored.on_rows(scored.ids[kept].tolist())
        if report := _report(rows, of_policy, wrong[kept, column], weights[kept], review_budget, bootstrap):
            found[policy_scope(code)] = report
    return found


def errors(scored: ScoredRows, thresholds: Thresholds) -> Bools:
    """(rows, labels): the score is on the wrong side of the release threshold; never where the truth is not known."""
    wrong: Bools = (flagged(scored, thresholds) != scored.truth) & scored.known
    return wrong


def doubts_of(routing: Routing, scored: ScoredRows, thresholds: Thresholds) -> Floats:
    """(rows, labels) of what the routing says."""
    columns = [
        [routing.doubt(code, p, thresholds[code].release.value) for p in scored.probabilities[:, column].tolist()]
        for column, code in enumerate(scored.labels)
    ]
    return np.array(columns, dtype=np.float64).T.reshape(scored.probabilities.shape)


def cross_fitted(scored: ScoredRows, thresholds: Thresholds, wrong: Bools) -> Floats:
    """(rows, labels) probabilities of an error, each from a predictor that was fitted without the row's group."""
    groups = np.unique(scored.groups, return_inverse=True)[1]
    fold = np.random.default_rng(0).permutation(groups.max() + 1)[groups] % FOLDS
    found = np.zeros(scored.probabilities.shape)
    for number in range(FOLDS):
        fit, held = scored.on_rows(scored.ids[fold != number].tolist()), fold == number
        predictor = fit_predictor(fit, thresholds, wrong[fold != number])
        rest = scored.on_rows(scored.ids[held].tolist())
        found[held] = doubts_of(Routing(Router.LEARNED, predictor=predictor), rest, thresholds)
    return found


def fit_predictor(scored: ScoredRows, thresholds: Thresholds, wrong: Bools) -> ErrorPredictor:
    """Logistic regression with a ridge on all known cells of all policies together."""
    from sklearn.linear_model import LogisticRegression

    rows, columns = np.nonzero(scored.known)
    target = wrong[rows, columns]
    if not target.any() or target.all():
        always = FURTHEST if target.any() else -FURTHEST
        return ErrorPredictor(weights=(0.0,) * FEATURES, intercept=always)
    release = [thresholds[code].release.value for code in scored.labels]
    cells = zip(scored.probabilities[rows, columns].tolist(), columns.tolist(), strict=True)
    read = np.array([features(probability, release[column]) for probability, column in cells])
    design = np.hstack([read, np.eye(len(scored.labels))[columns]])
    model = LogisticRegression(C=1 / RIDGE, max_iter=500).fit(design, target, sample_weight=scored.weights[rows])
    weights = model.coef_[0].tolist()
    offsets = dict(zip(scored.labels, weights[FEATURES:], strict=True))
    return ErrorPredictor(tuple(weights[:FEATURES]), float(model.intercept_[0]), offsets)


def _report(
    scored: ScoredRows,
    doubts: Mapping[Router, Floats],
    wrong: Bools,
    weights: Floats,
    budget: float,
    bootstrap: Bootstrap,
) -> RouterReport | None:
    groups = int(np.unique(scored.groups[wrong]).size)
    if groups < LEAST_ERRORS:
        return None
    drawn = {router: _captured(doubts[router], wrong, weights, budget) for router in SIMPLEST_FIRST}
    confidence = bootstrap.confidence
    return RouterReport(
        errors=int(wrong.sum()),
        captured={
            router: share_estimate(values, confidence=confidence, evidence=groups, proportion=True)
            for router, values in drawn.items()
        },
        best=_best(drawn, confidence=confidence, evidence=groups),
    )


def _best(drawn: Mapping[Router, Floats], *, confidence: float, evidence: int) -> Router:
    best = SIMPLEST_FIRST[0]
    for router in SIMPLEST_FIRST[1:]:
        if estimate(drawn[router] - drawn[best], confidence=confidence, evidence=evidence).low > 0:
            best = router
    return best


def _captured(doubt: Floats, wrong: Bools, weights: Floats, budget: float) -> Floats:
    """(1 + draws,) the share of the errors among the most doubtful rows that the budget pays for."""
    order = np.argsort(-doubt, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(doubt[order]) != 0))  # equal doubts are reviewed alike
    seen = np.cumsum(np.add.reduceat(weights[order], starts, axis=0), axis=0)
    caught = np.cumsum(np.add.reduceat((weights * wrong[:, None])[order], starts, axis=0), axis=0)
    spent = budget * seen[-1]
    found = [_at(seen[:, draw], caught[:, draw], spent[draw]) for draw in range(seen.shape[1])]
    shares: Floats = np.array(found) / caught[-1]
    return shares


def _at(seen: Floats, caught: Floats, spent: float) -> float:
    return float(np.interp(spent, np.append(0.0, seen), np.append(0.0, caught)))
