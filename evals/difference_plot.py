"""The figure of a comparison: differences in average precision with their intervals. It loads no matplotlib."""

from collections.abc import Sequence
from typing import Any

from fairstall.evals.compare import Comparison, Difference, Word
from fairstall.evals.headings import scope_name
from fairstall.evals.plots import ACCENT, MUTED, VIOLATION, png, styled_figure
from fairstall.evals.slices import KINDS

METRIC = "average_precision"
ROW_INCHES, AROUND_INCHES, WIDTH_INCHES = 0.26, 1.1, 9.0
COLOURS = {Word.BETTER: ACCENT, Word.WORSE: VIOLATION, Word.CANNOT_TELL: MUTED}


def draw_differences(comparison: Comparison) -> bytes | None:
    """A PNG with a line for the mean of policies, listings, each policy and source; None when none was measured."""
    found = [
        one for start in KINDS for one in comparison.differences if one.metric == METRIC and one.scope.startswith(start)
    ]
    if not found:
        return None
    with styled_figure(WIDTH_INCHES, AROUND_INCHES + ROW_INCHES * len(found)) as figure:
        axes = figure.subplots()
        _draw(axes, found)
        axes.set_title(f"Average precision, {comparison.second} less {comparison.first}", loc="left", fontweight="bold")
        return png(figure)


def _draw(axes: Any, found: Sequence[Difference]) -> None:
    axes.axvline(0, color=MUTED, linewidth=0.9)
    for place, one in enumerate(found):
        by, colour = one.difference, COLOURS[one.verdict]
        axes.plot([by.low, by.high], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt")
        axes.plot(by.value, place, "o", color=colour, markersize=4.5)
        axes.annotate(
            f"{one.first:.3f} to {one.second:.3f}",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            color=MUTED,
            fontsize=8,
        )
    axes.set_yticks(range(len(found)), [scope_name(one.scope) for one in found])
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.grid(axis="x", linewidth=0.5, alpha=0.5)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xlabel("difference with its 95 % interval; better to the right")
