"""What sellers do to words so that filters do not see them, as functions from text to text.

The attack suite measures with these and training learns from them. Undoing them is the canonical view's business.
"""

import random
import re
import string
from collections.abc import Callable, Mapping
from types import MappingProxyType

Attack = Callable[[str, random.Random], str]

SHORTEST_WORD = 4  # letters; shorter ones give nothing away
_WORD = re.compile(rf"[A-Za-z]{{{SHORTEST_WORD},}}")

# Letters of other scripts that look the same in most fonts (Unicode TR39, the ones sellers use).
_HOMOGLYPHS = {
    "a": "аɑ", "c": "сϲ", "e": "еҽ", "i": "іɩ", "j": "ј", "k": "κк", "o": "оο", "p": "рρ", "s": "ѕ", "u": "υս",
    "v": "ν", "x": "хχ", "y": "уү", "h": "һ", "n": "ո", "d": "ԁ", "g": "ɡ", "l": "ӏ", "w": "ԝ",
    "b": "Ь", "m": "м", "t": "т", "r": "г",
    "A": "АΑ", "B": "ВΒ", "C": "СϹ", "E": "ЕΕ", "H": "НΗ", "I": "ІΙ", "J": "Ј", "K": "КΚ", "M": "МΜ", "N": "Ν",
    "O": "ОΟ", "P": "РΡ", "S": "Ѕ", "T": "ТΤ", "X": "ХΧ", "Y": "УΥ", "Z": "Ζ",
}  # fmt: skip
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_MARKS = "".join(chr(code) for code in (*range(0x0300, 0x0315), *range(0x0323, 0x0334)))
_LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7", "b": "8", "l": "1"}
_NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk",
    "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "w", "r": "et", "s": "ad", "t": "ry",
    "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "x",
}  # fmt: skip
_FULL_WIDTH = str.maketrans({letter: chr(ord(letter) + 0xFEE0) for letter in string.ascii_letters})


def homoglyphs(text: str, draw: random.Random) -> str:
    """Every third letter or so as one of another script that looks the same, one a word at least."""
    return _each_word(text, lambda word: _swap(word, _HOMOGLYPHS, draw, share=1 / 3))


def zero_width(text: str, draw: random.Random) -> str:
    """Characters that nobody sees between about half of the letters."""

    def hide(word: str) -> str:
        places = {draw.randrange(1, len(word))} | {at for at in range(1, len(word)) if draw.random() < 0.5}
        return "".join((draw.choice(_INVISIBLE) if at in places else "") + letter for at, letter in enumerate(word))

    return _each_word(text, hide)


def full_width(text: str, draw: random.Random) -> str:  # noqa: ARG001
    """Letters in the width of Chinese ones."""
    return _each_word(text, lambda word: word.translate(_FULL_WIDTH))


def diacritics(text: str, draw: random.Random) -> str:
    """One to three marks on every letter."""

    def heap(letter: str) -> str:
        return letter + "".join(draw.choice(_MARKS) for _ in range(draw.randint(1, 3)))

    return _each_word(text, lambda word: "".join(map(heap, word)))


def leetspeak(text: str, draw: random.Random) -> str:
    """Digits and signs for about half of the letters that have one, one a word at least where that can be."""
    return _each_word(text, lambda word: _swap(word, _LEET, draw, share=1 / 2))


def spacing(text: str, draw: random.Random) -> str:
    """Letters set apart by one sign, the same in a word: `c o d e`, `c.o.d.e`, `c-o-d-e`, `c_o_d_e`."""
    return _each_word(text, lambda word: draw.choice(" .-_*").join(word))


def stretching(text: str, draw: random.Random) -> str:
    """One letter of a word behind its first, three to five times."""

    def stretch(word: str) -> str:
        at = draw.randrange(1, len(word))
        return word[:at] + word[at] * draw.randint(3, 5) + word[at + 1 :]

    return _each_word(text, stretch)


def misspelling(text: str, draw: random.Random) -> str:
    """One slip in about every second word: two letters swapped, one left out, doubled, or its neighbour's key."""
    return _each_word(text, lambda word: _slip(word, draw) if draw.random() < 0.5 else word)


ATTACKS: Mapping[str, Attack] = MappingProxyType(
    {
        "homoglyph": homoglyphs,
        "zero_width": zero_width,
        "full_width": full_width,
        "diacritics": diacritics,
        "leet": leetspeak,
        "spacing": spacing,
        "stretching": stretching,
        "misspelling": misspelling,
    }
)


def _each_word(text: str, change: Callable[[str], str]) -> str:
    return _WORD.sub(lambda match: change(match[0]), text)


def _swap(word: str, table: Mapping[str, str], draw: random.Random, *, share: float) -> str:
    """Some letters as what the table has for them, or for their small form, one at least where there is any."""
    places = [at for at, letter in enumerate(word) if letter in table or letter.lower() in table]
    if not places:
        return word
    chosen = {draw.choice(places)} | {at for at in places if draw.random() < share}
    return "".join(
        draw.choice(table.get(letter) or table[letter.lower()]) if at in chosen else letter
        for at, letter in enumerate(word)
    )


def _slip(word: str, draw: random.Random) -> str:
    at = draw.randrange(1, len(word) - 1)
    kind = draw.choice(("swap", "drop", "double", "neighbour"))
    if kind == "swap":
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == "drop":
        return word[:at] + word[at + 1 :]
    if kind == "double":
        return word[:at] + word[at] + word[at:]
    near = draw.choice(_NEIGHBOURS[word[at].lower()])
    return word[:at] + (near.upper() if word[at].isupper() else near) + word[at + 1 :]
