"""The pass over words with digits and signs for letters, such as `c0ca1ne`. Model numbers and sizes stay."""

import re
from dataclasses import dataclass

from fairstall.model.canonical.draft import Draft
from fairstall.model.canonical.lexicon import hidden_word, is_word
from fairstall.model.canonical.offsets import Edit

ENOUGH_CERTAIN = 2  # different words that are leetspeak beyond doubt
ENOUGH_IN_ALL = 3  # different words, the likely ones included
SHARE_IN_ALL = 0.4  # of a text's words

_ANY_SIGN = "0134578@$!"
_LETTER_FOR = str.maketrans("0134578@$!", "oieastbasi")
_SIGN_BY_LETTER = re.compile(r"[A-Za-z][0134578@$!]|[0134578@$!][A-Za-z]")
_VOWEL_PAIR = re.compile(r"[0134@]{2}\Z")
_PAIRS = ("00", "11", "33", "55", "$$")
_CANDIDATE = re.compile(r"(?<![\w@$!])(?=[A-Za-z]*+[0134578@$!]++[A-Za-z])[\w@$!]++")
_WIDE_CANDIDATE = re.compile(r"(?<![\w@$!])(?=[A-Za-z]*+[0134578@$!])[0-9A-Za-z@$!]++(?!\w)")
_EDGE_SIGN = re.compile(r"[0134578@$!][A-Za-z]{3,}\Z|[A-Za-z]{3,}[0345@$]\Z")
_SHAPE = re.compile(r"[0134578@$!]*[A-Za-z]+(?:[0134578@$!]+[A-Za-z]+)*[0134578@$!]*\Z")
_SIGNS = re.compile(r"[^A-Za-z]+")
_SIGN_FOR_VOWEL = re.compile(r"[0134@!]")
_INNER_SIGN = re.compile(r"[A-Za-z][^A-Za-z]+[A-Za-z]|[^A-Za-z][A-Za-z]+[^A-Za-z]")
_MEASURE = re.compile(r"\dx\d|\din\d|(?:buy|pay|get|take)\d", re.IGNORECASE)
_UNIT = re.compile(
    r"\d(?:[mck]m|[mk]g|ml|[gt]b|ft|inch|oz|pcs?|pack|lbs?|m?ah|hz|0s|rd|th|st|plus|pro|max|prime|mini|lite|ultra|edge)\Z",
    re.IGNORECASE,
)
_FOR_OR_GET = re.compile(r"[A-Za-z]{3,}[14][A-Za-z]{3,}\Z")  # glitter4girls, buy1get
_MAIL = re.compile(
    r"@(?:[\w-]+[.-]\w|gmail|googlemail|hotmail|outlook|yahoo|icloud|proton|tutanota|mail|aol)", re.IGNORECASE
)
_UNLIKELY = re.compile(
    r"[^aeiouy]{4}|[aeiou]{3}|aa|ii|uu|yy|([a-z])\1\1|[^aeiouy]{2}\Z(?<!"
    r"ch|ck|ct|ds|dd|ff|ft|gh|gs|gg|ks|ld|lf|lk|ll|lm|lp|ls|lt|mp|ms|nd|ng|nk|nn|ns|nt|ps|pt|rb|rc|rd|rf|rg|rk|rl|rm|rn|rp"
    r"|rs|rt|rv|sh|sk|sp|ss|st|th|ts|tt|wk|wl|wn|ws|xt|zz|bs)"
)
_ONSET = re.compile(
    r"(?:[^aeiouy]?|[bcfgkps]l|[bcdfgkptw]r|[cgpstw]h|kn|ph|ps|qu|s[cklmnpqtw]|shr|sch|sc[hr]|sp[hlr]|str|spl|thr|tw|wr|ts)[aeiouy]"
)


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    text: str


def read_leetspeak(draft: Draft) -> None:
    """Digits and signs inside words as the letters they stand for; counted by word.

    Words that can hardly be anything else are read on their own. Others, which look like model numbers as well, are
    read once the text has enough of both.
    """
    text = draft.text
    if not _SIGN_BY_LETTER.search(text):
        return
    found = [word for word in map(_bare, _CANDIDATE.finditer(text)) if word.text.isascii()]
    certain = [word for word in found if _is_certain(word.text, text[word.start + len(word.text) :][:3])]
    likely = [word for word in map(_bare, _WIDE_CANDIDATE.finditer(text)) if _is_likely(word, text)]
    more = likely if _is_leetspeak(text, certain, likely) else _spelled_out(certain, likely)
    read = sorted({*certain, *more}, key=lambda word: word.start)
    draft.tricks["leet"] += len(read)
    draft.swap_slices([_fold(word) for word in read])


def _bare(match: re.Match[str]) -> _Word:
    """The word without the signs behind it, which may be punctuation."""
    return _Word(match.start(), match[0].rstrip("@$!"))


