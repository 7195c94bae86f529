"""A seller's text as it is stored, character by character: where lines end, what cannot be seen, what is not ASCII, and
what is evidence.

Like `marked_text` it yields plain pieces; turning them into HTML is the templates' business.
"""

import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import regex

from fairstall.labeling.marked_text import Span, Stretch, label_of, name_of, stretches
from fairstall.model.model_evidence import Weight

MAX_PIECES = 4_000  # a text with more of them shows the rest of itself without labels
MAX_CHARACTERS_LISTED = 100

# Letters of other scripts with the marks that belong to them; marks that go on any letter stand alone.
_SEEN = r"[[\p{L}\p{N}\p{P}\p{S}\p{M}]--[\x00-\x7F\p{Script=Inherited}\u115F\u1160\u2800\u3164\uFFA0]]"
_RUN = regex.compile(
    r"(?P<line>\r\n|[\n\r\v\f\x85\u2028\u2029])"
    r"|(?P<plain>(?:[\x21-\x7E]|(?<=\S) (?=\S))+)"
    rf"|(?P<beyond>{_SEEN}(?:{_SEEN}| (?={_SEEN}))*)"
    r"|(?P<hides>.)",
    regex.VERSION1 | regex.DOTALL,
)
_SEEN_ALONE = regex.compile(rf"[{_SEEN}--\p{{M}}]", regex.VERSION1)
_SPACES = {" ": "SPACE", "\t": "TAB", "\n": "LF", "\r": "CR", "\r\n": "CR LF"}


@dataclass(frozen=True, slots=True)
class RawPiece:
    """A run of text. `name` says in Unicode's words what it is, where that is worth a word; `label` stands for what
    cannot be seen, and is empty for what can. The others are as in `marked_text.Piece`."""

    text: str
    label: str = ""
    name: str = ""
    numbers: tuple[int, ...] = ()
    ending: tuple[int, ...] = ()
    weight: Weight | None = None
    model_alone: bool = False


@dataclass(frozen=True, slots=True)
class RawLine:
    """`ending` is the label of the characters that end the line; the last line has none."""

    pieces: tuple[RawPiece, ...]
    ending: str = ""


@dataclass(frozen=True, slots=True)
class RawCharacter:
    """A character beyond printable ASCII that the text contains, with its code point and name.

    `seen` is the character itself where it can be looked at, and its label otherwise.
    """

    seen: str
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class RawText:
    """`characters` lists each one beyond printable ASCII, the most frequent first; `unlisted` counts what is left."""

    lines: tuple[RawLine, ...]
    characters: tuple[RawCharacter, ...]
    unlisted: int


def raw_text(text: str, spans: Sequence[Span] = ()) -> RawText:
    """`text` in lines of pieces, with the evidence in `spans`. O(n log n)."""
    lines: list[RawLine] = []
    pieces: list[RawPiece] = []
    for number, (kind, start, end, stretch) in enumerate(_runs(text, spans)):
        if number == MAX_PIECES:
            pieces.append(RawPiece(_visible(text[start:])))
            break
        if kind == "line":
            lines.append(RawLine(tuple(pieces), _label(text[start:end])))
            pieces = []
        else:
            pieces.append(_marked(_piece(text[start:end], kind), stretch, ends=end == stretch.end))
    lines.append(RawLine(tuple(pieces)))
    characters = _characters(text)
    return RawText(tuple(lines), characters[:MAX_CHARACTERS_LISTED], len(characters[MAX_CHARACTERS_LISTED:]))


def _runs(text: str, spans: Sequence[Span]) -> Iterator[tuple[str | None, int, int, Stretch]]:
    """What is in each run of characters, where it begins and ends, and the stretch of evidence or of none it is in."""
    marked = list(stretches(text, spans))
    begins = [stretch.start for stretch in marked]
    for run in _RUN.finditer(text):
        start, at = run.start(), bisect_right(begins, run.start()) - 1
        for stretch in marked[at : bisect_left(begins, run.end())]:
            end = min(run.end(), stretch.end)
            yield run.lastgroup, start, end, stretch
            start = end


def _marked(piece: RawPiece, stretch: Stretch, *, ends: bool) -> RawPiece:
    look = stretch.look
    if not look.numbers:
        return piece
    ending = stretch.ending if ends else ()
    return replace(piece, numbers=look.numbers, ending=ending, weight=look.weight, model_alone=look.model_alone)


def _piece(run: str, kind: str | None) -> RawPiece:
    if kind == "hides":
        return RawPiece(run, _label(run), name_of(run))
    if kind == "beyond":
        name = name_of(run[0])
        return RawPiece(run, name=name if len(run) == 1 else f"{len(run)} characters from {name}")
    return RawPiece(run)


def _label(run: str) -> str:
    """What stands for characters that cannot be seen, or that would sit on the one before."""
    return _SPACES.get(run) or label_of(run)


def _visible(text: str) -> str:
    """The text with a code point for each character that would hide or move others."""
    return "".join(
        one if one.isprintable() and not unicodedata.combining(one) else f"[U+{ord(one):04X}]" for one in text
    )


def _characters(text: str) -> tuple[RawCharacter, ...]:
    counted = Counter(one for one in text if not (" " <= one <= "~" or one in _SPACES))
    return tuple(
        RawCharacter(one if _SEEN_ALONE.fullmatch(one) else _label(one), name_of(one), count)
        for one, count in counted.most_common()
    )
