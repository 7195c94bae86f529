"""Near-duplicates and reposts put into groups, so that no group is on two sides of a split."""

import re
from collections.abc import Sequence

from fairstall.training.rows import Row

SHINGLE_CHARACTERS = 5
PERMUTATIONS = 64
SIMILARITY = 0.7  # estimated Jaccard similarity of shingles from which two listings count as one
_NUMBER = re.compile(r"\d+")
_GAP = re.compile(r"[\W_]+")


def near_duplicate_groups(rows: Sequence[Row]) -> list[str]:
    """One group name a row: connected components of near-duplicates, named by their smallest row id.

    MinHash with locality-sensitive hashing (Broder 1997; Leskovec et al., Mining of Massive Datasets, chapter 3) over
    character shingles of title and description; numbers are all the same, since reposts change quantity and price.
    """
    from datasketch import MinHash, MinHashLSH

    distinct: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        distinct.setdefault(normal_text(row), []).append(index)
    texts = list(distinct)
    index = MinHashLSH(threshold=SIMILARITY, num_perm=PERMUTATIONS)
    parents = list(range(len(texts)))
    for number, sketch in enumerate(MinHash.generator((_shingles(text) for text in texts), num_perm=PERMUTATIONS)):
        for other in index.query(sketch):
            _join(parents, number, other)
        index.insert(number, sketch, check_duplication=False)
    members: dict[int, list[int]] = {}
    for number, text in enumerate(texts):
        members.setdefault(_root(parents, number), []).extend(distinct[text])
    groups = [""] * len(rows)
    for indices in members.values():
        name = min(rows[i].id for i in indices)
        for i in indices:
            groups[i] = name
    return groups


def normal_text(row: Row) -> str:
    """What two reposts have in common: lower case, numbers as one, nothing but words."""
    text = _NUMBER.sub("0", f"{row.title} {row.description}".casefold())
    return _GAP.sub(" ", text).strip()


def _shingles(text: str) -> list[bytes]:
    last = max(1, len(text) - SHINGLE_CHARACTERS + 1)
    return [piece.encode() for piece in {text[start : start + SHINGLE_CHARACTERS] for start in range(last)}]


def _root(parents: list[int], number: int) -> int:
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number


def _join(parents: list[int], one: int, other: int) -> None:
    parents[_root(parents, one)] = _root(parents, other)
