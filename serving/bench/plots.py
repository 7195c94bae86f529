"""The run as a picture, PNG and SVG. Importing it loads no matplotlib."""

import io
from collections.abc import Sequence
from importlib.util import find_spec
from statistics import median
from typing import Any

from fairstall.model.errors import MissingExtra
from fairstall.serving.bench.contestants import SERVICE
from fairstall.serving.bench.results import Arrivals, BenchResult
from fairstall.serving.bench.rounds import AT_32

SIZE_INCHES = (11.0, 4.4)
DOTS_PER_INCH = 120
INK, MUTED, GRID = "#22303c", "#75828e", "#e6eaee"
COLOURS = ("#2b6f8a", "#c8553d", "#8a6d3b")
OTHERS = "#b8c2ca"


def can_plot() -> bool:
    return find_spec("matplotlib") is not None


def draw_plot(result: BenchResult) -> dict[str, bytes]:
    """The picture by its ending, `png` and `svg`; the same run gives the same bytes. Raises MissingExtra."""
    if not can_plot():
        raise MissingExtra("the plot of bench", "evals")
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style = {"font.size": 8, "text.color": INK, "axes.edgecolor": MUTED, "svg.hashsalt": result.begun_at}
    with rc_context({**style, "xtick.color": MUTED, "ytick.color": MUTED, "axes.labelcolor": MUTED}):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        FigureCanvasAgg(figure)
        latency, throughput = figure.subplots(1, 2, width_ratios=(3, 2))
        _draw_latency(latency, result)
        _draw_throughput(throughput, result)
        return {"png": _saved(figure, "png", Software=None), "svg": _saved(figure, "svg", Date=None)}


def _draw_latency(axes: Any, result: BenchResult) -> None:
    """p50 and p99 of the open loop against the rate; a closed loop has no rate of its own."""
    _dress(axes, "Latency against load, open loop (p99; dashed, p50)")
    for name, colour in zip(SERVICE, COLOURS, strict=True):
        found = [runs for load, runs in result.by_load(name).items() if load.arrivals is Arrivals.EVEN]
        rates = [_median([run.answers_per_s for run in runs]) for runs in found]
        for percentile, line in (("p99_ms", "-"), ("p50_ms", "--")):
            heights = [_median([getattr(run.latencies, percentile) for run in runs]) for runs in found]
            label = name if percentile == "p99_ms" else None
            axes.plot(rates, heights, line, marker="o", markersize=3, color=colour, label=label)
    axes.set_xlabel("answers a second")
    axes.set_ylabel("milliseconds")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)


def _draw_throughput(axes: Any, result: BenchResult) -> None:
    """Bars of what each answered at 32 connections, beside the raw limit."""
    _dress(axes, "Throughput at 32 connections")
    bars = {"raw limit": [raw.listings_per_s for raw in result.raw]}
    bars |= {name: [run.answers_per_s for run in result.by_load(name).get(AT_32, ())] for name in result.contestants}
    bars = {name: values for name, values in bars.items() if values}
    heights = [_median(values) for values in bars.values()]
    spread = [
        [height - min(values) for height, values in zip(heights, bars.values(), strict=True)],
        [max(values) - height for height, values in zip(heights, bars.values(), strict=True)],
    ]
    colours = [COLOURS[0] if name in SERVICE else OTHERS for name in bars]
    axes.barh([*bars], heights, xerr=spread, color=colours, ecolor=MUTED)
    axes.invert_yaxis()
    axes.set_xlabel("answers a second")


def _dress(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9, fontweight="bold", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)


def _median(values: Sequence[float]) -> float:
    return float(median(values))


def _saved(figure: Any, kind: str, **metadata: None) -> bytes:
    written = io.BytesIO()
    figure.savefig(written, format=kind, dpi=DOTS_PER_INCH, facecolor="white", metadata=metadata)
    return written.getvalue()
