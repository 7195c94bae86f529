"""The way back from the view to the raw text, for any text that anybody may send."""

import unicodedata

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from fairstall.model.view import CanonicalText, canonical_text

TRICKY = st.sampled_from(
    [
        *"abcXYZ019@$! .-\n\t",
        *(
            "сос",
            "рο",
            "\u200b",
            "\u200d",
            "\u0301",
            "\u0336",
            "\u0316",
            "ﬁ",
            "ｃ",
            "𝖈",
            "½",
            "ﷺ",
            "🇬",
            "🇧",
            "🅰",
            "\ufe0f",
            "👩",
        ),
        *(
            "นํา",
            "각",
            "\u1100",
            "\u1161",
            "क्",
            "ष",
            "´",
            "\x92",
            "\r\n",
            "c o c a i n e",
            "weeeed",
            "c0ca1ne",
            "\u2066",
        ),
        *("\u0f71\u0f72", "\u0344", "\uff9e", "\u0958", "\u212b", "\ud800", "\x00"),
    ]
)
HOSTILE = st.lists(st.one_of(TRICKY, st.characters()), max_size=25).map("".join)
_WORDS_IN = {
    "Cyrillic": "чехол для телефона новый оригинал сумка женская кожаная хор нет ёлка їжак",
    "Greek": "καινούργιο δερμάτινο πορτοφόλι άριστη κατάσταση ΰδωρ ρολόι",
    "Arabic": "ساعة يد رجالية جديدة مُحَمَّد للبيع می\u200cخواهم",
    "Thai": "เสื้อผ้า ผู้หญิง น้ำหอม ของแท้ ราคาถูก สำหรับ",
    "Chinese": "手機殼 全新 正品 現貨 免運費 小米",
    "Japanese": "新品 未使用 スマホケース がっこう ぱんつ ヴァイオリン",
    "Vietnamese": "điện thoại mới nguyên hộp giá rẻ ượng Ổ thuỷ",
    "Hindi": "नया मोबाइल फ़ोन बिक्री के लिए क्\u200dष श्री",
    "Korean": "새상품 정품 무료배송 휴대폰 케이스 ㅋㅋㅋ",
    "Hebrew": "שעון יד חדש לגבר שָׁלוֹם",
    "emoji": "🎉 👍🏽 👨\u200d👩\u200d👧 ❤\ufe0f 🇬🇧 🇺🇸🇫🇷 1\ufe0f\u20e3 🏳\ufe0f\u200d🌈 ☎\ufe0e 🅿\ufe0f",
    "German": "Fußgänger Straße Größe schön Übergröße",
}
CLEAN_WORDS = {script: words.split() for script, words in _WORDS_IN.items()}


def _clusters(text: str) -> list[int]:
    return [0, *(match.end() for match in regex.finditer(r"\X", text))]


def _spans(view: CanonicalText) -> list[tuple[int, int]]:
    return [view.raw_span(at, at + 1) for at in range(len(view.text))]


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_every_character_of_the_view_comes_from_somewhere_and_in_order(raw: str) -> None:
    view = canonical_text(raw)
    spans = _spans(view)
    assert all(0 <= start < end <= len(raw) for start, end in spans)
    assert spans == sorted(spans)
    assert [end for _, end in spans] == sorted(end for _, end in spans)


@settings(max_examples=300, deadline=None)
@given(HOSTILE, st.data())
def test_any_slice_covers_the_spans_of_its_characters(raw: str, data: st.DataObject) -> None:
    view = canonical_text(raw)
    start = data.draw(st.integers(0, len(view.text)))
    end = data.draw(st.integers(start, len(view.text)))
    span = view.raw_span(start, end)
    assert 0 <= span[0] <= span[1] <= len(raw)
    for one in _spans(view)[start:end]:
        assert span[0] <= one[0] < one[1] <= span[1]


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_no_span_splits_a_grapheme_cluster(raw: str) -> None:
    bounds = set(_clusters(raw))
    for start, end in _spans(canonical_text(raw)):
        assert {start, end} <= bounds


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_the_view_is_in_unicode_normal_form_and_on_one_line(raw: str) -> None:
    text = canonical_text(raw).text
    assert unicodedata.is_normalized("NFC", text)
    assert not regex.search(r"[^\S ]|  ", text)


