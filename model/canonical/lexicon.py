"""Words that a disguise may hide: what a token of digits and letters is checked against. It changes no text.

`lexicon.txt` has the whole words of BERT's English vocabulary (Apache-2.0) and the words of the starter policies.
"""

from collections.abc import Iterator
from functools import cache
from importlib import resources
from itertools import product

SHORTEST_WORD = 4  # shorter ones come about by chance: 3in, 5et
MOST_READINGS = 64
LONGEST_SPELLED = 40  # letters; longer runs are looked at in pieces by nobody
READINGS = {"0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s", "!": "il"}


@cache
def lexicon() -> frozenset[str]:
    """22,000 words in small letters, two letters or more."""
    file = resources.files("fairstall.model.canonical") / "lexicon.txt"
    return frozenset(file.read_text(encoding="utf-8").split())


def hidden_word(token: str) -> str | None:
    """The word that `token` spells with digits and signs for letters, in small letters; None when it spells none."""
    if len(token) < SHORTEST_WORD:
        return None
    words = lexicon()
    return next((reading for reading in _readings(token.lower()) if reading in words), None)


def _readings(token: str) -> Iterator[str]:
    choices = [READINGS.get(character, character) for character in token]
    for number, letters in enumerate(product(*choices)):
        if number == MOST_READINGS:
            return
        yield "".join(letters)


def word_lengths(letters: str) -> list[int] | None:
    """The lengths of the fewest words that `letters` are made of, the longest first of equals; None when they are not.

    A word of two letters counts as two, so that it is taken only where nothing longer fits.
    """
    small, words = letters.lower(), lexicon()
    if len(small) > LONGEST_SPELLED:
        return None
    best: list[tuple[int, list[int]] | None] = [(0, [])]
    for end in range(1, len(small) + 1):
        found = None
        for start in range(max(0, end - 20), end - 1):
            before = best[start]
            if before is None or small[start:end] not in words:
                continue
            cost = before[0] + (2 if end - start == 2 else 1)
            if found is None or cost < found[0]:
                found = (cost, [*before[1], end - start])
        best.append(found)
    return best[-1][1] if best[-1] else None
