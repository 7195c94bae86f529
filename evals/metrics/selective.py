"""What review buys when people look at the least certain rows first. An error is a wrong prediction at even odds.

Certainty is the distance of the probability from one half. Sources: Geifman and El-Yaniv 2017 (AURC), Geifman et al.
2019 (excess AURC), Kivlichan et al. 2021 (errors captured at a review budget).
"""

from functools import partial

import numpy as np

from fairstall.evals.arrays import Floats
from fairstall.evals.metric import Metric, Sample, share, wrong

BUDGETS = (5, 10, 20)  # per cent of the rows


def aurc(sample: Sample) -> Floats:
    """The area under the risk-coverage curve: the mean error rate of the most certain rows, over all coverages."""
    seen, caught = sample.reviewed_at, sample.caught_at
    before = np.zeros((1, seen.shape[1]))
    covered = seen[-1] - np.vstack((before, seen[:-1]))
    risk = share(caught[-1] - np.vstack((before, caught[:-1])), covered)
    return share((np.diff(seen, axis=0, prepend=before) * risk).sum(axis=0), seen[-1])


def excess_aurc(sample: Sample) -> Floats:
    """AURC less that of the best order of the same predictions."""
    rate = share(sample.mass(sample.of.wrong), sample.total)
    kept = np.maximum(1 - rate, np.finfo(np.float64).tiny)
    best: Floats = rate + kept * np.log(kept)
    return aurc(sample) - best


def errors_captured(sample: Sample, *, budget: int) -> Floats:
    """The share of all errors that lies in the `budget` per cent least certain rows; needs an error."""
    seen, caught = sample.reviewed_at, sample.caught_at
    return share(_caught_within(seen, caught, budget / 100 * seen[-1]), caught[-1])


def reviewed_wrong(sample: Sample, *, budget: int) -> Floats:
    """The share of errors among the `budget` per cent least certain rows."""
    seen, caught = sample.reviewed_at, sample.caught_at
    spent = budget / 100 * seen[-1]
    return share(_caught_within(seen, caught, spent), spent)


def _caught_within(seen: Floats, caught: Floats, spent: Floats) -> Floats:
    """(draws,) errors reviewed once `spent` is; within a run of equal certainty they come evenly."""
    run, draws = (seen < spent).sum(axis=0), np.arange(seen.shape[1])
    run = np.minimum(run, len(seen) - 1)
    seen_before = np.where(run > 0, seen[run - 1, draws], 0.0)
    caught_before = np.where(run > 0, caught[run - 1, draws], 0.0)
    part = share(spent - seen_before, seen[run, draws] - seen_before)
    within: Floats = caught_before + np.clip(np.nan_to_num(part), 0, 1) * (caught[run, draws] - caught_before)
    return within


METRICS = (
    Metric("aurc", aurc, higher_is_better=False),
    Metric("excess_aurc", excess_aurc, higher_is_better=False),
    *(
        Metric(
            f"errors_captured_at_review_{budget}",
            partial(errors_captured, budget=budget),
            higher_is_better=True,
            backing=wrong,
            headline=budget >= 10,
        )
        for budget in BUDGETS
    ),
    *(
        Metric(f"reviewed_wrong_at_{budget}", partial(reviewed_wrong, budget=budget), higher_is_better=True)
        for budget in BUDGETS
    ),
)
