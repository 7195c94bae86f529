"""How every chart looks: colours, fonts, scales, and the words that it carries. Which marks it has is for `charts`.

Colours are names of variables in `chart.css`, so that one file is right in light and in dark. Importing this module
loads no pygal: a service that nobody asks for a chart has no use for it.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 600, 240
FONT = (
    '"Segoe UI Variable Text", "Segoe UI", -apple-system, BlinkMacSystemFont, Roboto, "Noto Sans", Cantarell, '
    '"Liberation Sans", Arial, sans-serif'
)
LABELS_ACROSS = 6
TICKS = 4
_SPARE_COLOURS = 80  # pygal wants one for each series, and charts of intervals have three for a row
_STYLE_SHEET = Path(__file__).with_name("chart.css")


@dataclass(frozen=True, slots=True)
class Words:
    """What a chart is called, and what it says to somebody who does not see it."""

    title: str
    description: str


def pygal_library() -> Any:
    """The library without the finder that it gives Python for its plug-ins, which warns at every later import."""
    import pygal

    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)]
    return pygal


def look(colours: Sequence[str], **more: Any) -> dict[str, Any]:
    """What pygal is told of every chart: the variables that colour its series, and whatever else it needs."""
    style = pygal_library().style.Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--quiet)",
        foreground_strong="var(--ink)",
        foreground_subtle="var(--line)",
        font_family=FONT,
        opacity="1",
        stroke_opacity="1",
        transition="0s",
        colors=tuple(f"var(--{name})" for name in (*colours, *["accent"] * _SPARE_COLOURS)),
        value_colors=tuple(f"var(--{name})" for name in (*colours, *["ink"] * _SPARE_COLOURS)),
        **{f"{part}_font_size": 12 for part in ("label", "major_label", "value", "value_label", "legend")},
    )
    shown = {"width": WIDTH, "height": HEIGHT, "margin": 8, "explicit_size": True, "show_legend": False} | more
    sheets = ("file://style.css", "file://graph.css", f"file://{_STYLE_SHEET}")
    plain = {"js": (), "css": sheets, "no_prefix": True, "disable_xml_declaration": True, "truncate_label": -1}
    return {"style": style, **shown, **plain}


def legend_below(names: int) -> dict[str, Any]:
    """Under the chart, where it has several series."""
    below = {"legend_at_bottom": True, "legend_at_bottom_columns": names, "legend_box_size": 10}
    return {"show_legend": names > 1, **below}


def time_axis(labels: Sequence[str]) -> dict[str, Any]:
    """The labels of a time axis: a few of them, from the first on."""
    every = max(1, -(-len(labels) // LABELS_ACROSS))
    shown = [label if place % every == 0 else "" for place, label in enumerate(labels)]
    return {"x_labels": shown, "show_x_guides": False}


def count_scale(highest: float) -> dict[str, Any]:
    """A scale from zero on, with a few round numbers."""
    rough = max(highest, 1) / TICKS
    magnitude = 10 ** floor(log10(rough)) if rough >= 1 else 1
    step = next(step * magnitude for step in (1, 2, 5, 10) if step * magnitude >= rough)
    ticks = [step * number for number in range(int(-(-max(highest, 1) // step)) + 1)]
    return {"range": (0, ticks[-1]), "y_labels": ticks, "value_formatter": count_text}


def share_scale() -> dict[str, Any]:
    """A scale from nothing to all."""
    ticks = [0, 0.25, 0.5, 0.75, 1]
    return {"range": (0, 1), "y_labels": ticks, "value_formatter": percent_text}


def count_text(value: float) -> str:
    """A number of things."""
    return f"{value:,.0f}"


def percent_text(share: float) -> str:
    """A share, 0 to 1, without zeros that say nothing."""
    return f"{round(100 * share, 2):g} %"


def finished(chart: Any, words: Words) -> str:
    """The SVG of a chart, with its words."""
    chart.title = None
    chart.add_xml_filter(lambda root: _told(root, words))
    return str(chart.render())


def _told(root: Any, words: Words) -> Any:
    """The drawing with its words in front, and without what pygal adds for scripts and for itself.

    `root` is of lxml where that is installed, and of the standard library otherwise.
    """
    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or _for_scripts(child):
                parent.remove(child)
    root.set("role", "img")
    root.set("aria-labelledby", "title description")
    told_first = (("title", "title", words.title), ("desc", "description", words.description))
    for place, (tag, name, text) in enumerate(told_first):
        told = root.makeelement(tag, {"id": name})
        told.text = text
        root.insert(place, told)
    return root


def _for_scripts(node: Any) -> bool:
    return node.tag in ("script", "title", "desc") or "tooltip-overlay" in node.get("class", "")
