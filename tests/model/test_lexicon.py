"""The lexicon finds the word behind digits and signs, and where words end that were spelled with spaces."""

import pytest

from fairstall.model.canonical.lexicon import hidden_word, lexicon, word_lengths
from fairstall.model.view import canonical_text


def test_the_lexicon_is_small_letters_of_two_or_more() -> None:
    words = lexicon()
    assert len(words) > 20_000
    assert all(word.isascii() and word.isalpha() and word.islower() and len(word) > 1 for word in words)


@pytest.mark.parametrize(
    ("token", "word"),
    [
        ("c0ca1ne", "cocaine"),
        ("1vory", "ivory"),
        ("p1ll", "pill"),
        ("mdm4", "mdma"),
        ("b0ttl3", "bottle"),
        ("xq4z0", None),
        ("3in", None),
        ("2023", None),
    ],
)
def test_a_token_is_read_as_the_word_it_spells(token: str, word: str | None) -> None:
    assert hidden_word(token) == word


@pytest.mark.parametrize(
    ("letters", "lengths"),
    [("purecocaine", [4, 7]), ("cocaine", [7]), ("freedelivery", [4, 8]), ("qqqzz", None), ("pur3c0caine", [4, 7])],
)
def test_letters_fall_into_the_fewest_words(letters: str, lengths: list[int] | None) -> None:
    assert word_lengths(letters) == lengths


def test_honest_signs_are_not_counted_as_a_disguise() -> None:
    for text in ("5way 4way splitter", "Great deal$ and big saving$", "Sale! Sale! Free delivery!"):
        assert not canonical_text(text).evasion


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("c o c a i n e p u r e g r a d e", "cocaine pure grade"),
        ("m o d a f i n i l", "modafinil"),
        ("m o d a l e r t", "modalert"),
        ("c o d e s f_r_o_m us", "codes from us"),
        ("pur3 c0de", "pure code"),
        ("pur3 mdm4 tabl3ts", "pure mdma tablets"),
        ("pur3 wool", "pur3 wool"),
        ("pur3! mdm4!", "pure! mdma!"),
        ("5way 4way splitter, 5pin connector", "5way 4way splitter, 5pin connector"),
        ("Great deal$ and big saving$ on oak", "Great deal$ and big saving$ on oak"),
        ("pur3 c0ca1ne me@gmail.com", "pure cocaine me@gmail.com"),
        (
            " ".join("purecocainefromperuwithstealthshippingworldwide"),
            "pure cocaine from peru with stealth shipping worldwide",
        ),
        ("iPhone5 case4 note3 100k cat7", "iPhone5 case4 note3 100k cat7"),
        ("weeeed and heroiiin", "weed and heroin"),
    ],
)
def test_words_are_read_by_the_lexicon_and_model_numbers_stay(raw: str, plain: str) -> None:
    assert canonical_text(raw).text == plain
