"""The figures: real PNGs of a sensible size, the same every time."""

from dataclasses import replace
from struct import unpack

import numpy as np
import pytest

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.evaluation import evaluate
from fairstall.evals.plots import draw_plots

QUICK = Bootstrap(draws=50)


def size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header (PNG specification, 11.2.1)."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return unpack(">II", png[16:24])


@pytest.mark.parametrize("labels", [1, 6, 17])
def test_each_figure_is_a_legible_png(synthetic, tiny_bundle, labels):
    scored = synthetic(1, labels=labels)
    thresholds = dict.fromkeys(scored.labels, tiny_bundle.facts.thresholds["prohibited/drugs"])
    plots = draw_plots(scored, evaluate(scored, thresholds, bootstrap=QUICK), thresholds)
    names = ["precision_recall", "reliability", "score_histogram", "risk_coverage", "review_budget"]
    assert list(plots) == [f"{name}.png" for name in names]
    for png in plots.values():
        width, height = size(png)
        assert 700 <= width <= 1600
        assert 250 <= height <= 2000
        assert 8_000 < len(png) < 600_000


def test_the_same_evaluation_draws_the_same_bytes(synthetic):
    scored = synthetic(2)
    first, again = (draw_plots(scored, evaluate(scored, bootstrap=QUICK)) for _ in range(2))
    assert first == again


def test_nothing_is_drawn_when_no_policy_was_measured(synthetic):
    scored = synthetic(3)
    scored = replace(scored, truth=np.zeros_like(scored.truth), violating=np.zeros_like(scored.violating))
    assert draw_plots(scored, evaluate(scored, bootstrap=QUICK)) == {}
