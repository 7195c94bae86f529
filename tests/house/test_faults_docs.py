"""The page on faults names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_row_names_a_test_that_is_there() -> None:
    page = (ROOT / "docs" / "faults.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| what happens")]
    assert rows
    for row in rows:
        named = re.findall(r"`(tests/\S+\.py)`", row)
        assert named, row
        assert all((ROOT / name).is_file() for name in named), row
