"""Whole words and phrases found in one pass over a text (Aho-Corasick). What a hit means is `rules`' business."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import ahocorasick
import regex

T = TypeVar("T")

_DASHES = "-‐‑‒–—―−﹘﹣－_"
_APOSTROPHES = "’‘ʼ＇´`"
_SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
_LEVEL = str.maketrans({**dict.fromkeys(_DASHES + _SPACES + "\u2028\u2029\u202f\u205f\u3000", " ")})
_LEVEL.update(str.maketrans(dict.fromkeys(_APOSTROPHES, "'")))

# Scripts that are written without spaces between words: there, a term may stand inside a run of letters.
_SPACELESS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Line_Break=SA}]")


@dataclass(frozen=True, slots=True)
class Folded:
    """A text as terms see it: caseless, dashes and runs of white space as one space.

    `origins[i]` is the index in the source of the character that `text[i]` came from; None when they are the same.
    """

    text: str
    origins: Sequence[int] | None

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """The span of the source text, in code points, that `text[start:end]` came from."""
        if self.origins is None:
            return start, end
        return self.origins[start], self.origins[end - 1] + 1


def fold(text: str) -> Folded:
    """`text` folded for comparison: Unicode default case folding, levelled dashes, apostrophes and white space."""
    level = text.translate(_LEVEL)
    folded = level.casefold()
    # Case folding never shortens, so an equal length means that every character stayed in its place.
    if len(folded) == len(level) and "  " not in folded:
        return Folded(folded, None)
    characters: list[str] = []
    origins: list[int] = []
    for index, character in enumerate(level):
        if character == " " and characters and characters[-1] == " ":
            continue
        for piece in character.casefold():
            characters.append(piece)
            origins.append(index)
    return Folded("".join(characters), origins)


def fold_term(text: str) -> str:
    """A term as it is compared; two terms that fold alike are the same term."""
    return fold(text).text.strip()


@dataclass(frozen=True, slots=True)
class TermHit(Generic[T]):
    """A term found whole at `start:end` of the searched text, in code points."""

    start: int
    end: int
    payload: T


class TermIndex(Generic[T]):
    """Terms with payloads, searched together. Immutable after construction."""

    def __init__(self, terms: Sequence[tuple[str, T]]) -> None:
        payloads: dict[str, list[T]] = {}
        for text, payload in terms:
            payloads.setdefault(fold_term(text), []).append(payload)
        self._automaton = ahocorasick.Automaton()
        for folded, found in payloads.items():
            self._automaton.add_word(folded, (len(folded), tuple(found)))
        self._automaton.make_automaton()
        self._empty = not payloads

    def hits(self, text: str) -> Iterator[TermHit[T]]:
        """Every whole occurrence of every term, by its end. Linear in the text and the number of occurrences."""
        if self._empty:
            return
        folded = fold(text)
        for last, (length, payloads) in self._automaton.iter(folded.text):
            start, end = last + 1 - length, last + 1
            if _whole(folded.text, start, end):
                span = folded.source_span(start, end)
                for payload in payloads:
                    yield TermHit(*span, payload)


def _whole(text: str, start: int, end: int) -> bool:
    before = start > 0 and _joined(text[start - 1], text[start])
    return not before and not (end < len(text) and _joined(text[end - 1], text[end]))


def _joined(left: str, right: str) -> bool:
    """Whether no word boundary lies between two neighbours (after Unicode UAX #29, simplified)."""
    if not _in_word(left):
        return False
    if unicodedata.category(right).startswith("M"):
        return True
    return right.isalnum() and not (_SPACELESS.match(left) or _SPACELESS.match(right))


def _in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")
