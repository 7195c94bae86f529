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
    rows: Sequence[Row],
    groups: Sequence[str],
    shares: SplitConfig,
    *,
    authored: SplitConfig | None = None,
    held_out: Sequence[str] = (),
) -> Splits:
    """Splits by group. Sources in `held_out` go to the test split whole, and groups that touch them with them.

    Groups of authored rows alone are split by `authored`, when given.
    """
    of_real = {group for row, group in zip(rows, groups, strict=True) if row.real}
    parts: dict[Split, list[GroupedRow]] = {"train": [], "calibration": [], "certification": [], "test": []}
    for row, group in zip(rows, groups, strict=True):
        own = shares if authored is None or group in of_real else authored
        parts[split_of(group, own)].append(GroupedRow(row, group))
    return without_sources(Splits(**{name: tuple(part) for name, part in parts.items()}), held_out)


def without_sources(splits: Splits, sources: Sequence[str]) -> Splits:
    """The same rows with all of `sources`, and groups that touch them, in the test split."""
    parts = splits.named()
    unseen = {one.group for part in parts.values() for one in part if one.row.source in sources}
    kept = {name: tuple(one for one in part if one.group not in unseen) for name, part in parts.items()}
    moved = tuple(one for part in parts.values() for one in part if one.group in unseen)
    return Splits(kept["train"], kept["calibration"], kept["certification"], kept["test"] + moved)


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
