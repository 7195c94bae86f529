"""Words that a disguise may hide: what a token of digits and letters is checked against. It changes no text.

`lexicon.txt` has the whole words of BERT's English vocabulary (Apache-2.0) and the words of the starter policies.
"""

import math
from collections.abc import Iterator
from functools import cache
from importlib import resources
from itertools import islice, product

SHORTEST_WORD = 4  # shorter ones come about by chance: 3in, 5et
MOST_READINGS = 64
LONGEST_WORD = 20
READINGS = {"0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s", "!": "il"}
_LIKELIEST = str.maketrans({sign: letters[0] for sign, letters in READINGS.items()})


@cache
def lexicon() -> frozenset[str]:
    """22,000 words in small letters, two letters or more."""
    file = resources.files("fairstall.model.canonical") / "lexicon.txt"
    return frozenset(file.read_text(encoding="utf-8").split())


def is_word(letters: str) -> bool:
    return letters.lower() in lexicon()


def hidden_word(token: str) -> str | None:
    """The word that `token` spells with digits and signs for letters, in small letters; None when it spells none."""
    if not SHORTEST_WORD <= len(token) <= LONGEST_WORD:
        return None
    words = lexicon()
    return next((reading for reading in _readings(token.lower()) if reading in words), None)


def _readings(token: str) -> Iterator[str]:
    choices = [READINGS.get(character, character) for character in token]
    return ("".join(letters) for letters in islice(product(*choices), MOST_READINGS))


def word_lengths(letters: str) -> list[int] | None:
    """The lengths of the fewest words that `letters` are made of, digits and signs read as letters; None when of none.

    A word of two letters counts as two. Time is linear in the number of letters.
    """
    small, words = letters.lower().translate(_LIKELIEST), lexicon()
    cost: list[float] = [0.0]
    last = [0]  # the length of the last word of the best way to each place
    for end in range(1, len(small) + 1):
        ways = (
            (cost[end - length] + (2 if length == 2 else 1), length)
            for length in range(2, min(LONGEST_WORD, end) + 1)
            if cost[end - length] < math.inf and small[end - length : end] in words
        )
        best, length = min(ways, default=(math.inf, 0))
        cost.append(best)
        last.append(length)
    if math.isinf(cost[-1]):
        return None
    lengths, end = [], len(small)
    while end:
        lengths.append(last[end])
        end -= last[end]
    return lengths[::-1]
