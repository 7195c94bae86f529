"""Two postings of the same goods have nearly the same fingerprint; other goods, short texts and set phrases do not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairstall.model.fingerprint import BINS, FEWEST_SHINGLES, fingerprint, similarities
from fairstall.model.listing import Listing
from fairstall.model.view import view_listing

TITLE = "Old carved elephant ivory figure, 1950"
TEXT = (
    "A hand carved figure of a fisherman from the estate of my grandfather, 14 cm tall, with a small crack at the foot."
)
POSTAGE = "Sent tracked within 2 days of payment. No returns, no offers, ask before you buy."

PINNED = (
    "cf2acb5ea5a03bdbfae917046e35d0f50a75d52576bca384ca50e217a4832373"
    "0d14365db651ecf45ef9ffedc863bb35942fbca76f18383232688c270509a134"
)


def print_of(title: str, description: str = "") -> bytes | None:
    return fingerprint(view_listing(Listing("l", "s", title, description)))


def alike(one: bytes | None, other: bytes | None) -> float:
    assert one is not None
    assert other is not None
    return float(similarities(np.frombuffer(one, np.uint8), np.frombuffer(other, np.uint8)[None])[0])


def shingles(text: str) -> set[str]:
    return {text[start : start + 5] for start in range(len(text) - 4)}


@pytest.mark.parametrize(
    ("title", "text"),
    [
        (TITLE.upper(), TEXT),
        (TITLE.replace("1950", "1962"), TEXT.replace("14", "230")),
        (TITLE.replace(" ", " - "), TEXT.replace(",", "!!")),
        ("Old c\u200barved eleph\u0430nt ivory figure, 1950", TEXT),
    ],
)
def test_case_numbers_punctuation_and_disguises_make_no_difference(title, text):
    assert alike(print_of(TITLE, TEXT), print_of(title, text)) == 1.0


@pytest.mark.parametrize(
    ("title", "text"),
    [
        (f"{TITLE} - last one", TEXT),
        (TITLE.replace("figure", "statue"), TEXT),
        (TITLE, f"Hello! {TEXT}"),
        (TITLE, TEXT.replace("grandfather", "grandmother")),
    ],
)
def test_a_small_change_leaves_a_copy_nearly_the_same(title, text):
    assert alike(print_of(TITLE, TEXT), print_of(title, text)) > 0.75


def test_other_goods_are_not_alike_even_in_the_same_set_phrases():
    chair = (
        "A sturdy wooden chair for the garden, hardly used, with two cushions, to be collected from us in the evening."
    )
    assert alike(print_of(TITLE, TEXT), print_of("Garden chair", chair)) < 0.2
    assert alike(print_of(TITLE, f"{TEXT} {POSTAGE}"), print_of("Garden chair", f"{chair} {POSTAGE}")) < 0.6


@pytest.mark.parametrize(
    "text", ["", "iPhone 12", "New, unused, fast postage!", "a" * 50_000, "best price " * 4_000, "象牙" * 500]
)
def test_short_and_endlessly_repeated_texts_have_none(text):
    assert print_of(text[:1_000], text) is None


def test_the_shortest_text_that_has_one_has_sixty_four_bytes():
    text = "".join(chr(ord("a") + number) + chr(ord("a") + number // 26) for number in range(26)) + "xyzzy"
    shortest = next(text[:end] for end in range(len(text)) if len(shingles(text[:end])) == FEWEST_SHINGLES)
    assert print_of(shortest[:-1]) is None
    assert len(print_of(shortest)) == BINS


def test_the_longest_text_has_one_of_the_same_size():
    rng = np.random.default_rng(3)
    text = "".join(map(chr, rng.integers(0x4E00, 0x9FFF, 50_000)))
    assert len(print_of("x", text)) == BINS


def test_fingerprints_do_not_change_without_a_new_version():
    assert print_of(TITLE, TEXT).hex() == PINNED


TREES = ("oak", "ash", "elm", "fir", "yew", "bay", "fig", "sloe", "hazel", "rowan", "maple")
words = st.lists(st.sampled_from(TREES), min_size=40, max_size=80)


@settings(max_examples=50, deadline=None)
@given(words, st.integers(0, 40))
def test_similarity_estimates_that_of_the_shingles(chosen, kept):
    one, other = " ".join(chosen), " ".join([*chosen[:kept], *reversed(chosen[kept:])])
    if len(shingles(one)) < 100 or len(shingles(other)) < 100:
        return
    wanted = len(shingles(one) & shingles(other)) / len(shingles(one) | shingles(other))
    assert alike(print_of(one), print_of(other)) == pytest.approx(wanted, abs=0.3)
