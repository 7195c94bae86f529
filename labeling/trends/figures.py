"""What a figure is: a title, its main fact in words, a table whose numbers lead to their cases, and a chart of it."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from fairstall.labeling.trends.drawing import Words
from fairstall.labeling.trends.scope import Step

NOTHING = "–"
TOO_FEW = "too few to say"


@dataclass(frozen=True, slots=True)
class Cell:
    """`text` is for people and `value` for a file; `link` leads to as many rows as the number says."""

    text: str
    value: str | int | float | None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """`head` is for people, `names` are the columns of the file. The first cell of each row names it."""

    head: tuple[str, ...]
    names: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def csv(self) -> str:
        """As RFC 4180 has it, with a line of names."""
        written = io.StringIO()
        lines = csv.writer(written)
        lines.writerow(self.names)
        lines.writerows([["" if cell.value is None else cell.value for cell in row] for row in self.rows])
        return written.getvalue()


@dataclass(frozen=True, slots=True)
class Figure:
    """`name` is in its addresses. `fact` is what one should know who does not see the chart, `note` what the numbers
    are about. `draw` gives the SVG; None where there is nothing to draw.
    """

    name: str
    title: str
    fact: str
    note: str
    table: Table
    draw: Callable[[Words], str] | None

    @property
    def words(self) -> Words:
        return Words(self.title, self.fact)


def count(number: int, path: str = "", **query: str | None) -> Cell:
    """A number; with a `path` and none, it leads to its rows, and without any it leads nowhere."""
    link = address(path, **query) if path and number else None
    return Cell(f"{number:,}", number, link)


def percentage(share: float | None, digits: int = 1) -> Cell:
    """A share, 0 to 1."""
    return Cell(NOTHING, None) if share is None else Cell(percent(share, digits), round(share, 6))


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def name(text: str, value: str | None = None, link: str | None = None) -> Cell:
    return Cell(text, text if value is None else value, link)


def address(path: str, **query: str | None) -> str:
    """An address of the console, without the part under which it is mounted."""
    return f"{path}?{urlencode({key: value for key, value in query.items() if value is not None})}"


def piece_labels(pieces: Sequence[datetime], step: Step) -> list[str]:
    """How the hours or days are called along an axis."""
    return [f"{piece:%H}:00" if step is Step.HOUR else f"{piece.day} {piece:%b}" for piece in pieces]


def piece_name(piece: datetime, step: Step) -> Cell:
    """An hour or a day at the head of a row."""
    shown = f"{piece.day} {piece:%b %Y}" + (f", {piece:%H}:00" if step is Step.HOUR else "")
    return name(shown, piece.isoformat() if step is Step.HOUR else f"{piece:%Y-%m-%d}")


def plural(number: int, one: str, more: str | None = None) -> str:
    """`1 case`, `2 cases`."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"
