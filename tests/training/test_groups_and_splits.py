"""Reposts are found, and no group stands on two sides of a split."""

from collections import defaultdict
from collections.abc import Callable

from fairstall.training.config import SplitConfig
from fairstall.training.groups import near_duplicate_groups
from fairstall.training.rows import Row
from fairstall.training.splits import one_a_group, split_rows

MakeRow = Callable[..., Row]
CIGARETTES = "Marlboro Red soft pack {} cartons original EU stamps shipped from Poland"


def some_rows(make_row: MakeRow) -> list[Row]:
    reposts = [make_row(f"a:{n}", CIGARETTES.format(n)) for n in range(6)]
    others = [make_row(f"b:{n}", f"{n:x} walnut desk number {n * 7919:x} {n * 104729:b}") for n in range(200)]
    return reposts + others


def test_reposts_with_other_quantities_are_one_group(make_row: MakeRow) -> None:
    groups = near_duplicate_groups(some_rows(make_row))
    assert set(groups[:6]) == {"a:0"}


def test_different_listings_stay_apart(make_row: MakeRow) -> None:
    rows = [make_row("a:1", "oak bookcase, five shelves"), make_row("a:2", "blue wool jumper, size M")]
    assert len(set(near_duplicate_groups(rows))) == 2


def test_groups_are_joined_through_a_middle(make_row: MakeRow) -> None:
    words = [f"word{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(80)]
    rows = [make_row(f"a:{n}", " ".join(words[4 * n : 4 * n + 60])) for n in range(5)]
    ends = near_duplicate_groups([rows[0], rows[4]])
    assert len(set(near_duplicate_groups(rows))) == 1 < len(set(ends))


def test_no_group_crosses_a_split(make_row: MakeRow) -> None:
    rows = some_rows(make_row)
    splits = split_rows(rows, near_duplicate_groups(rows), SplitConfig(0.4, 0.2, 0.2))
    places = defaultdict(set)
    for name, part in splits.named().items():
        for grouped in part:
            places[grouped.group].add(name)
    assert all(len(names) == 1 for names in places.values())
    assert all(part for part in splits.named().values())


def test_a_held_out_source_only_tests(make_row: MakeRow) -> None:
    rows = some_rows(make_row)
    rows.append(make_row("b:copy", CIGARETTES.format(99)))
    splits = split_rows(rows, near_duplicate_groups(rows), SplitConfig(), held_out=("a",))
    assert {g.row.source for g in splits.train + splits.calibration + splits.certification} == {"b"}
    assert "b:copy" in {g.row.id for g in splits.test}, "a repost of a held-out row must not train"


def test_a_group_counts_once_as_evidence(make_row: MakeRow) -> None:
    rows = some_rows(make_row)[:6]
    splits = split_rows(rows, near_duplicate_groups(rows), SplitConfig(0.0, 0.0, 1.0))
    assert [g.row.id for g in one_a_group(splits.certification)] == ["a:0"]
