"""Samples of rows for the suites that cannot afford them all. The same rows give the same sample in any order."""

import hashlib
from collections import Counter
from collections.abc import Sequence

from fairstall.evals.rows import EvalRow


def covered(rows: Sequence[EvalRow], languages: Sequence[str]) -> list[EvalRow]:
    """Rows in one of `languages`, or in none that is named; one a group, in an order that says nothing about them."""
    kept: dict[str, EvalRow] = {}
    for row in sorted(rows, key=lambda row: row.id):
        if row.language is None or row.language in languages:
            kept.setdefault(row.group or row.id, row)
    return sorted(kept.values(), key=lambda row: hashlib.sha256(row.id.encode()).digest())


def both_sides(rows: Sequence[EvalRow], count: int) -> list[EvalRow]:
    """The first `count` violations and the first `count` compliant rows."""
    broken = [row for row in rows if row.policies][:count]
    return [*broken, *[row for row in rows if not row.policies][:count]]


def few_a_policy(rows: Sequence[EvalRow], count: int, *, words: int) -> list[EvalRow]:
    """The first `count` violations of each set of policies, and compliant rows with `words` words together."""
    taken: Counter[frozenset[str]] = Counter()
    broken = []
    for row in rows:
        if row.policies and taken[row.policies] < count:
            taken[row.policies] += 1
            broken.append(row)
    fine, seen = [], 0
    for row in (one for one in rows if not one.policies):
        if seen >= words:
            break
        fine.append(row)
        seen += len(f"{row.title} {row.description}".split())
    return [*broken, *fine]
