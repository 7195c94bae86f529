"""Passes over characters: unseen ones, stacked marks, compatibility forms, emoji used as letters. No words."""

import re
import unicodedata
from functools import lru_cache

import regex

from fairstall.model.canonical.draft import Draft
from fairstall.model.canonical.offsets import Edit
from fairstall.model.canonical.tables import STACKING_MARKS, compatibility_forms

MOST_MARKS = 6  # on one base; no orthography in use stacks more
SHORTEST_BOXED_WORD = 3
DENSE_MARKS = 3  # neighbouring letters with a mark each that no letter has composed

_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_UNSEEN = regex.compile(r"[\p{Default_Ignorable_Code_Point}\x00-\x08\x0e-\x1f\x7f\x81\x8d\x8f\x90\x9d\uFFF9-\uFFFB]+")
_TURNING = re.compile("[\u202b\u202e\u2067]")  # right-to-left embedding, override, isolate
_RIGHT_TO_LEFT = regex.compile(r"[\p{Hebrew}\p{Arabic}\p{Syriac}\p{Thaana}\p{Nko}]")
_LATIN = regex.compile(r"[\p{Latin}0-9]")
_JOINED_SCRIPTS = (
    "Arabic Syriac Mongolian Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala "
    "Khmer Myanmar Tibetan"
)
_JOINED = regex.compile("[" + "".join(rf"\p{{{script}}}" for script in _JOINED_SCRIPTS.split()) + "]")
_SELECTORS = regex.compile(r"[\p{Variation_Selector}&&[^\u180b-\u180f]]", regex.V1)
_SELECTABLE = regex.compile(r"[\p{Extended_Pictographic}\p{Han}\p{Myanmar}]")
_PICTURE = regex.compile(r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\u20e3]")
_FLAG_TAGS = regex.compile(r"[\U000E0020-\U000E007E]{1,8}\U000E007F")

_STACKED = re.compile(f"([^{STACKING_MARKS}]?)([{STACKING_MARKS}]+)")
_OVERLAYS = re.compile("[\u0334-\u0338\u0488\u0489\u20d0-\u20e2\u20e4-\u20f0]")
_HEAPED = regex.compile(rf"(?<=\p{{M}}{{{MOST_MARKS}}})\p{{M}}+")
_COMPOSABLE = regex.compile(r"[^\p{M}\u1160-\u11ff]?[\p{M}\u1160-\u11ff]+")
_IDEOGRAPHS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}]")

_FLAG_LETTERS = re.compile("[\U0001f1e6-\U0001f1ff]+")
_BOXED_LETTERS = re.compile("[\U0001f150-\U0001f169\U0001f170-\U0001f189]\ufe0f?")
_SMALL_LETTER = re.compile("[a-z]")
_BOXED_WORDS = re.compile("[A-Za-z\U0001f150-\U0001f169\U0001f170-\U0001f189\ufe0f]+")
_LETTER_OF: dict[int, str] = {0xFE0F: ""} | {
    first + place: chr(ord("A") + place) for first in (0x1F150, 0x1F170, 0x1F1E6) for place in range(26)
}
_REGIONS = (  # with a flag: ISO 3166, and what Unicode adds
    " AC AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT"
    " BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CP CQ CR CU CV CW CX CY CZ DE DG DJ DK DM DO DZ EA EC"
    " EE EG EH ER ES ET EU FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM"
    " HN HR HT HU IC ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI"
    " LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF"
    " NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE"
    " SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA"
    " UG UM UN US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW "
)


def drop_controls(draft: Draft) -> None:
    """ASCII control characters, for texts that hold nothing else of interest."""
    if _CONTROLS.search(draft.text):
        drop_unseen(draft)


def drop_unseen(draft: Draft) -> None:
    """Characters that show nothing, unless they shape their neighbours (emoji sequences, joined scripts, flags).

    Counted are `invisible` ones inside a Latin word, soft hyphens apart, and `bidi` ones that turn round a text
    without right-to-left letters.
    """
    text = draft.text
    left_to_right = _RIGHT_TO_LEFT.search(text) is None
    edits: list[Edit] = []
    for match in _UNSEEN.finditer(text):
        start, end = match.span()
        run, before, after = match[0], text[start - 1 : start], text[end : end + 1]
        shaping = _shaping(before, run, after)
        if shaping:
            start += shaping
            if start == end:
                continue
        elif left_to_right and _TURNING.search(run):
            draft.tricks["bidi"] += 1
        elif _hides(before, run, after):
            draft.tricks["invisible"] += 1
        edits.append((start, end, ""))
    draft.edit(edits)