@pytest.mark.parametrize("script", CLEAN_WORDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_clean_text_in_any_script_is_untouched(script: str, data: st.DataObject) -> None:
    words = data.draw(st.lists(st.sampled_from(CLEAN_WORDS[script]), min_size=1, max_size=12))
    text = unicodedata.normalize("NFC", " ".join(words))
    view = canonical_text(text)
    assert view.text == text
    assert not view.evasion


@pytest.mark.parametrize("script", CLEAN_WORDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_raw_slice_of_clean_text_reads_as_the_slice_of_the_view(script: str, data: st.DataObject) -> None:
    words = data.draw(st.lists(st.sampled_from(CLEAN_WORDS[script]), min_size=1, max_size=8))
    raw = unicodedata.normalize("NFD", "  ".join(words))
    view = canonical_text(raw)
    bounds = _clusters(view.text)
    start = data.draw(st.sampled_from(bounds))
    end = data.draw(st.sampled_from([bound for bound in bounds if bound >= start]))
    assert canonical_text(raw[slice(*view.raw_span(start, end))]).text == view.text[start:end]


@pytest.mark.parametrize(
    ("raw", "word", "behind"),
    [
        ("pure c\u200bo\u200bca\u200bine, 1g", "cocaine", "c\u200bo\u200bca\u200bine"),
        ("get w . e . e . d now", "weed", "w . e . e . d"),
        ("get c\u0336o\u0336k\u0336e\u0336!", "coke", "c\u0336o\u0336k\u0336e\u0336"),
        ("so   much\n\nweeeeed  here", "weed", "weeeeed"),
        ("ﬁne ｃｏｋｅ ½", "coke", "ｃｏｋｅ"),
        ("get 🇼🇪🇪🇩 ok", "WEED", "🇼🇪🇪🇩"),
        ("a\r\nb", "b", "b"),
    ],
)
def test_evidence_found_in_the_view_marks_the_disguised_word_in_the_raw_text(raw: str, word: str, behind: str) -> None:
    view = canonical_text(raw)
    start = view.text.index(word)
    assert raw[slice(*view.raw_span(start, start + len(word)))] == behind


def test_a_slice_inside_a_ligature_or_flag_widens_to_all_of_it() -> None:
    assert canonical_text("ﬁn").raw_span(0, 1) == (0, 1)
    assert canonical_text("🇼🇪🇪🇩").raw_span(1, 2) == (0, 2)


def test_an_empty_slice_stays_empty_and_positions_outside_are_clipped() -> None:
    view = canonical_text("c\u200bo\u200bke")
    assert view.raw_span(1, 1) == (2, 2)
    assert view.raw_span(0, 99) == (0, 6)
    assert view.raw_span(99, 99) == (6, 6)


@pytest.mark.parametrize(
    "raw",
    [
        "a" + "\u0301\u0316" * 500_000,
        "a" * 200_000,
        "c0" * 100_000,
        "🇼" * 100_000,
        "сa" * 100_000,
        "\u200b" * 200_000,
        "a b " * 50_000,
        "a" + "1" * 199_999,
        "1" * 199_999 + "a",
        "aaaaaa1!1!1!aaa " * 12_500,
    ],
    ids=["marks", "letters", "leet", "flags", "mixed", "invisible", "spaced", "digits", "digits first", "readings"],
)
@pytest.mark.timeout(20)
def test_hostile_lengths_end(raw: str) -> None:
    view = canonical_text(raw)
    assert view.raw_span(0, len(view.text))[1] <= len(raw)
