"""Passes over words: spaced-out letters, leetspeak, stretched letters, white space. Latin letters only, case kept."""

import re

from fairstall.model.canonical.draft import Draft
from fairstall.model.canonical.offsets import Edit

SHORTEST_SPACED_WORD = 4
SHORTEST_SLASHED_WORD = 5  # 802.11 a/b/g/n
SHORTEST_STRETCHED_WORD = 5
SHORTEST_ALPHABETIC_WORD = 7  # A B C D
LONG_WORD = 8  # German compounds have three alike at their joints: Schifffahrt, Teeernte

_SPACED = re.compile(
    r"(?<![^\W_])[A-Za-z]( |\n|\t| ?[-._*~·•|/\\] ?)(?:[A-Za-z0134578@$]\1){2,}[A-Za-z0134578@$](?![^\W_])"
)
_WORD_CHARACTER = re.compile(r"[^\W_]")
_LISTED = re.compile(r"(?:[SMLX]+|[A-G]+|WASD|QWER\w*|(?:.X)+.?)\Z", re.IGNORECASE)  # sizes, notes, keys, L x W x H
_THREE_ALIKE = re.compile(r"([A-Za-z])\1\1", re.IGNORECASE)
_LETTERS_ONLY = re.compile(r"(?<![\w.@/])[A-Za-z]+(?![\w@/])")
_STRETCH = re.compile(r"([a-z])\1{2,}", re.IGNORECASE)
_ROMAN = re.compile(r"[ivxlcdm]+\Z|.*III\Z", re.IGNORECASE)
_VOWELS = frozenset("aeiouy")
_JOINING = frozenset("eflmnoprst")
_UNEVEN_SPACE = re.compile(r"\s{2,}|[^\S ]")


def join_spaced_words(draft: Draft) -> None:
    """`c o c a i n e`, `w.e.e.d` and `v-i-a-g-r-a` as words; lists of sizes, notes, letters or measures stay."""
    edits: list[Edit] = []
    for match in _SPACED.finditer(draft.text):
        separator = match[1]
        step = len(separator) + 1
        word = match[0][::step]
        if not _is_spelled_word(word, separator) or _runs_on(draft.text, match):
            continue
        draft.tricks["spaced"] += not (separator == "." and match[0].isupper())  # an acronym reads the same either way
        for place in range(1, len(word)):
            if separator != " " or not _begins_word(word, place):
                at = match.start() + place * step
                edits.append((at - len(separator), at, ""))
    draft.edit(edits)


def _is_spelled_word(word: str, separator: str) -> bool:
    letters = [one for one in word if one.isalpha()]
    shortest = SHORTEST_SLASHED_WORD if "/" in separator else SHORTEST_SPACED_WORD
    if len(letters) < shortest or len({one.lower() for one in letters}) < 3 or _LISTED.match(word):
        return False
    if len(letters) < len(word) and len(word) > len(letters) * 1.5:
        return False
    return len(word) >= SHORTEST_ALPHABETIC_WORD or not _is_alphabetic(word)


def _is_alphabetic(word: str) -> bool:
    """Whether three letters follow one another as in the alphabet, as lists of options do."""
    codes = [ord(letter) for letter in word.lower()]
    return any(
        second == first + 1 and third == first + 2
        for first, second, third in zip(codes, codes[1:], codes[2:], strict=False)
    )


def _begins_word(word: str, place: int) -> bool:
    return word[place].isupper() and word[place - 1].islower()


def _runs_on(text: str, match: re.Match[str]) -> bool:
    """Whether the same separator goes on to a longer neighbour, as in `S-M-L-XL`; spaces do that anyway."""
    mark = match[1].strip()
    if not mark:
        return False
    start, end = match.span()
    before = text[start - 1 : start] == mark and _WORD_CHARACTER.match(text[start - 2 : start - 1] or " ")
    after = text[end : end + 1] == mark and _WORD_CHARACTER.match(text[end + 1 : end + 2] or " ")
    return bool(before or after)


def shorten_stretched_words(draft: Draft) -> None:
    """Letters three or more times in a row, twice or once as English spells; Roman numerals and sizes stay."""
    if not _THREE_ALIKE.search(draft.text):
        return
    edits: list[Edit] = []
    for match in _LETTERS_ONLY.finditer(draft.text):
        word = match[0]
        if len(word) < SHORTEST_STRETCHED_WORD or not _THREE_ALIKE.search(word):
            continue
        if not _is_stretchable(word):
            continue
        found = [(match.start() + start, match.start() + end, new) for start, end, new in _shortened(word)]
        draft.tricks["stretched"] += bool(found)
        edits += found
    draft.edit(edits)


def _is_stretchable(word: str) -> bool:
    small = word.lower()
    if len(set(small)) < 3 or _ROMAN.match(word) or small.startswith(("www", "xxx")):
        return False
    return word[1:].islower() or (word.isupper() and len(word) > SHORTEST_STRETCHED_WORD)


def _shortened(word: str) -> list[Edit]:
    found: list[Edit] = []
    for run in _STRETCH.finditer(word):
        letter = run[1].lower()
        inside = run.start() > 0 and run.end() < len(word)
        if len(run[0]) == 3 and letter in _JOINING and inside and len(word) >= LONG_WORD:
            continue
        keep = (
            2 if letter in "eo" or (letter in "lsfz" and word[run.start() - 1 : run.start()].lower() in _VOWELS) else 1
        )
        found.append((run.start() + keep, run.end(), ""))
    return found


def even_out_space(draft: Draft) -> None:
    """Every run of white space as one space."""
    draft.edit([(match.start(), match.end(), " ") for match in _UNEVEN_SPACE.finditer(draft.text)])
