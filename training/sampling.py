"""Which rows one pass of training sees, how often, and with which of their fields. It tokenises nothing."""

import hashlib
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fairstall.training.augment import disguised_row
from fairstall.training.config import SamplingConfig
from fairstall.training.rows import POLICY_WORD, Row


@dataclass(frozen=True, slots=True)
class Cell:
    """A source together with the policies that its rows violate; no policies means its compliant rows."""

    source: str
    policies: tuple[int, ...]


def training_pass(rows: Sequence[Row], sampling: SamplingConfig, *, seed: int) -> list[Row]:
    """The rows of one pass, balanced by cell, fields dropped and words disguised on both sides, in random order.

    A small cell is seen several times and a large one in part, so that no source drowns the others. Fields are dropped
    from compliant and violating rows alike: a source without titles must not teach that a missing title is a violation.
    """
    draw = random.Random(seed)
    cells: dict[Cell, list[Row]] = defaultdict(list)
    for row in rows:
        cells[Cell(row.source, tuple(i for i, label in enumerate(row.labels) if label))].append(row)
    chosen = [row for cell, pool in cells.items() for row in _quota(cell, pool, sampling, draw)]
    draw.shuffle(chosen)
    return [_varied(row, sampling, draw) for row in chosen]


def _varied(row: Row, sampling: SamplingConfig, draw: random.Random) -> Row:
    row = with_dropped_fields(row, sampling, draw)
    return disguised_row(row, draw) if draw.random() < sampling.disguise else row


def _quota(cell: Cell, pool: list[Row], sampling: SamplingConfig, draw: random.Random) -> list[Row]:
    if pool[0].real:
        most = sampling.violation_cell_rows if cell.policies else sampling.compliant_cell_rows
        size = min(len(pool) * (sampling.repeats if cell.policies else 1), max(most, 0))
    elif pool[0].label_kind == POLICY_WORD:
        size = len(pool)
    else:  # a cap would part a violation from its look-alike
        size = len(pool) * sampling.authored_repeats
    shuffled = sorted(pool, key=lambda row: hashlib.sha256(f"{draw.random()}:{row.id}".encode()).digest())
    return [shuffled[i % len(shuffled)] for i in range(size)]


def with_dropped_fields(row: Row, sampling: SamplingConfig, draw: random.Random) -> Row:
    """The row, sometimes without its title or its description, or with a lone title moved to the description."""
    if row.title and row.description:
        chance = draw.random()
        if chance < sampling.drop_title:
            return replace(row, title="")
        if chance < sampling.drop_title + sampling.drop_description:
            return replace(row, description="")
        return row
    if row.title and draw.random() < sampling.title_as_description:
        return replace(row, title="", description=row.title)
    if (
        row.description
        and not row.title
        and len(row.description) < 120
        and draw.random() < sampling.title_as_description
    ):
        return replace(row, title=row.description, description="")
    return row
