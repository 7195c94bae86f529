"""Figures of scored rows as PNG bytes, a small panel for each policy. Importing it loads no matplotlib."""

import io
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, Literal

import numpy as np

from fairstall.evals.arrays import Floats
from fairstall.evals.bootstrap import CONFIDENCE, wilson
from fairstall.evals.evaluation import Evaluation, Scope
from fairstall.evals.metrics.calibration import equal_mass_starts
from fairstall.evals.metrics.selective import BUDGETS
from fairstall.evals.scored import ScoredRows
from fairstall.evals.slices import Slice, Thresholds, cut_slices, policy_scope
from fairstall.model.certificates import PolicyThresholds

COLUMNS = 4
PANEL_INCHES = (3.3, 2.75)
DOTS_PER_INCH = 110
HISTOGRAM_BINS = 40
LETTERS_A_PANEL = 36  # of a heading

INK, MUTED, GRID = "#22303c", "#75828e", "#e6eaee"
VIOLATION, COMPLIANT, ACCENT = "#c8553d", "#4a7c8c", "#2b6f8a"


@dataclass(frozen=True, slots=True)
class Panel:
    """What one panel shows: a policy, its rows, its numbers, and where its score acts."""

    code: str
    cut: Slice
    scope: Scope
    thresholds: PolicyThresholds | None


def draw_plots(scored: ScoredRows, evaluation: Evaluation, thresholds: Thresholds | None = None) -> dict[str, bytes]:
    """PNGs by file name: precision-recall curves, reliability diagrams, score histograms, risk-coverage curves and
    errors captured against the review budget, of the measured policies.
    """
    slices = cut_slices(scored, thresholds)
    panels = [
        Panel(code, slices[scope], evaluation.scopes[scope], thresholds[code] if thresholds else None)
        for code in scored.labels
        if (scope := policy_scope(code)) in slices
    ]
    if not panels:
        return {}
    sheets: Mapping[str, tuple[str, Callable[[Any, Panel], None]]] = {
        "precision_recall.png": ("Precision against recall; a dot marks the release threshold in force", _draw_pr),
        "reliability.png": ("Share of violations against probability, in bins of equally many rows", _draw_reliability),
        "score_histogram.png": ("Rows by probability, on a logarithmic scale", _draw_histogram),
        "risk_coverage.png": ("Errors among the most certain rows; dashed, the best order there is", _draw_risk),
        "review_budget.png": ("Errors captured by review, least certain rows first; dashed, at random", _draw_budget),
    }
    return {name: _sheet(title, panels, evaluation, draw) for name, (title, draw) in sheets.items()}


