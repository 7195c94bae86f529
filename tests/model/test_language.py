"""Which listings the language gate lets through to a model of given languages."""

import pytest
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from fairstall.model.language import _CANDIDATES, LanguageGate, _identifier
from fairstall.model.listing import Listing

ENGLISH = LanguageGate(("en",))
GERMAN_TEXT = "Verkaufe meinen gebrauchten Kühlschrank, er ist sauber und funktioniert einwandfrei. Nur Abholung."
SPANISH_TEXT = "Funda para teléfono con protección completa, envío gratis a todo el país y garantía de un año."
INDONESIAN_TEXT = "Barang baru dan asli, pengiriman cepat ke seluruh kota, silakan hubungi penjual untuk pertanyaan."


def listing(title: str, description: str = "", language: str | None = None) -> Listing:
    return Listing("1", "s", title, description, language=language)


@pytest.mark.parametrize("language", ["en", "en-GB", "EN_us"])
def test_a_declared_language_is_compared_by_its_first_part(language: str) -> None:
    assert ENGLISH.covers(listing("Steel bottle", language=language))


@pytest.mark.parametrize("language", ["de", "zh-Hant", "eng-x-nothing"])
def test_another_declared_language_is_not_covered(language: str) -> None:
    assert not ENGLISH.covers(listing("Steel bottle", language=language))


@pytest.mark.parametrize(
    "title",
    [
        "Nike Air Max 90",
        "Bosch WAU28T64 Maxx washer Tata Nexon floor mat",
        "indesit disr14b1 white",
        "3.5g OG Kush AAA+ escrow",
        "Kalenji Women's Trail Running Tights",
        "Louis Vuitton Neverfull MM Damier Azur",
        "Pokémon ex box",
        "10 μg vitamin D, 5 kΩ resistor",
        "",
        "!!! 50% !!!",
    ],
)
def test_short_english_titles_with_names_in_them_are_covered(title: str) -> None:
    assert ENGLISH.covers(listing(title))


@pytest.mark.parametrize(
    "text",
    [GERMAN_TEXT, SPANISH_TEXT, INDONESIAN_TEXT, "Giày thể thao nam nữ hàng mới về, giao hàng toàn quốc miễn phí"],
    ids=["de", "es", "id", "vi"],
)
def test_another_language_in_latin_letters_is_recognised(text: str) -> None:
    assert not ENGLISH.covers(listing("Nike", text))


@pytest.mark.parametrize(
    "text",
    [
        "Чехол для iPhone 11",
        "ชุดเดรส Nike",
        "小米 手機殼 Pro Max",
        "새상품 갤럭시",
        "حقيبة يد",
        "חדש באריזה",
        "新品スマホケース",
    ],
)
@pytest.mark.parametrize("language", [None, "en"])
def test_another_script_is_not_covered_whatever_was_declared(text: str, language: str | None) -> None:
    assert not ENGLISH.covers(listing(text, language=language))


def test_a_name_in_another_script_is_ordinary() -> None:
    text = "Original calligraphy scroll with the character 龍, hand painted on rice paper, ships rolled"
    assert ENGLISH.covers(listing(text))


def test_a_text_in_spanish_is_not_english_because_a_form_says_so() -> None:
    assert not ENGLISH.covers(listing("Funda", SPANISH_TEXT * 2, language="en"))


def test_styled_letters_are_read_as_letters() -> None:
    bold = "".join(
        chr(0x1D400 + ord(c) - 65) if "A" <= c <= "Z" else c for c in "BRAND NEW WITH TAGS AND FREE SHIPPING"
    )
    assert ENGLISH.covers(listing(bold))


def test_a_model_of_several_languages_covers_each() -> None:
    gate = LanguageGate(("en", "de-AT"))
    assert gate.covers(listing("Kühlschrank", GERMAN_TEXT))
    assert gate.covers(listing("Fridge", "Clean and working fridge, collection only, cash on the day please."))
    assert not gate.covers(listing("Funda", SPANISH_TEXT))


def test_a_model_of_another_script_expects_it_and_latin_names() -> None:
    gate = LanguageGate(("ru", "ja"))
    assert gate.covers(listing("Чехол для iPhone 11 Pro Max Case Silicone"))
    assert gate.covers(listing("新品 スマホケース がっこう"))
    assert not gate.covers(listing("ชุดเดรสสำหรับผู้หญิง"))
    assert not gate.covers(listing("Clean and working fridge, collection only, cash on the day please."))


def test_a_language_that_nobody_can_identify_is_not_held_against_a_listing() -> None:
    assert LanguageGate(("x-test",)).covers(listing("Clean and working fridge, collection only, cash on the day"))


def test_warming_up_loads_the_identifier_before_the_first_listing() -> None:
    gate = LanguageGate(("en",))
    gate.warm_up()
    assert not gate.covers(listing("Kühlschrank", GERMAN_TEXT))


@pytest.mark.parametrize("languages", [("de",), ("id", "sr")])
def test_chances_are_those_of_the_library(languages: tuple[str, ...]) -> None:
    library = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    library.set_languages((_CANDIDATES | set(languages)).intersection(library.labels))
    for text in (GERMAN_TEXT, SPANISH_TEXT, INDONESIAN_TEXT, "Продајем бицикл у добром стању"):
        chances = dict(library.rank(text.lower()))
        expected = max(chances.values()) / max(chances[language] for language in languages)
        assert _identifier(frozenset(languages)).odds_against(text.lower()) == pytest.approx(expected, rel=0.001)
