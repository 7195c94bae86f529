"""Who trains, calibrates, certifies and tests: decided by a hash of the group, so that it is the same everywhere."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from fairstall.training.config import SplitConfig
from fairstall.training.rows import Row, Split


@dataclass(frozen=True, slots=True)
class GroupedRow:
    row: Row
    group: str


@dataclass(frozen=True, slots=True)
class Splits:
    """Rows by what they are for. No group is in two of them."""

    train: tuple[GroupedRow, ...]
    calibration: tuple[GroupedRow, ...]
    certification: tuple[GroupedRow, ...]
    test: tuple[GroupedRow, ...]

    def named(self) -> dict[Split, tuple[GroupedRow, ...]]:
        return {
            "train": self.train,
            "calibration": self.calibration,
            "certification": self.certification,
            "test": self.test,
        }


def split_rows(
    rows: Sequence[Row], groups: Sequence[str], shares: SplitConfig, *, held_out: Sequence[str] = ()
) -> Splits:
    """Splits by group. Sources in `held_out` go to the test split whole, and groups that touch them with them."""
    unseen = {group for row, group in zip(rows, groups, strict=True) if row.source in held_out}
    parts: dict[Split, list[GroupedRow]] = {"train": [], "calibration": [], "certification": [], "test": []}
    for row, group in zip(rows, groups, strict=True):
        parts["test" if group in unseen else split_of(group, shares)].append(GroupedRow(row, group))
    return Splits(**{name: tuple(part) for name, part in parts.items()})


def split_of(group: str, shares: SplitConfig) -> Split:
    """The split of a group: its hash as a point in [0, 1), against the cumulated shares."""
    point = int.from_bytes(hashlib.sha256(f"split:{group}".encode()).digest()[:8]) / 2**64
    if point < shares.train:
        return "train"
    if point < shares.train + shares.calibration:
        return "calibration"
    if point < shares.train + shares.calibration + shares.certification:
        return "certification"
    return "test"


def one_a_group(rows: Sequence[GroupedRow]) -> list[GroupedRow]:
    """The row with the smallest id of each group: reposts are no independent evidence."""
    kept: dict[str, GroupedRow] = {}
    for grouped in sorted(rows, key=lambda grouped: grouped.row.id):
        kept.setdefault(grouped.group, grouped)
    return list(kept.values())
