"""Passes over words: spaced-out letters, leetspeak, stretched letters, white space. Latin letters only, case kept."""

import re
from itertools import accumulate, product

from fairstall.model.canonical.draft import Draft
from fairstall.model.canonical.lexicon import lexicon, word_lengths
from fairstall.model.canonical.offsets import Edit

SHORTEST_SPACED_WORD = 4
SHORTEST_SLASHED_WORD = 5  # 802.11 a/b/g/n
SHORTEST_STRETCHED_WORD = 5
SHORTEST_ALPHABETIC_WORD = 7  # A B C D
MOST_RUNS = 3
LONG_RUN = 14  # letters; hardly any word is longer
LONG_WORD = 8  # German compounds have three alike at their joints: Schifffahrt, Teeernte

# A letter behind a space that another sign joins to the next one begins a word of its own: `c o d e f_r_o_m`.
_SPACED = re.compile(
    r"(?<![^\W_])[A-Za-z]( |\n|\t| ?[-._*~·•|/\\] ?)(?:[A-Za-z0134578@$]\1){2,}[A-Za-z0134578@$](?![^\W_])"
    r"(?!(?<= .)[-._*~·•|/\\][A-Za-z])"
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
        gaps = _gaps(word) if separator == " " else set()
        for place in range(1, len(word)):
            if place not in gaps:
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


def _gaps(word: str) -> set[int]:
    """Where one word ends and the next begins in letters that single spaces set apart: by case, or by the lexicon."""
    cased = {place for place in range(1, len(word)) if word[place].isupper() and word[place - 1].islower()}
    lengths = None if cased else word_lengths(word)
    if lengths is None or (min(lengths) < SHORTEST_SPACED_WORD and len(word) < LONG_RUN):
        return cased  # a word that the lexicon lacks often falls into short ones: mod alert, bit coins
    return set(accumulate(lengths[:-1]))


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
    runs = list(_STRETCH.finditer(word))
    kept = _kept_in_a_word(word, runs) or [_kept_by_spelling(word, run) for run in runs]
    edits = [(run.start() + keep, run.end(), "") for run, keep in zip(runs, kept, strict=True)]
    return [edit for edit in edits if edit[0] < edit[1]]


def _kept_in_a_word(word: str, runs: list[re.Match[str]]) -> tuple[int, ...] | None:
    """How many of each run stay so that a word of the lexicon remains; None when nothing makes one."""
    if len(runs) > MOST_RUNS:
        return None
    usual = [min(_kept_by_spelling(word, run), 2) for run in runs]
    for kept in product(*((keep, 3 - keep) for keep in usual)):
        letters = list(word.lower())
        for run, keep in zip(reversed(runs), reversed(kept), strict=True):
            del letters[run.start() + keep : run.end()]
        if "".join(letters) in lexicon():
            return kept
    return None


def _kept_by_spelling(word: str, run: re.Match[str]) -> int:
    letter = run[1].lower()
    inside = run.start() > 0 and run.end() < len(word)
    if len(run[0]) == 3 and letter in _JOINING and inside and len(word) >= LONG_WORD:
        return 3
    return 2 if letter in "eo" or (letter in "lsfz" and word[run.start() - 1 : run.start()].lower() in _VOWELS) else 1


def even_out_space(draft: Draft) -> None:
    """Every run of white space as one space."""
    draft.edit([(match.start(), match.end(), " ") for match in _UNEVEN_SPACE.finditer(draft.text)])
