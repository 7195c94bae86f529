"""Labelled rows: what a line must say, what it may leave out, and how a wrong one is named."""

import gzip
import json
from dataclasses import dataclass

import pytest

from fairstall.evals.rows import EvalRow, eval_row, read_rows, rows_sha256
from fairstall.model.errors import InputError


def test_a_short_row_is_completed():
    row = eval_row({"id": "shop:1", "title": "Lamp", "verdict": "compliant"})
    assert row == EvalRow(id="shop:1", title="Lamp", description="", source="shop")
    assert row.mask is None


def test_any_dataclass_with_the_same_names_is_taken():
    @dataclass
    class Row:
        id: str
        title: str
        description: str
        mask: dict[str, bool]

    row = eval_row(Row("a:1", "", "Nice lamp", {"prohibited/drugs": True, "prohibited/weapons": False}))
    assert row.mask == frozenset({"prohibited/drugs"})
    assert eval_row(row) is row


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": ""}, "needs an id"),
        ({"title": ""}, "needs an id and a title or description"),
        ({"title": 7}, "'title' must be text, not 7"),
        ({"policies": "prohibited/drugs"}, "lists of policy codes"),
        ({"policies": [1]}, "lists of policy codes"),
        ({"weight": -1}, "'weight' must be a number"),
        ({"weight": "heavy"}, "'weight' must be a number"),
    ],
)
def test_a_wrong_field_is_named(change, words):
    with pytest.raises(InputError, match=words):
        eval_row({"id": "a:1", "title": "Lamp", **change})


def test_files_and_folders_are_read_in_the_order_of_names(tmp_path):
    for number, name in enumerate(("b.jsonl", "a.jsonl.gz", "notes.txt")):
        line = json.dumps({"id": f"x:{number}", "title": name}) + "\n\n"
        path = tmp_path / name
        path.write_bytes(gzip.compress(line.encode()) if name.endswith("gz") else line.encode())
    assert [row.title for row in read_rows([tmp_path])] == ["a.jsonl.gz", "b.jsonl"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"id": "a:1", "title": "x"}\n{"id": "a:2"}\n', "rows.jsonl:2: row 'a:2' needs"),
        ('{"id": "a:1", "title": "x"}\n[1]\n', "rows.jsonl:2: a row must be a JSON object"),
        ("nonsense\n", "rows.jsonl:1: "),
        ('{"id": "a:1", "title": "x"}\n' * 2, "'a:1' occurs twice"),
        ("\n", "no rows in"),
    ],
)
def test_a_wrong_file_is_refused_by_file_and_line(tmp_path, text, words):
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_rows([path])


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent.jsonl cannot be read"):
        read_rows([tmp_path / "absent.jsonl"])
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(gzip.compress(b'{"id": "a:1", "title": "x"}\n' * 50)[:-20])
    with pytest.raises(InputError, match=r"broken.jsonl.gz cannot be read"):
        read_rows([broken])


def test_the_hash_of_rows_knows_content_and_not_order(listings):
    assert rows_sha256(listings) == rows_sha256(listings[::-1])
    assert rows_sha256(listings) != rows_sha256(listings[1:])