@lru_cache(maxsize=4096)
def _shaping(before: str, run: str, after: str) -> int:
    """How many characters at the head of `run` have a visible effect between their neighbours."""
    if not before or before.isascii():
        return 1 if run[0] == "\ufe0f" and after == "\u20e3" else 0
    selector = 1 if _SELECTORS.match(run) and _SELECTABLE.match(before) else 0
    rest = run[selector:]
    if _PICTURE.match(before):
        joins = rest[:1] == "\u200d" and bool(_PICTURE.match(after)) and len(rest) == 1
        tags = _FLAG_TAGS.match(rest) if before == "\U0001f3f4" else None
        return selector + (tags.end() if tags else int(joins))
    joined = _JOINED.match(before) and rest[:1] in ("\u200c", "\u200d", *"\u180b\u180c\u180d\u180e\u180f")
    return selector + (1 if joined else 0)


@lru_cache(maxsize=4096)
def _hides(before: str, run: str, after: str) -> bool:
    if not (before and after and _LATIN.match(before) and _LATIN.match(after)):
        return False
    return bool(run.strip("\u00ad"))


def drop_stacked_marks(draft: Draft) -> None:
    """Marks heaped or struck over letters as noise; a mark that composes, or stands alone on its letter, stays."""
    text = draft.text
    edits: list[Edit] = []
    single: list[Edit] = []
    for match in _STACKED.finditer(text):
        kept, noise = _without_noise(match[1], match[2][: MOST_MARKS * 2])
        edit = (match.start(), match.end(), kept)
        if noise == 1 and match[1].isalpha():
            if single and single[-1][1] != match.start():
                edits += single if len(single) >= DENSE_MARKS else []
                single = []
            single.append(edit)
        elif noise > 1:
            edits.append(edit)
    edits = sorted(edits + (single if len(single) >= DENSE_MARKS else []))
    draft.tricks["stacked_marks"] += len(edits)
    draft.edit(edits)
    heaped = [(match.start(), match.end(), "") for match in _HEAPED.finditer(draft.text)]
    draft.tricks["stacked_marks"] += len(heaped)
    draft.edit(heaped)


@lru_cache(maxsize=4096)
def _without_noise(base: str, marks: str) -> tuple[str, int]:
    """The base with the marks that compose, and how much noise the rest is: 0 none, 1 for one plain mark, 2 certain."""
    composed = unicodedata.normalize("NFC", base + marks)
    loose = composed[len(base) :] if base else composed
    if not loose or loose == "\u20e3":
        return composed, 0
    certain = len(loose) > 1 or (base.isalnum() and _OVERLAYS.match(loose) is not None)
    return composed[: len(base)], 2 if certain else 1


def fold_compatibility_forms(draft: Draft) -> None:
    """NFKC before composition; styled letters (full-width, mathematical) are counted unless the text is East Asian."""
    text = draft.text
    forms = compatibility_forms()
    distinct = set(text)
    if not distinct.isdisjoint(forms.styled) and not _IDEOGRAPHS.search(text):
        draft.tricks["styled"] += sum(text.count(one) for one in distinct & forms.styled)
    if any(ord(one) in forms.even for one in distinct):
        draft.swap(text.translate(forms.even))
    if not distinct.isdisjoint(forms.uneven):
        matches = forms.uneven_pattern.finditer(draft.text)
        draft.edit([(match.start(), match.end(), forms.uneven[match[0]]) for match in matches])


def compose_marks(draft: Draft) -> None:
    """NFC: letters with the marks that Unicode has composed forms for."""
    if unicodedata.is_normalized("NFC", draft.text):
        return
    edits: list[Edit] = []
    for match in _COMPOSABLE.finditer(draft.text):
        composed = unicodedata.normalize("NFC", match[0])
        if composed != match[0]:
            edits.append((match.start(), match.end(), composed))
    draft.edit(edits)


def read_emoji_letters(draft: Draft) -> None:
    """Boxed letters that spell something, and regional indicators that make no flags, as the letters they show."""
    edits: list[Edit] = []
    for match in _FLAG_LETTERS.finditer(draft.text):
        letters = _letters(match[0])
        if not _are_flags(letters):
            edits += [(match.start() + at, match.start() + at + 1, letter) for at, letter in enumerate(letters)]
    if _BOXED_LETTERS.search(draft.text):
        for word in _BOXED_WORDS.finditer(draft.text):
            if len(word[0].replace("\ufe0f", "")) >= SHORTEST_BOXED_WORD:
                edits += _unboxed(word)
    draft.tricks["emoji_letters"] += len(edits)
    draft.edit(sorted(edits))


def _unboxed(word: re.Match[str]) -> list[Edit]:
    """The boxed letters of a word as letters, small ones if the word has any: `Te🅰m`."""
    small = _SMALL_LETTER.search(word[0]) is not None
    boxed = [(letter.start(), letter.end(), _letters(letter[0])) for letter in _BOXED_LETTERS.finditer(word[0])]
    return [
        (word.start() + start, word.start() + end, letters.lower() if small else letters)
        for start, end, letters in boxed
    ]


def _letters(emoji: str) -> str:
    return emoji.translate(_LETTER_OF)


def _are_flags(letters: str) -> bool:
    return len(letters) % 2 == 0 and all(f" {letters[i : i + 2]} " in _REGIONS for i in range(0, len(letters), 2))
