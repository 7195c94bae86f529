"""A seller's text made safe to look at: evidence in its place, and every character that hides shown as a label.

It yields plain pieces of text; turning them into HTML is the templates' business.
"""

import itertools
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import regex

from fairstall.model.model_evidence import Weight

MAX_LABELS = 300
MAX_MARKS_ON_ONE_CHARACTER = 4  # more is a pile that spills over the lines around it

_LABELS = {
    0x00AD: "SHY", 0x034F: "CGJ", 0x061C: "ALM", 0x115F: "FILL", 0x1160: "FILL", 0x180E: "MVS", 0x200B: "ZWSP",
    0x200C: "ZWNJ", 0x200D: "ZWJ", 0x200E: "LRM", 0x200F: "RLM", 0x2028: "LSEP", 0x2029: "PSEP", 0x202A: "LRE",
    0x202B: "RLE", 0x202C: "PDF", 0x202D: "LRO", 0x202E: "RLO", 0x2060: "WJ", 0x2066: "LRI", 0x2067: "RLI",
    0x2068: "FSI", 0x2069: "PDI", 0x2800: "BLANK", 0x3164: "FILL", 0xFEFF: "BOM", 0xFFA0: "FILL",
}  # fmt: skip
_TAGS = range(0xE0000, 0xE0080)

_HIDES = regex.compile(
    r"[[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\p{Variation_Selector}"
    r"\u034F\u115F\u1160\u2800\u3164\uFFA0]--[\t\n\r]]",
    regex.VERSION1,
)
_PILE = regex.compile(rf"(?<=\p{{M}}{{{MAX_MARKS_ON_ONE_CHARACTER}}})\p{{M}}+")

# Where a joiner or a selector belongs to the writing: emoji, flags, and the scripts whose letters join.
_JOINING = (
    r"[\p{Arabic}\p{Syriac}\p{Mongolian}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}"
    r"\p{Telugu}\p{Kannada}\p{Malayalam}\p{Sinhala}\p{Khmer}\p{Myanmar}\p{Tibetan}]"
)
_BELONGS = regex.compile(
    rf"(?<=[\p{{Extended_Pictographic}}\uFE0F\p{{Emoji_Modifier}}])\u200D(?=\p{{Extended_Pictographic}})"
    rf"|(?<=[\p{{Extended_Pictographic}}\p{{Emoji}}])[\uFE0E\uFE0F]"
    rf"|(?<=\U0001F3F4)[\U000E0061-\U000E007A\U000E0030-\U000E0039]{{2,6}}\U000E007F"
    rf"|(?<={_JOINING})[\u200C\u200D](?={_JOINING})"
    rf"|(?<=\p{{Han}})[\uFE00-\uFE0F\U000E0100-\U000E01EF]"
    rf"|(?<=\p{{Mongolian}})[\u180B-\u180F]"
)

_WEIGHTS = (None, *Weight)
_HEAVINESS = {weight: place for place, weight in enumerate(_WEIGHTS)}


