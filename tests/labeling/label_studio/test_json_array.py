"""An array of any length is read item by item, however the reads cut it."""

import json

import pytest

from fairstall.labeling.label_studio import json_array
from fairstall.labeling.label_studio.json_array import read_array
from fairstall.model.errors import InputError


@pytest.mark.parametrize("read_at_once", [1, 2, 7, 1_000])
def test_items_are_the_same_wherever_reads_end(tmp_path, monkeypatch, read_at_once):
    monkeypatch.setattr(json_array, "READ_AT_ONCE", read_at_once)
    items = [{"id": 1, "text": 'a "quoted" ] , \U0001f52b'}, {}, {"deep": [{"er": [1, 2.5, None]}]}]
    for text in (json.dumps(items), json.dumps(items, indent=2), "\ufeff" + json.dumps(items, ensure_ascii=False)):
        (tmp_path / "array.json").write_text(text, encoding="utf-8")
        assert list(read_array(tmp_path / "array.json")) == items


def test_an_item_is_given_before_the_next_one_is_read(tmp_path):
    (tmp_path / "array.json").write_text('[{"id": 1}, {"id": ')
    items = read_array(tmp_path / "array.json")
    assert next(items) == {"id": 1}
    with pytest.raises(InputError, match=r"array\.json: item 2 is no JSON"):
        next(items)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is no JSON array"),
        (b'{"id": 1}', "is no JSON array"),
        (b"[1]", "item 1 is no object"),
        (b"[{}", "there is no comma and no end after item 1"),
        (b"[{} {}]", "there is no comma and no end after item 1"),
        (b"[{}, ]", "item 2 is no JSON"),
        (b'[{"a": tru}]', "item 1 is no JSON"),
        (b'[{"a": "\xff"}]', "is not UTF-8"),
    ],
)
def test_what_is_no_array_of_objects_is_refused(tmp_path, content, problem):
    (tmp_path / "array.json").write_bytes(content)
    with pytest.raises(InputError, match=problem):
        list(read_array(tmp_path / "array.json"))


def test_an_item_without_end_is_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(json_array, "MAX_ITEM_CHARACTERS", 1_000)
    monkeypatch.setattr(json_array, "READ_AT_ONCE", 100)
    (tmp_path / "array.json").write_text('[{"a": "' + "x" * 100_000)
    with pytest.raises(InputError, match="longer than 1000 characters"):
        list(read_array(tmp_path / "array.json"))


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match=r"none\.json cannot be read: No such file"):
        list(read_array(tmp_path / "none.json"))
