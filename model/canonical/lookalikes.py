"""The pass over words that mix scripts to pass for Latin ones (Unicode TR39). Other scripts' own words stay."""

from dataclasses import dataclass
from itertools import groupby

import regex

from fairstall.model.canonical.draft import Draft
from fairstall.model.canonical.offsets import Edit
from fairstall.model.canonical.tables import Lookalikes, lookalikes

SHORTEST_SPELLED_WORD = 4
SHORTEST_WHOLE_WORD = 3  # letters; a lone `α` is a Greek letter

_WORD = regex.compile(r"[\p{L}\p{M}\p{Nd}]+")
_LATIN = regex.compile(r"\p{Latin}")
_GREEK, _CYRILLIC = regex.compile(r"\p{Greek}"), regex.compile(r"\p{Cyrillic}")
_LETTER = regex.compile(r"\p{L}")


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    text: str
    latin: int  # letters
    foreign: int  # letters
    plain: bool  # whether a foreign letter is nobody's lookalike

    def disguised_whole(self, table: Lookalikes) -> bool:
        if self.latin or self.foreign < SHORTEST_WHOLE_WORD:
            return False
        return all(one in table.strict or not one.isalpha() for one in self.text)


def fold_lookalikes(draft: Draft) -> None:
    """Greek, Cyrillic and other letters that pass for Latin ones, as those, in two kinds of words only.

    In a word that mixes Latin with nothing but lookalikes, where Latin prevails in the word or the text, or that mixes
    Greek and Cyrillic ones, as no language does; and in words made of nothing but lookalikes with Latin words on both
    sides (or on one, at either end of the text).
    """
    text = draft.text
    table = lookalikes()
    if table.near.keys().isdisjoint(text) or not _LATIN.search(text):
        return
    words = [_measured(match.start(), match[0], table) for match in _WORD.finditer(text)]
    words = [word for word in words if word.latin or word.foreign]
    latin_text = sum(word.latin for word in words) >= sum(word.foreign for word in words if word.plain)
    edits = [
        edit
        for word, surrounded, spelled in zip(words, _surrounded(words, table), _spelled(words, table), strict=True)
        if surrounded or spelled or _mixed(word, latin_text=latin_text)
        for edit in _folds(word, table)
    ]
    draft.tricks["confusable"] += len(edits)
    draft.swap_slices(edits)


def _measured(start: int, word: str, table: Lookalikes) -> _Word:
    if word.isascii():
        return _Word(start, word, 0 if word.isdecimal() else len(word), 0, plain=False)
    latin = len(_LATIN.findall(word))
    foreign = len(_LETTER.findall(word)) - latin
    plain = foreign > 0 and foreign > sum(one in table.near for one in word)
    return _Word(start, word, latin, foreign, plain)


def _mixed(word: _Word, *, latin_text: bool) -> bool:
    if not word.foreign or word.plain or _is_symbol_suffix(word.text):
        return False
    if word.latin:
        return latin_text or word.latin > word.foreign
    return _GREEK.search(word.text) is not None and _CYRILLIC.search(word.text) is not None


def _is_symbol_suffix(word: str) -> bool:
    """Science writes one Greek letter at the end of capitals: TNFα, PPARγ."""
    return "α" <= word[-1] <= "ω" and word[:-1].isascii() and word[:-1].isupper()


def _surrounded(words: list[_Word], table: Lookalikes) -> list[bool]:
    """For each word whether it is part of a run of lookalike words between Latin ones."""
    whole = [word.disguised_whole(table) for word in words]
    found = [False] * len(words)
    start = 0
    while start < len(words):
        end = start
        while end < len(words) and whole[end]:
            end += 1
        if end > start:
            sides = [words[at] for at in (start - 1, end) if 0 <= at < len(words)]
            found[start:end] = [bool(sides) and all(side.latin > 0 for side in sides)] * (end - start)
        start = end + 1
    return found


def _spelled(words: list[_Word], table: Lookalikes) -> list[bool]:
    """For each word whether it is one of many single letters in a row, lookalikes and Latin ones: `с o с a`."""
    found = [False] * len(words)
    start = 0
    for single, run in groupby(words, key=lambda word: len(word.text) == 1):
        letters = list(run)
        latin = sum(word.latin for word in letters)
        alike = all(word.latin or word.text in table.strict for word in letters)
        if single and len(letters) >= SHORTEST_SPELLED_WORD and 0 < latin < len(letters) and alike:
            found[start : start + len(letters)] = [True] * len(letters)
        start += len(letters)
    return found


def _folds(word: _Word, table: Lookalikes) -> list[Edit]:
    return [
        (word.start + at, word.start + at + 1, table.near[one]) for at, one in enumerate(word.text) if one in table.near
    ]
