"""The seed corpus keeps its promises: format, both sides of each policy in every voice, no row written twice."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

import pytest

from fairstall.model.policy_file import starter_policies

CODES = starter_policies().codes
FIELDS = ["id", "title", "description", "language", "verdict", "policies", "near", "voice", "label_kind"]
VOICES = {"shop", "classified", "auction", "darkmarket"}
SIDES = ("violation", "compliant")
SAME_TEXT = 0.6  # Jaccard on word 3-grams
SHARE_GAP = 0.15
# Numbers kept for fiction in North America, and for drama by Ofcom.
FICTIONAL_PHONES = re.compile(r"555-?01\d\d|(?:\+44 |\b0)7700 900\d{3}|0113 496 0\d{3}")

Rows = list[Mapping[str, Any]]


def _read_files(*inside: str) -> dict[str, Rows]:
    folder = resources.files("fairstall.training").joinpath("seed", *inside)
    files = [file for file in folder.iterdir() if file.name.endswith(".jsonl")]
    return {file.name: [json.loads(line) for line in file.read_text("utf-8").splitlines()] for file in files}


FILES = _read_files()
ROWS = [row for rows in FILES.values() for row in rows]
FOREIGN = _read_files("languages")


def _file_of(code: str) -> str:
    return code.replace("/", "_") + ".jsonl"


def _side(rows: Iterable[Mapping[str, Any]], verdict: str) -> Rows:
    return [row for row in rows if row["verdict"] == verdict]


def _text(row: Mapping[str, Any]) -> str:
    return f"{row['title']} {row['description']}"


def _title_share(rows: Rows) -> float:
    return sum(row["description"] == "" for row in rows) / len(rows)


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    if len(words) < 3:
        return frozenset({tuple(words)})
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def test_each_policy_has_its_file_and_no_file_is_left_over() -> None:
    assert set(FILES) == {_file_of(code) for code in CODES}


def test_every_row_has_the_nine_fields_in_order() -> None:
    assert [row["id"] for row in ROWS if list(row) != FIELDS] == []


def test_every_row_says_something_in_english_in_a_known_voice() -> None:
    for row in ROWS:
        assert row["title"].strip() or row["description"].strip(), row["id"]
        assert (row["language"], row["label_kind"]) == ("en", "authored"), row["id"]
        assert row["voice"] in VOICES, row["id"]


def test_ids_are_unique_and_numbered_within_their_policy() -> None:
    for code in CODES:
        short = code.split("/")[1]
        expected = [f"seed:{short}-{number:03d}" for number in range(1, len(FILES[_file_of(code)]) + 1)]
        assert [row["id"] for row in FILES[_file_of(code)]] == expected


def test_a_violation_names_its_own_policy_first_and_only_known_ones() -> None:
    for code in CODES:
        for row in _side(FILES[_file_of(code)], "violation"):
            assert row["policies"][0] == code, row["id"]
            assert len(set(row["policies"])) == len(row["policies"]), row["id"]
            assert set(row["policies"]) <= set(CODES), row["id"]
            assert row["near"] is None, row["id"]


def test_a_look_alike_breaks_nothing_and_names_what_it_resembles() -> None:
    for code in CODES:
        for row in _side(FILES[_file_of(code)], "compliant"):
            assert (row["policies"], row["near"]) == ([], code), row["id"]


@pytest.mark.parametrize("code", CODES)
def test_each_side_of_a_policy_is_large_enough_and_speaks_in_every_voice(code: str) -> None:
    for verdict in SIDES:
        rows = _side(FILES[_file_of(code)], verdict)
        assert len(rows) >= 60
        assert {row["voice"] for row in rows} == VOICES


def test_the_voice_does_not_give_the_verdict_away() -> None:
    shares = [Counter(row["voice"] for row in _side(ROWS, verdict)) for verdict in SIDES]
    for voice in VOICES:
        violating, compliant = (count[voice] / count.total() for count in shares)
        assert abs(violating - compliant) < 0.05, voice


@pytest.mark.parametrize("code", CODES)
def test_titles_alone_are_about_as_common_on_both_sides(code: str) -> None:
    violating, compliant = (_title_share(_side(FILES[_file_of(code)], verdict)) for verdict in SIDES)
    assert abs(violating - compliant) <= SHARE_GAP


def test_some_rows_on_both_sides_have_only_a_description_and_some_a_long_one() -> None:
    for verdict in SIDES:
        rows = _side(ROWS, verdict)
        assert sum(row["title"] == "" for row in rows) >= len(CODES)
        assert sum(len(row["description"].split()) >= 60 for row in rows) >= 3 * len(CODES)


def test_no_two_rows_are_nearly_the_same_text() -> None:
    seen: dict[tuple[str, ...], list[int]] = defaultdict(list)
    shingles = [_shingles(_text(row)) for row in ROWS]
    close = []
    for index, own in enumerate(shingles):
        shared = Counter(other for shingle in own for other in seen[shingle])
        for other, common in shared.items():
            if common / len(own | shingles[other]) > SAME_TEXT:
                close.append((ROWS[other]["id"], ROWS[index]["id"]))
        for shingle in own:
            seen[shingle].append(index)
    assert close == []


@pytest.mark.parametrize("language", ["de", "es", "id", "zh"])
def test_each_other_language_has_both_sides_of_every_policy(language: str) -> None:
    rows = FOREIGN[f"{language}.jsonl"]
    assert len(rows) >= 50
    assert {row["language"] for row in rows} == {language}
    assert [row["id"] for row in rows] == [f"seed:{language}-{number:03d}" for number in range(1, len(rows) + 1)]
    violating, compliant = (_side(rows, verdict) for verdict in SIDES)
    assert abs(len(violating) - len(compliant)) <= 4
    assert {row["policies"][0] for row in violating} == set(CODES)
    assert {row["near"] for row in compliant} <= set(CODES)


def test_contacts_in_the_texts_are_fictional() -> None:
    for row in ROWS + [row for rows in FOREIGN.values() for row in rows]:
        text = FICTIONAL_PHONES.sub("", _text(row))
        for domain in re.findall(r"\S@(\S+?)[,.]?(?=\s|$)", text.replace("L@@K", "")):
            assert re.search(r"example\.(com|org|net)$", domain), row["id"]
        assert not re.search(r"https?://|www\.", text), row["id"]
        assert not re.search(r"(?:\+\d|\b0\d{2})[\d ]{7,}\d|\b\d{3}[ -]\d{4}\b", text), row["id"]
