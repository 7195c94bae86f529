"""Raw text: every character can be told, whatever it is, and nothing that hides is written out."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from fairstall.labeling.marked_text import Span
from fairstall.labeling.raw_text import MAX_PIECES, RawPiece, raw_text
from fairstall.model.model_evidence import Weight


def told(text: str) -> list[list[str]]:
    """Per line the label of each piece in brackets, or its text, and the label of the line's end."""
    return [
        [f"[{piece.label}]" if piece.label else piece.text for piece in line.pieces] + [line.ending]
        for line in raw_text(text).lines
    ]


def test_lines_end_where_the_text_ends_them_and_say_how():
    assert told("one\ntwo\r\nthree\u2028") == [["one", "LF"], ["two", "CR LF"], ["three", "LSEP"], [""]]


def test_single_spaces_between_words_are_plain_and_all_others_are_labelled():
    assert told("two words") == [["two words", ""]]
    assert told(" a  b\tc\u00a0d ") == [
        ["[SPACE]", "a", "[SPACE]", "[SPACE]", "b", "[TAB]", "c", "[U+00A0]", "d", "[SPACE]", ""]
    ]


def test_what_hides_turns_directions_or_sits_on_a_letter_is_labelled_one_by_one():
    assert told("iv\u200bory \u202egnp.exe e\u0301") == [["iv", "[ZWSP]", "ory ", "[RLO]", "gnp.exe e", "[U+0301]", ""]]


def test_evidence_is_marked_where_it_is_also_across_what_hides():
    text = "old i\u200bvory comb"
    spans = (Span(4, 10, 1), Span(4, 6, 2, Weight.HIGH))
    pieces = raw_text(text, spans).lines[0].pieces
    assert [(piece.label or piece.text, piece.numbers, piece.ending) for piece in pieces] == [
        ("old ", (), ()),
        ("i", (1, 2), ()),
        ("ZWSP", (1, 2), (2,)),
        ("vory", (1,), (1,)),
        (" comb", (), ()),
    ]
    assert [(piece.weight, piece.model_alone) for piece in pieces[1:4]] == [
        (Weight.HIGH, False),
        (Weight.HIGH, False),
        (None, False),
    ]


@given(st.text(), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=5))
def test_evidence_changes_nothing_but_the_marks(text, edges):
    spans = [Span(start, end, number) for number, (start, end) in enumerate(edges)]

    def shown(stored):
        return [("".join(piece.label or piece.text for piece in line.pieces), line.ending) for line in stored.lines]

    if "\r\n" not in text:
        assert shown(raw_text(text, spans)) == shown(raw_text(text))


def test_visible_characters_beyond_ascii_keep_their_look_and_are_named():
    pieces = raw_text("p\u0430ypal Москва").lines[0].pieces
    assert pieces == (
        RawPiece("p"),
        RawPiece("\u0430", name="U+0430 CYRILLIC SMALL LETTER A"),
        RawPiece("ypal "),
        RawPiece("Москва", name="6 characters from U+041C CYRILLIC CAPITAL LETTER EM"),
    )


def test_vowel_signs_stay_with_the_letters_of_their_script():
    assert told("नमस्ते") == [["नमस्ते", ""]]


def test_characters_beyond_ascii_are_listed_with_their_code_points_the_most_frequent_first():
    listed = raw_text("a\u200b\u200b\u200b é").characters
    assert [(one.seen, one.name, one.count) for one in listed] == [
        ("ZWSP", "U+200B ZERO WIDTH SPACE", 3),
        ("é", "U+00E9 LATIN SMALL LETTER E WITH ACUTE", 1),
    ]


def test_a_text_of_very_many_pieces_ends_in_code_points():
    lines = raw_text("a\u200b" * MAX_PIECES).lines
    assert len(lines[0].pieces) == MAX_PIECES + 1
    assert lines[0].pieces[-1].text.startswith("a[U+200B]a")


@given(st.text(max_size=200))
def test_nothing_is_lost_and_nothing_that_hides_is_written_out(text):
    read = raw_text(text)
    endings = {"CR LF": "\r\n"}
    pieces = [piece for line in read.lines for piece in line.pieces]
    assert sum(len(piece.text) for piece in pieces) + sum(
        len(endings.get(line.ending, "x")) for line in read.lines if line.ending
    ) == len(text)
    written = "".join(piece.label or piece.text for piece in pieces)
    assert all(unicodedata.category(one) not in ("Cc", "Cf", "Zl", "Zp") for one in written)