@dataclass(frozen=True, slots=True)
class Span:
    """Raw text `start:end`, in code points, that is evidence for the finding with this number.

    `weight` is the model's; a rule's match has none.
    """

    start: int
    end: int
    number: int
    weight: Weight | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text with one look.

    `numbers` are the findings that it is evidence for, and `ending` those whose evidence ends with it. Where
    characters hide, `text` is a label for them and `name` says in Unicode's words what they are. `weight` is the
    heaviest that the model gave, and `model_alone` says that no rule matches here.
    """

    text: str
    numbers: tuple[int, ...] = ()
    ending: tuple[int, ...] = ()
    name: str = ""
    weight: Weight | None = None
    model_alone: bool = False


@dataclass(frozen=True, slots=True)
class MarkedText:
    """`unlabelled` counts hidden characters past the first `MAX_LABELS` places, which are left out of the pieces."""

    pieces: tuple[Piece, ...]
    unlabelled: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """Of a run of text, what `Piece` says of the evidence in it."""

    numbers: tuple[int, ...] = ()
    weight: Weight | None = None
    model_alone: bool = False


@dataclass(frozen=True, slots=True)
class Stretch:
    """Text `start:end` in which no evidence begins or ends. `ending`: the findings whose evidence ends with it."""

    start: int
    end: int
    look: Look
    ending: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Hidden:
    start: int
    end: int
    label: str
    name: str


def mark_text(text: str, spans: Sequence[Span] = ()) -> MarkedText:
    """`text` in pieces, in order, cut wherever evidence begins or ends or characters hide. O(n log n)."""
    hidden = _merged(_hidden(text))
    assembly = _Assembly(text, hidden)
    for stretch in stretches(text, spans, cuts=_edges(hidden)):
        assembly.add(stretch)
    return assembly.finished()


def stretches(text: str, spans: Sequence[Span], *, cuts: Iterable[int] = ()) -> Iterator[Stretch]:
    """All of `text` in order, cut wherever evidence begins or ends, and at `cuts`. O(n log n) for n spans and cuts."""
    spans = [replace(s, start=max(0, s.start), end=min(s.end, len(text))) for s in spans]
    spans = [span for span in spans if span.start < span.end]
    edges = sorted({0, len(text), *(edge for s in spans for edge in (s.start, s.end)), *cuts})
    for start, end, (look, ending) in zip(edges, edges[1:], _looks(spans, edges), strict=False):
        yield Stretch(start, end, look, ending)


class _Assembly:
    """Pieces in the making; plain runs that only left-out characters keep apart become one."""

    def __init__(self, text: str, hidden: Sequence[_Hidden]) -> None:
        self._text = text
        self._hidden = {one.start: one for one in hidden}
        self._inside: _Hidden | None = None
        self._pieces: list[Piece] = []
        self._plain: list[str] = []
        self._look = Look()
        self._labelled = 0
        self._unlabelled = 0

    def add(self, stretch: Stretch) -> None:
        start, end, look, ending = stretch.start, stretch.end, stretch.look, stretch.ending
        still = self._inside if self._inside and start < self._inside.end else None
        self._inside = self._hidden.get(start, still)
        if look != self._look or (self._inside and self._labelled < MAX_LABELS):
            self._close(())
        self._look = look
        if self._inside is None:
            self._plain.append(self._text[start:end])
        elif self._labelled < MAX_LABELS:
            label = _counted(self._inside.label, end - start)
            self._pieces.append(self._piece(label, ending, self._inside.name))
            self._labelled += 1
        else:
            self._unlabelled += end - start
        if ending:
            self._close(ending)

    def finished(self) -> MarkedText:
        self._close(())
        return MarkedText(tuple(self._pieces), self._unlabelled)

    def _close(self, ending: tuple[int, ...]) -> None:
        if self._plain:
            self._pieces.append(self._piece("".join(self._plain), ending))
            self._plain = []

    def _piece(self, text: str, ending: tuple[int, ...], name: str = "") -> Piece:
        return Piece(text, self._look.numbers, ending, name, self._look.weight, self._look.model_alone)


def _looks(spans: Sequence[Span], edges: Sequence[int]) -> Iterator[tuple[Look, tuple[int, ...]]]:
    """For each stretch between two edges, how it looks and which findings' evidence ends with it."""
    numbered = _covers([(span.start, span.end, span.number) for span in spans], edges)
    weighed = _covers([(span.start, span.end, _HEAVINESS[span.weight]) for span in spans], edges)
    for (numbers, ending), (heaviness, _) in zip(numbered, weighed, strict=True):
        weight = _WEIGHTS[heaviness[-1]] if heaviness else None
        yield Look(numbers, weight, model_alone=bool(heaviness) and heaviness[0] > 0), ending


def _covers(
    spans: Sequence[tuple[int, int, int]], edges: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """For each stretch between two edges, the keys of the spans over it in order, and those that end with it."""
    steps: dict[int, dict[int, int]] = {}
    for first, last, key in spans:
        for edge, step in ((first, 1), (last, -1)):
            at = steps.setdefault(edge, {})
            at[key] = at.get(key, 0) + step
    depth: dict[int, int] = {}
    for start, end in itertools.pairwise(edges):
        _step(depth, steps.get(start, {}))
        keys = tuple(sorted(depth))
        ahead = steps.get(end, {})
        yield keys, tuple(key for key in keys if depth[key] + ahead.get(key, 0) == 0)


def _step(depth: dict[int, int], steps: dict[int, int]) -> None:
    for key, step in steps.items():
        depth[key] = depth.get(key, 0) + step
        if depth[key] == 0:
            del depth[key]


def _hidden(text: str) -> Iterator[_Hidden]:
    """Every place where characters hide, in order and apart."""
    known = {at for match in _BELONGS.finditer(text) for at in range(*match.span())}
    piles = [_Hidden(match.start(), match.end(), "marks", "combining marks piled up") for match in _PILE.finditer(text)]
    known.update(at for pile in piles for at in range(pile.start, pile.end))
    hides = [
        _Hidden(match.start(), match.end(), label_of(match[0]), name_of(match[0]))
        for match in _HIDES.finditer(text)
        if match.start() not in known
    ]
    yield from sorted([*piles, *hides], key=lambda one: one.start)


def _merged(hidden: Iterable[_Hidden]) -> list[_Hidden]:
    """Neighbours of one kind as one, so that a row of them gets one label with a count."""
    merged: list[_Hidden] = []
    for one in hidden:
        last = merged[-1] if merged else None
        if last and last.end == one.start and last.label == one.label:
            merged[-1] = _Hidden(last.start, one.end, last.label, last.name)
        else:
            merged.append(one)
    return merged


def _edges(hidden: Iterable[_Hidden]) -> Iterator[int]:
    for one in hidden:
        yield one.start
        yield one.end


def label_of(character: str) -> str:
    """A short label for a character that cannot be seen: its abbreviation, or its code point."""
    code = ord(character)
    return "TAG" if code in _TAGS else _LABELS.get(code, f"U+{code:04X}")


def name_of(character: str) -> str:
    """A character in Unicode's words: `U+200B ZERO WIDTH SPACE`."""
    code = f"U+{ord(character):04X}"
    return f"{code} {unicodedata.name(character, 'a character without a name')}"


def _counted(label: str, count: int) -> str:
    return label if count == 1 else f"{label} ×{count}"
