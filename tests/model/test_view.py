"""The canonical view: what it undoes, what it leaves alone, and what counts as a disguise."""

import pytest

from fairstall.model.listing import Listing
from fairstall.model.view import canonical_text, disguised, view_listing

ORDINARY_CODES = (
    "RTX4060 i5-8265U 5g 20mg 1080p B707 4x4 A4 PS5 mp3 H2O co2 H2o B2B R2D2 2in1 3D 10x40mg 3x3mm 50ml S9plus USB3 "
    "iphone4s E00TY40 kgn34vb35g Z00LD MP44L 802.11a/b/g/n/ac W10 G4L 1.5L Galz4ever glitter4girls early00s AAA XXXL "
    "MkIII XVIII S-M-L-XL WASD $50 50% 24/7 seller@example.com #y2k UTF-8 15.6in 7up"
)


@pytest.mark.parametrize(
    ("raw", "plain", "trick"),
    [
        ("pure c0ca1ne", "pure cocaine", "leet"),
        ("v1agra", "viagra", "leet"),
        ("h3r0in", "heroin", "leet"),
        ("ph4rma w33d", "pharma weed", "leet"),
        ("ca$h m@rijuana", "cash marijuana", "leet"),
        ("54l3 c0c41n3 h3r0in c0k3", "sale cocaine heroin coke", "leet"),
        ("c o c a i n e", "cocaine", "spaced"),
        ("w.e.e.d today", "weed today", "spaced"),
        ("v-i-a-g-r-a", "viagra", "spaced"),
        ("P u r e W e e d", "Pure Weed", "spaced"),
        ("b u y  c o c a i n e", "b u y cocaine", "spaced"),
        ("weeeeed", "weed", "stretched"),
        ("druuugs", "drugs", "stretched"),
        ("pillllls", "pills", "stretched"),
        ("co\u200bca\u2060ine", "cocaine", "invisible"),
        ("w\ufe0fe\ufe0fe\ufe0fd", "weed", "invisible"),
        ("c\u0336o\u0336ke", "coke", "stacked_marks"),
        ("c\u0337\u0322\u031bo\u0334\u0327\u032bke", "coke", "stacked_marks"),
        ("сосаine", "cocaine", "confusable"),
        ("buy рооr сосо now", "buy poor coco now", "confusable"),
        ("gяαм συя", "gram our", "confusable"),
        ("ｃｏｃａｉｎｅ", "cocaine", "styled"),
        ("𝖈𝖔𝖈𝖆𝖎𝖓𝖊 ⓦⓔⓔⓓ ᴄᴏᴋᴇ ⒲⒠⒠⒟", "cocaine weed coke weed", "styled"),
        ("🅲🅾🅲🅰🅸🅽🅴", "COCAINE", "emoji_letters"),
        ("Te🅰\ufe0fm", "Team", "emoji_letters"),
        ("🇼🇪🇪🇩", "WEED", "emoji_letters"),
        ("🇼 🇪 🇪 🇩", "WEED", "emoji_letters"),
        ("pure \u202eenia", "pure enia", "bidi"),
    ],
)
def test_a_disguised_word_reads_as_what_it_means(raw: str, plain: str, trick: str) -> None:
    view = canonical_text(raw)
    assert view.text == plain
    assert view.evasion[trick] >= 1


def test_disguises_on_top_of_each_other_come_off_one_by_one() -> None:
    view = canonical_text("c.0.\u200bс.a.1.n.ｅ")
    assert view.text == "cocaine"
    assert set(view.evasion) == {"confusable", "leet", "spaced", "styled"}


@pytest.mark.parametrize("code", ORDINARY_CODES.split())
def test_model_numbers_sizes_and_quantities_stay(code: str) -> None:
    view = canonical_text(f"New {code} for sale")
    assert view.text == f"New {code} for sale"
    assert not view.evasion


