"""Rows as a hostile or a careless seller would have written them, so that a disguise tells nothing about the goods.

Violations and compliant rows are changed alike. The attacks are those of the suite in `fairstall.evals.attacks`.
"""

import random
import re
from dataclasses import replace

from fairstall.evals.attacks import ATTACKS
from fairstall.training.rows import Row

# What the canonical view undoes for certain is learned seldom; what it may leave is learned often.
HOW_OFTEN = {
    "misspelling": 4.0,
    "leet": 3.0,
    "spacing": 2.0,
    "stretching": 1.0,
    "homoglyph": 0.3,
    "zero_width": 0.3,
    "full_width": 0.2,
    "diacritics": 0.2,
}
SHARES_OF_WORDS = (0.3, 0.6, 1.0)
_GAPS = re.compile(r"(\s+)")


def disguised_row(row: Row, draw: random.Random) -> Row:
    """The row under one attack, drawn as `HOW_OFTEN` says, on a part of its words."""
    attack = ATTACKS[draw.choices(list(HOW_OFTEN), list(HOW_OFTEN.values()))[0]]
    share = draw.choice(SHARES_OF_WORDS)

    def disguise(text: str) -> str:
        return "".join(attack(piece, draw) if draw.random() < share else piece for piece in _GAPS.split(text))

    return replace(row, title=disguise(row.title), description=disguise(row.description))
