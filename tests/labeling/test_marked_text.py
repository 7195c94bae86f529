"""Whatever a seller writes can be looked at: evidence in its place, nothing hidden, nothing lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairstall.labeling.marked_text import MAX_LABELS, Piece, Span, mark_text
from fairstall.model.model_evidence import Weight


def shown(text: str) -> list[str]:
    return [piece.text for piece in mark_text(text).pieces]


def labels(text: str) -> list[str]:
    return [piece.text for piece in mark_text(text).pieces if piece.name]


def test_plain_text_is_one_piece():
    assert mark_text("A brass clock,\n\t19 cm\r\n").pieces == (Piece("A brass clock,\n\t19 cm\r\n"),)


def test_overlapping_evidence_is_cut_where_it_begins_and_ends():
    pieces = mark_text("flick knife and block", [Span(0, 11, 1), Span(6, 15, 2)]).pieces
    assert pieces == (
        Piece("flick ", (1,)),
        Piece("knife", (1, 2), (1,)),
        Piece(" and", (2,), (2,)),
        Piece(" block"),
    )


def test_what_the_model_weighed_is_told_from_what_a_rule_matched_and_the_heaviest_counts():
    spans = [Span(0, 6, 1), Span(0, 14, 1, Weight.LOW), Span(7, 20, 2, Weight.HIGH)]
    assert mark_text("pistol holster, good", spans).pieces == (
        Piece("pistol", (1,), (), "", Weight.LOW),
        Piece(" ", (1,), (), "", Weight.LOW, model_alone=True),
        Piece("holster", (1, 2), (1,), "", Weight.HIGH, model_alone=True),
        Piece(", good", (2,), (2,), "", Weight.HIGH, model_alone=True),
    )


def test_evidence_of_one_finding_that_touches_or_overlaps_itself_ends_once():
    pieces = mark_text("abcdef", [Span(0, 3, 1), Span(1, 5, 1)]).pieces
    assert [piece.ending for piece in pieces if piece.ending] == [(1,)]


def test_evidence_outside_the_text_is_cut_to_it():
    assert mark_text("abc", [Span(-2, 1, 1), Span(2, 9, 1), Span(5, 9, 1), Span(2, 2, 1)]).pieces == (
        Piece("a", (1,), (1,)),
        Piece("b"),
        Piece("c", (1,), (1,)),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("i\u200bvory", ["ZWSP"]),
        ("i\u200b\u200b\u200bvory", ["ZWSP ×3"]),
        ("\u202egnp.exe\u202c", ["RLO", "PDF"]),
        ("soft\u00adhyphen\ufeff", ["SHY", "BOM"]),
        ("\u3164filler\u2800", ["FILL", "BLANK"]),
        ("tags\U000e0041\U000e0042", ["TAG ×2"]),
        ("private \ue000", ["U+E000"]),
        ("a\ud800b", ["U+D800"]),
        ("line\u2028separator\x85", ["LSEP", "U+0085"]),
        ("z" + "\u0301" * 64, ["marks ×60"]),
    ],
)
def test_characters_that_hide_get_a_label(text, expected):
    assert labels(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "👩\u200d🚀 ❤\ufe0f 1\ufe0f\u20e3",
        "می\u200cخواهم",
        "क्\u200dष",
        "\U0001f3f4\U000e0067\U000e0062\U000e007f",
        "é ǭ Việt",
        "ספר שָׁלוֹם",
    ],
)
def test_joiners_and_marks_that_belong_to_the_writing_stay(text):
    assert shown(text) == [text]


def test_a_label_names_the_character():
    (_, hidden, _) = mark_text("a\u200bb").pieces
    assert hidden.name == "U+200B ZERO WIDTH SPACE"


def test_evidence_that_ends_inside_a_run_of_hidden_characters_cuts_it():
    pieces = mark_text("ab\u200b\u200b\u200bcd", [Span(0, 3, 1)]).pieces
    assert [(piece.text, piece.numbers) for piece in pieces] == [
        ("ab", (1,)),
        ("ZWSP", (1,)),
        ("ZWSP ×2", ()),
        ("cd", ()),
    ]


def test_beyond_a_few_hundred_labels_the_rest_is_counted():
    text = mark_text("a\u200b" * (MAX_LABELS + 700))
    assert sum(bool(piece.name) for piece in text.pieces) == MAX_LABELS
    assert text.unlabelled == 700
    assert text.pieces[-1].text == "a" * 700


spans = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 4)).map(lambda s: Span(*s)))


@given(st.text("ab \u200b\u202e\u0301\ufe0f👩", max_size=40), spans)
def test_nothing_but_hidden_characters_is_ever_lost_or_moved(text, evidence):
    marked = mark_text(text, evidence)
    kept = "".join(piece.text for piece in marked.pieces if not piece.name)
    rest = iter(text)
    assert all(character in rest for character in kept)
    assert "".join(c for c in kept if c in "ab ") == "".join(c for c in text if c in "ab ")