def _is_leetspeak(text: str, certain: list[_Word], likely: list[_Word]) -> bool:
    """Whether the whole text is in it: by two different certain words, one and two likely ones, or by its share."""
    kinds = {word.text.lower() for word in certain}
    inner = {word.text.lower() for word in likely if _INNER_SIGN.search(word.text)} | kinds
    if len(kinds) >= ENOUGH_CERTAIN or (kinds and len(inner) >= ENOUGH_IN_ALL):
        return True
    return len(inner) >= ENOUGH_IN_ALL and len(inner) >= SHARE_IN_ALL * len(text.split())


def _spelled_out(certain: list[_Word], likely: list[_Word]) -> list[_Word]:
    """The likely ones that the lexicon has, next to a certain one or to another of their kind: `mdm4 pur3`.

    A number before or behind a word is a number: `5way`, `pack4`.
    """
    words = [word for word in likely if hidden_word(word.text) and not is_word(word.text.strip(_ANY_SIGN))]
    enough = certain or len({word.text.lower() for word in words}) >= ENOUGH_CERTAIN
    return words if enough else []


def _fold(word: _Word) -> Edit:
    letters = hidden_word(word.text) or word.text.replace("11", "ll").translate(_LETTER_FOR)
    if word.text.isupper():
        letters = letters.upper()
    elif word.text[0].isupper():
        letters = letters[0].upper() + letters[1:]
    return word.start, word.start + len(word.text), letters


def _is_certain(word: str, following: str) -> bool:
    if len(word) < 4 or not _SHAPE.match(word) or not _is_one_case(word) or _MEASURE.search(word) or _UNIT.search(word):
        return False
    if _is_mail(word, following):
        return False
    return (_hides_a_word(word) and not _FOR_OR_GET.match(word)) or (_signs_spell(word) and _is_pronounceable(word))


def _is_mail(word: str, following: str) -> bool:
    return "@" in word and _MAIL.search(word + following) is not None


def _hides_a_word(word: str) -> bool:
    """Whether it spells a word with signs among its letters, more letters than signs; a number at an end may be one."""
    letters = sum(character.isalpha() for character in word)
    return letters * 2 > len(word) and _INNER_SIGN.search(word) is not None and hidden_word(word) is not None


def _is_one_case(word: str) -> bool:
    return word.islower() or word.isupper() or (word[0].isupper() and word[1:].islower())


def _signs_spell(word: str) -> bool:
    """Whether the digits and signs stand where single letters do, more than once or well inside of the word."""
    signs = list(_SIGNS.finditer(word))
    letters = len(word) - sum(len(sign[0]) for sign in signs)
    inner = [sign for sign in signs if sign.start() > 0 and sign.end() < len(word)]
    if not inner:
        return False
    if any(len(sign[0]) > 1 and sign[0] not in _PAIRS for sign in signs):
        return _is_mostly_signs(word, signs, inner=len(inner), letters=letters)
    if len(inner) == 1 and (word.isupper() or len(inner[0][0]) == 1):
        return _single_sign_spells(word, inner[0], letters)
    return letters >= (4 if word.isupper() else 2) and letters >= len(word) - letters


def _is_mostly_signs(word: str, signs: list[re.Match[str]], *, inner: int, letters: int) -> bool:
    """Neighbouring signs that differ, as in `c0c41n3`, look like a number unless there is more of the kind."""
    paired = all(len(sign[0]) == 1 or sign[0] in _PAIRS or _VOWEL_PAIR.match(sign[0]) for sign in signs)
    return paired and word.islower() and inner > 1 and letters > 2 and letters * 2 >= len(word) - 1


def _single_sign_spells(word: str, sign: re.Match[str], letters: int) -> bool:
    left, right = sign.start(), len(word) - sign.end()
    if sign[0] in "57":
        return left > 1 and right > 1 and letters > 4 and word[1:].islower()
    if letters < (4 if word.isupper() else 3) or _FOR_OR_GET.match(word):
        return False
    if sign[0] == "!":
        return left <= 2 and right > 1
    return sign[0] in ("$", "@") or (sign[0] != "8" and (right > 1 or left == 3))


def _is_pronounceable(word: str) -> bool:
    spelled = word.replace("11", "ll").translate(_LETTER_FOR).lower()
    return _ONSET.match(spelled) is not None and not _UNLIKELY.search(spelled)


def _is_likely(word: _Word, text: str) -> bool:
    """The looser test for a text with leetspeak elsewhere; quantities (`5g`) and models (`a4`) still stay."""
    token = word.text
    if len(token) < 3 or token.isalpha() or not _SHAPE.match(token) or _MEASURE.search(token) or _UNIT.search(token):
        return False
    if _is_mail(token, text[word.start + len(token) :][:3]):
        return False
    if hidden_word(token) is not None:
        return True
    inner = _INNER_SIGN.search(token) is not None
    return (inner or _EDGE_SIGN.match(token) is not None) and _is_pronounceable(token)
