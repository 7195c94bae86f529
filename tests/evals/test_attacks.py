"""Attacks change the words that tell, the same way each time, and the view undoes those that cannot be mistaken."""

import random
import unicodedata

import pytest

from fairstall.evals.attacks import ATTACKS
from fairstall.model.view import canonical_text

TITLE = "Stolen Passport Template 5g for the printer, Original quality"


def attacked(name: str, seed: int = 1, text: str = TITLE) -> str:
    return ATTACKS[name](text, random.Random(seed))


def without_marks(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one))


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_changes_the_text_and_does_so_again(name: str) -> None:
    assert attacked(name) != TITLE
    assert attacked(name) == attacked(name)


@pytest.mark.parametrize("name", ATTACKS)
def test_short_words_and_numbers_stay(name: str) -> None:
    assert " 5g for the " in attacked(name)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_text_without_words_stays(name: str) -> None:
    assert attacked(name, text="5 x 10 cm 象牙") == "5 x 10 cm 象牙"


@pytest.mark.parametrize("name", [name for name in ATTACKS if name != "misspelling"])
@pytest.mark.parametrize("seed", range(5))
def test_the_view_reads_what_was_meant(name: str, seed: int) -> None:
    assert without_marks(canonical_text(attacked(name, seed)).text).lower() == TITLE.lower()


def test_a_misspelling_is_one_slip_in_a_word_at_most() -> None:
    words, slips = TITLE.split(), attacked("misspelling").split()
    assert len(words) == len(slips)
    assert all(abs(len(word) - len(slip)) <= 1 for word, slip in zip(words, slips, strict=True))
