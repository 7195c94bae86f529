"""Charts as SVG, drawn by pygal. What they show is for `figures`, and how they look for `drawing`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from fairstall.labeling.trends.drawing import (
    HEIGHT,
    TICKS,
    Words,
    count_scale,
    count_text,
    finished,
    legend_below,
    look,
    percent_text,
    pygal_library,
    share_scale,
    time_axis,
)

LINE_COLOURS = ("one", "two", "three", "four", "five")
ROW_HEIGHT = 30
_LABEL_PX = 15


@dataclass(frozen=True, slots=True)
class Series:
    """Values in the order of the labels, None where there is nothing to say. `colour`: a variable of `chart.css`."""

    name: str
    colour: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Interval:
    """A share with its interval, 0 to 1, and what is written beside it; None where nothing can be said."""

    name: str
    share: float | None
    low: float
    high: float
    note: str


def draw_columns(words: Words, labels: Sequence[str], series: Sequence[Series]) -> str:
    """Columns over time, the series on top of each other."""
    totals = [sum(values) for values in zip(*(one.values or () for one in series), strict=True)]
    chart = pygal_library().StackedBar(
        **look([one.colour for one in series], **legend_below(len(series))),
        **time_axis(labels),
        **count_scale(max(totals)),
    )
    for one in series:
        chart.add(one.name, list(one.values))
    return finished(chart, words)


def draw_area(words: Words, labels: Sequence[str], series: Series) -> str:
    """One line over time, filled to zero."""
    chart = pygal_library().Line(
        **look([series.colour] * 2),
        **time_axis(labels),
        **count_scale(max(value or 0 for value in series.values)),
        show_dots=len(labels) == 1,
    )
    for fill in (True, False):
        chart.add(series.name, list(series.values), fill=fill)
    return finished(chart, words)


def draw_lines(words: Words, labels: Sequence[str], series: Sequence[Series], *, percent: bool = False) -> str:
    """Lines over time, each of several with its name at its end. `percent`: values are shares on a scale to 1."""
    highest = 1.0 if percent else max((value or 0 for one in series for value in one.values), default=0)
    scale = share_scale() if percent else count_scale(highest)
    colours = [one.colour for one in series]
    chart = pygal_library().Line(
        **look([*colours, *colours], margin_right=150 if len(series) > 1 else 8),
        **time_axis(labels),
        **scale,
        show_dots=len(labels) == 1,
        allow_interruptions=True,
        print_labels=True,
    )
    for one in series:
        chart.add(one.name, list(one.values))
    heights = _apart(series, scale["range"][1]) if len(series) > 1 else ()
    for one, height in zip(series, heights, strict=False):
        name = one.name if len(one.name) < 24 else f"{one.name[:22]}…"
        at_its_end: list[Any] = [None] * (len(labels) - 1)
        chart.add(
            one.name, [*at_its_end, {"value": height, "label": name}], show_dots=True, dots_size=0.01, stroke=False
        )
    return finished(chart, words)


def draw_rows(
    words: Words,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    notes: Sequence[str] = (),
    pressing: Collection[str] = (),
) -> str:
    """A row for each label, the first on top, with the series one after the other.

    At its end is its number, or its note. Rows that are `pressing` stand out.
    """
    several = len(series) > 1
    totals = [sum(value or 0 for value in values) for values in zip(*(one.values for one in series), strict=True)]
    kind = pygal_library().HorizontalStackedBar if several else pygal_library().HorizontalBar
    height = _rows_height(labels) + (28 if several else 0)
    chart = kind(
        **look([one.colour for one in series], height=height, margin_right=90, **legend_below(len(series))),
        x_labels=[_short(label) for label in reversed(labels)],
        show_x_labels=False,
        show_y_guides=False,
        print_values=not notes,
        print_labels=bool(notes),
        print_values_position="top",
        range=(0, max([*totals, 1])),
        value_formatter=count_text,
    )
    for one in series:
        told = notes if one is series[-1] else ()
        chart.add(one.name, _row_values(labels, one, told, pressing)[::-1])
    return finished(chart, words)


def draw_intervals(words: Words, rows: Sequence[Interval], *, low: float, high: float) -> str:
    """A dot with its interval for each row, on a scale from `low` to `high`."""
    places = [*zip(reversed(range(len(rows))), rows, strict=True)]
    ticks = [low + (high - low) * part / TICKS for part in range(TICKS + 1)]
    chart = pygal_library().XY(
        **look(["accent"] * 2 * len(rows), height=_rows_height(rows) + 28, margin_right=150),
        y_labels=[{"value": place, "label": _short(row.name)} for place, row in places],
        range=(-0.5, len(rows) - 0.5),
        xrange=(low, high),
        x_labels=ticks,
        show_x_guides=True,
        x_value_formatter=percent_text,
        print_labels=True,
    )
    for place, row in places:
        if row.share is not None:
            ends = (max(low, row.low), place), (min(high, row.high), place)
            chart.add(row.name, [*ends], show_dots=False)
    for place, row in places:
        if row.share is not None:
            chart.add(row.name, [(min(high, max(low, row.share)), place)], stroke=False, dots_size=5)
    for place, row in places:
        chart.add(row.name, [{"value": (high, place), "label": row.note}], stroke=False, dots_size=0.01)
    return finished(chart, words)


def _row_values(
    labels: Sequence[str], series: Series, notes: Sequence[str], pressing: Collection[str]
) -> list[dict[str, Any]]:
    values: list[dict[str, Any]] = [{"value": value} for value in series.values]
    for value, note in zip(values, notes, strict=False):
        value["label"] = note
    for value, label in zip(values, labels, strict=True):
        if label in pressing:
            value["color"] = "var(--block)"
    return values


def _apart(series: Sequence[Series], highest: float) -> list[float]:
    """Where the names at the ends of lines go: as near to the ends as they can be without touching."""
    least = highest * _LABEL_PX / (HEIGHT - 60)
    ends = [next((value for value in reversed(one.values) if value is not None), 0.0) for one in series]
    heights = list(ends)
    below = -least
    for place in sorted(range(len(ends)), key=lambda place: ends[place]):
        heights[place] = below = max(ends[place], below + least)
    above = highest + least
    for place in sorted(range(len(ends)), key=lambda place: -heights[place]):
        heights[place] = above = min(heights[place], above - least)
    return heights


def _rows_height(rows: Sequence[Any]) -> int:
    return 24 + ROW_HEIGHT * max(1, len(rows))


def _short(label: str) -> str:
    return label if len(label) <= 28 else f"{label[:27]}…"
