"""The errors that an engineer reads first, and what is taken for what."""

import numpy as np

from fairstall.evals.errors import COMPLIANT, NOTHING, confusion, worst_cells, worst_errors
from fairstall.evals.scored import score_rows, scored_rows

DRUGS, WEAPONS = "prohibited/drugs", "prohibited/weapons"


def test_the_worst_errors_come_first_one_a_group_and_only_where_the_truth_is_known(synthetic):
    scored = synthetic(4)
    cells = worst_cells(scored, most=20)
    off = [abs(scored.truth[cell.row, cell.label] - scored.probabilities[cell.row, cell.label]) for cell in cells]
    assert len(cells) == 20
    assert off == sorted(off, reverse=True)
    assert off[-1] > 0.5
    assert len({scored.groups[cell.row] for cell in cells}) == 20
    scored.known[:, 0] = False
    assert all(cell.label for cell in worst_cells(scored))


def test_a_row_of_the_table_has_text_and_evidence(tiny_bundle, listings):
    scored = score_rows(tiny_bundle, listings)
    table = worst_errors(tiny_bundle, listings, scored)
    assert {len(column) for column in table.values()} == {len(worst_cells(scored))}
    assert set(table["truth"]) <= {"violation", COMPLIANT}
    for title, evidence in zip(table["title"], table["evidence"], strict=True):
        assert all(part in title for part in evidence.split(" | "))


def test_confusion_counts_each_row_once_a_truth():
    rows = [
        {"id": "1", "title": "a", "policies": [DRUGS]},
        {"id": "2", "title": "b", "policies": [DRUGS, WEAPONS]},
        {"id": "3", "title": "c", "policies": []},
        {"id": "4", "title": "d", "policies": [], "mask": [WEAPONS]},
    ]
    probabilities = np.array([[0.9, 0.6], [0.2, 0.8], [0.1, 0.1], [0.9, 0.2]])
    table = confusion(scored_rows(rows, [DRUGS, WEAPONS], probabilities))
    assert table == {
        "truth": [DRUGS, WEAPONS, COMPLIANT],
        DRUGS: [1, 0, 0],
        WEAPONS: [1, 1, 0],
        NOTHING: [0, 0, 2],
    }