@contextmanager
def styled_figure(width_inches: float, height_inches: float) -> Iterator[Any]:
    """A matplotlib figure in the house's look; draw and save it inside."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style = {"font.family": "DejaVu Sans", "font.size": 8, "text.color": INK, "axes.edgecolor": MUTED}
    with rc_context({**style, "xtick.color": MUTED, "ytick.color": MUTED, "axes.labelcolor": MUTED}):
        figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def png(figure: Any) -> bytes:
    """The figure as PNG; the same figure gives the same bytes."""
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=DOTS_PER_INCH, facecolor="white", metadata={"Software": None})
    return written.getvalue()


def _sheet(title: str, panels: list[Panel], evaluation: Evaluation, draw: Callable[[Any, Panel], None]) -> bytes:
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    with styled_figure(max(2, columns) * PANEL_INCHES[0], rows * PANEL_INCHES[1] + 0.7) as figure:
        heading = _heading(title, evaluation, LETTERS_A_PANEL * max(2, columns))
        figure.suptitle(heading, x=0.01, ha="left", fontsize=11, fontweight="bold")
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, panel in zip(grid.flat, panels, strict=False):
            _dress(axes, panel)
            draw(axes, panel)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        return png(figure)


def _heading(title: str, evaluation: Evaluation, width: int) -> str:
    missing = evaluation.not_measured
    return "\n".join([title, *wrap(f"Not measured: {', '.join(missing)}", width)]) if missing else title


def _dress(axes: Any, panel: Panel) -> None:
    axes.set_title(panel.code, loc="left", fontsize=9, fontweight="bold", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=2)


def _note(axes: Any, text: str, *, side: Literal["left", "right"], end: Literal["top", "bottom"] = "bottom") -> None:
    axes.text(
        0.03 if side == "left" else 0.97,
        0.06 if end == "bottom" else 0.94,
        text,
        transform=axes.transAxes,
        ha=side,
        va=end,
        fontsize=7.5,
        color=INK,
        bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5},
    )


def _number(scope: Scope, metric: str, name: str) -> str:
    found = scope.metrics.get(metric)
    return f"{name} {found.value:.3f}\n[{found.low:.3f}, {found.high:.3f}]" if found else f"{name} not measured"


def _draw_pr(axes: Any, panel: Panel) -> None:
    recall, precision = _curve(panel.cut)
    axes.axhline(panel.cut.truth.mean(), color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.fill_between(recall, precision, step="pre", color=ACCENT, alpha=0.12, linewidth=0)
    axes.step(recall, precision, where="pre", color=ACCENT, linewidth=1.5)
    at = panel.scope.metrics
    if panel.thresholds and "precision" in at and "recall" in at:
        dot = {"color": VIOLATION, "markersize": 4.5, "clip_on": False, "zorder": 5}
        axes.plot(at["recall"].value, at["precision"].value, "o", **dot)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.04), xlabel="recall", ylabel="precision")
    _note(axes, f"{_number(panel.scope, 'average_precision', 'AP')}\n{panel.scope.violations} violations", side="left")


def _curve(cut: Slice) -> tuple[Floats, Floats]:
    """Recall and precision at each threshold at which recall grows, from recall 0."""
    ends = cut.thresholds
    found = np.cumsum(cut.truth)[ends - 1].astype(np.float64)
    precision = found / ends
    return np.concatenate(([0.0], found / found[-1])), np.concatenate((precision[:1], precision))


def _draw_reliability(axes: Any, panel: Panel) -> None:
    cut = panel.cut
    for piece, truth in zip(_bins(cut, cut.probabilities), _bins(cut, cut.truth), strict=True):
        share = wilson(float(truth.mean()), len(truth), confidence=CONFIDENCE)
        axes.plot([piece.mean()] * 2, [share.low, share.high], color=ACCENT, linewidth=1, alpha=0.55)
        axes.plot(piece.mean(), share.value, "o", color=ACCENT, markersize=4, clip_on=False)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    ticks = [0, 0.01, 0.05, 0.2, 0.5, 1]
    for scale, put in ((axes.set_xscale, axes.set_xticks), (axes.set_yscale, axes.set_yticks)):
        scale("function", functions=(_root, np.square))  # the low end is where most rows are
        put(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="probability (square-root scale)", ylabel="share of violations")
    _note(axes, _number(panel.scope, "ece", "ECE"), side="right")


def _root(values: Floats) -> Floats:
    root: Floats = np.sqrt(np.maximum(values, 0))
    return root


def _bins(cut: Slice, values: Any) -> list[Any]:
    return np.split(values, equal_mass_starts(cut)[1:])


def _draw_histogram(axes: Any, panel: Panel) -> None:
    cut, bins = panel.cut, np.linspace(0, 1, HISTOGRAM_BINS + 1)
    for mask, colour, name in ((~cut.truth, COMPLIANT, "compliant"), (cut.truth, VIOLATION, "violations")):
        label = f"{name} ({int(mask.sum())})"
        axes.hist(cut.probabilities[mask], bins=bins, color=colour, alpha=0.65, label=label, linewidth=0)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7)
    axes.minorticks_off()
    if panel.thresholds:
        axes.axvline(panel.thresholds.release.value, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), label="release")
        if block := panel.thresholds.block:
            axes.axvline(block.value, color=INK, linewidth=1.1, label="block")
    axes.set(xlim=(0, 1), xlabel="probability", ylabel="rows")
    axes.legend(fontsize=7, frameon=True, framealpha=0.85, edgecolor="none", loc="upper center")


def _draw_risk(axes: Any, panel: Panel) -> None:
    """Error rate of the rows left to the model when the least certain are taken from it."""
    wrong = panel.cut.wrong[panel.cut.doubtful_first][::-1]
    rows = np.arange(1, wrong.size + 1)
    coverage, errors = rows / wrong.size, int(wrong.sum())
    best = np.maximum(0, rows - (wrong.size - errors)) / rows
    axes.plot(coverage, np.cumsum(wrong) / rows, color=ACCENT, linewidth=1.5)
    axes.plot(coverage, best, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set(xlim=(0, 1.02), ylim=(0, None), xlabel="share of rows left to the model", ylabel="error rate among them")
    excess = panel.scope.metrics.get("excess_aurc")
    above = f"excess AURC {excess.value:.2g}\n[{excess.low:.2g}, {excess.high:.2g}]\n" if excess else ""
    _note(axes, f"{above}{errors} errors", side="left", end="top")


def _draw_budget(axes: Any, panel: Panel) -> None:
    wrong = panel.cut.wrong[panel.cut.doubtful_first]
    if not wrong.any():
        _note(axes, "no errors", side="right")
    else:
        captured = np.concatenate(([0.0], np.cumsum(wrong) / wrong.sum()))
        axes.plot(np.linspace(0, 1, captured.size), captured, color=ACCENT, linewidth=1.5)
        for budget in BUDGETS:
            if found := panel.scope.metrics.get(f"errors_captured_at_review_{budget}"):
                axes.plot([budget / 100] * 2, [found.low, found.high], color=ACCENT, linewidth=1, alpha=0.55)
                axes.plot(budget / 100, found.value, "o", color=VIOLATION, markersize=4, clip_on=False)
        _note(axes, _number(panel.scope, "errors_captured_at_review_10", "at 10 %"), side="right")
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.04), xlabel="share of rows reviewed", ylabel="errors captured")
