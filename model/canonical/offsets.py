"""Where a rewritten text came from: edits as offset layers, and spans of whole graphemes. No rewriting rules."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import regex

Positions: TypeAlias = "array[int]"
Edit: TypeAlias = tuple[int, int, str]  # text[start:end] gives way to the string

# Pairs of flag letters come first: \X looks back to the start of their run each time, which takes quadratic time.
_GRAPHEME = regex.compile(r"[\U0001F1E6-\U0001F1FF]{2}(?=[\U0001F1E6-\U0001F1FF])|\X")


@dataclass(frozen=True, slots=True)
class Layer:
    """The edits of one pass as positions before and after it, in code points; between edits the text is the same."""

    before_starts: Positions
    before_ends: Positions
    after_starts: Positions
    after_ends: Positions

    def start_before(self, position: int) -> int:
        """Where the character at `position` began; characters deleted in front of it stay outside."""
        edit = bisect_right(self.after_starts, position) - 1
        if edit < 0:
            return position
        if position < self.after_ends[edit]:
            return self.before_starts[edit]
        return self.before_ends[edit] + position - self.after_ends[edit]

    def end_before(self, position: int) -> int:
        """Where the character that ends at `position` ended; characters deleted behind it stay outside."""
        edit = bisect_left(self.after_ends, position)
        if edit < len(self.after_ends) and self.after_starts[edit] < position:
            return self.before_ends[edit]
        return position if edit == 0 else self.before_ends[edit - 1] + position - self.after_ends[edit - 1]


def rewrite(text: str, edits: Sequence[Edit]) -> tuple[str, Layer]:
    """`text` with `edits` made, which must be in order and apart, and the layer that leads back."""
    pieces: list[str] = []
    layer = Layer(array("I"), array("I"), array("I"), array("I"))
    position = length = 0
    for start, end, replacement in edits:
        pieces += (text[position:start], replacement)
        length += start - position
        layer.before_starts.append(start)
        layer.before_ends.append(end)
        layer.after_starts.append(length)
        length += len(replacement)
        layer.after_ends.append(length)
        position = end
    pieces.append(text[position:])
    return "".join(pieces), layer


def grapheme_span(raw: str, start: int, end: int) -> tuple[int, int]:
    """The smallest slice of whole grapheme clusters (UAX 29) that holds `raw[start:end]`; an empty one stays empty."""
    if raw.isascii() and "\r\n" not in raw:
        return start, end
    bounds = _grapheme_bounds(raw)
    widened = bounds[bisect_right(bounds, start) - 1]
    return widened, widened if start == end else bounds[bisect_left(bounds, end)]


@lru_cache(maxsize=8)  # evidence comes in many spans of one text
def _grapheme_bounds(raw: str) -> Positions:
    bounds = array("I", [0])
    bounds.extend(match.end() for match in _GRAPHEME.finditer(raw))
    return bounds