@pytest.mark.parametrize(
    "text",
    [
        "Shelf L x W x H, sizes S M L X L, strings E A D G B E, options A B C D",
        "Schifffahrt und Teeernte, Kaffeeersatz und Stofffarbe",
        "PPARγ, TNFα, 10 μg α-lipoic acid, Δ9",
        "Sooo good, wow!great, www.shop.example, AAA",
        "Café crème, smörgåsbord, Łódź, İstanbul, ẹ́kọ́",
        "For the 🅰\ufe0f team 🇬🇧🇺🇸 👨\u200d👩\u200d👧 ❤\ufe0f 1\ufe0f\u20e3",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f football shirt",
        "Nike™ 10½ Acme® don´t 5°C",
        "Чехол для iPhone 11 Pro Max чёрный",
        "Купить оперативную память DDR4 для ПК",
        "ชุดเดรสสำหรับผู้หญิง น้ำหอม",
        "ㅋㅋㅋ 정품 새상품",
        "می\u200cخواهم کتاب",
        "क्\u200dष नमस्ते",
        "葛\U000e0100飾区",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    view = canonical_text(text)
    assert view.text == text
    assert not view.evasion


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("\ufeffBook", "Book"),
        ("Woh\u00adnung", "Wohnung"),
        ("\u200fשלום\u200f", "שלום"),
        ("\u202a#butterfly", "#butterfly"),
        ("you\x92re", "you\u2019re"),
        ("iPad\u00a0Pro\u3000new", "iPad Pro new"),
        ("one\r\n\r\ntwo\t three", "one two three"),
        ("ﬁne cafe\u0301", "fine café"),
        ("中古、ＤＶＤ！", "中古、DVD!"),
    ],
)
def test_ordinary_encodings_are_evened_out_without_suspicion(raw: str, plain: str) -> None:
    view = canonical_text(raw)
    assert view.text == plain
    assert not view.evasion


def test_a_spelled_out_acronym_is_joined_without_suspicion() -> None:
    view = canonical_text("Agents of S.H.I.E.L.D. figure")
    assert view.text == "Agents of SHIELD. figure"
    assert not view.evasion


def test_a_russian_word_of_lookalikes_stays_russian_among_russian_words() -> None:
    text = "Книга про хор и парк, Nike сок"
    assert canonical_text(text).text == text


def test_case_is_kept() -> None:
    assert canonical_text("C0CA1NE C0ca1ne СOCAINE").text == "COCAINE Cocaine COCAINE"


def test_untouched_ascii_is_the_very_same_text() -> None:
    raw = "Brand new steel bottle, 750ml."
    view = canonical_text(raw)
    assert view.text is raw
    assert view.layers == ()


def test_the_views_of_title_and_description_add_their_tricks() -> None:
    view = view_listing(Listing("1", "s", "c0ca1ne", "and h3r0in, w.e.e.d"))
    assert view.field("title").text == "cocaine"
    assert view.field("description").text == "and heroin, weed"
    assert view.evasion == {"leet": 2, "spaced": 1}


@pytest.mark.parametrize(
    "raw",
    [
        "c0ca1ne and h3r0in",
        "w e e d and c o k e",
        "pure сосаine",
        "c\u200bo\u200bke",
        "c\u0336o\u0336k\u0336e\u0336",
        "pure \u202eenia",
    ],
)
def test_hidden_words_make_a_listing_disguised(raw: str) -> None:
    assert disguised(canonical_text(raw).evasion, len(raw))


@pytest.mark.parametrize(
    "raw",
    [
        "Agents of S.H.I.E.L.D. figure",
        "𝗕𝗥𝗔𝗡𝗗 𝗡𝗘𝗪 shirt, sooooooo cuteee, Te🅰m",
        "PH0TOS of the stadium",
        "One zero-width\u200bspace",
        "D e t a i l s and sizes",
        "LycraВ tights",
    ],
)
def test_decoration_and_slips_do_not(raw: str) -> None:
    assert not disguised(canonical_text(raw).evasion, len(raw))


def test_a_long_text_may_have_more_oddities_than_a_title() -> None:
    assert disguised({"invisible": 3}, 80)
    assert not disguised({"invisible": 3}, 8000)
