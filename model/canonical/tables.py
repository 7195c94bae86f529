"""Unicode facts as look-up tables, worked out on first use (about 50 ms). The passes use them, elsewhere."""

import json
import re
import string
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from itertools import chain, filterfalse

STACKING_MARKS = "\u0300-\u036f\u0488\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
LONGEST_EXPANSION = 6  # U+FDFA alone would grow eighteenfold
NEXT_LINE = 0x85
_STYLED_FORMS = ("<font>", "<wide>", "<circle>", "<square>", "<super>", "<sub>", "<compat> 0028")
_KEPT = "™℠⅟↉ϲϹ\u0e33\u0eb3"  # the sigmas look like c, which their plain forms do not; then Thai and Lao vowels
_KEPT_NAMES = ("VULGAR FRACTION", "HANGUL LETTER")
_ORDINARY_STYLED = "ªºⓂℹ™℠"  # Spanish ordinals, emoji and marks; not lettering
# Alike to the eye, yet not in TR39, which asks for more: they count only beside Latin letters in the same word.
_NEAR_LOOKALIKES = dict(zip("кКмМтпнвгяєεηκτχωλςϲϹ", "kKmMtnhbrreenktxwlccC", strict=True))


@dataclass(frozen=True, slots=True)
class CompatibilityForms:
    """NFKC by character: `even` keeps lengths (for str.translate), `uneven` does not; `styled` is lettering."""

    even: dict[int, str]
    uneven: dict[str, str]
    uneven_pattern: re.Pattern[str]
    styled: frozenset[str]


@cache
def compatibility_forms() -> CompatibilityForms:
    """NFKC as tables, less the forms that would change what the text says.

    Left alone are spacing accents (NFKC makes two of them, a space and a loose accent), fractions (`10½` would read
    `101/2`), trade marks (`NikeTM`), ligatures of whole sentences, and the Thai, Lao and Korean letters that NFKC takes
    apart though every keyboard types them. Parenthesised letters become bare ones, small capitals and other phonetic
    letters that no spelling uses the letters they look like, C1 controls what Windows-1252 means by them, as in HTML.
    """
    even: dict[int, str] = {}
    uneven: dict[str, str] = {}
    styled: set[str] = set()
    for character, folded in (*_windows_punctuation(), *_folded_characters()):
        if len(folded) == 1:
            even[ord(character)] = folded
        else:
            uneven[character] = folded
        if _is_lettering(character, folded):
            styled.add(character)
    phonetic = dict(_small_capitals()) | {"ɑ": "a", "ɡ": "g", "ɩ": "i"}
    even |= {ord(character): letter for character, letter in phonetic.items()}
    return CompatibilityForms(even, uneven, _one_of(uneven), frozenset(styled | phonetic.keys()))


@dataclass(frozen=True, slots=True)
class Lookalikes:
    """Letters that pass for a Latin one: `strict` by Unicode TR39, `near` with those that fool a reader in a word."""

    strict: dict[str, str]
    near: dict[str, str]


@cache
def lookalikes() -> Lookalikes:
    """Confusables (Unicode TR39) between other scripts' letters and ASCII letters, accented ones by their base."""
    strict = {
        character: _same_case(character, targets)
        for character, targets in _confusable_letters()
        if unicodedata.name(character, "LATIN").split()[0] != "LATIN"
    }
    near = _NEAR_LOOKALIKES | strict | {"ӏ": "l"}  # TR39 has i for it
    return Lookalikes(strict | _accented(strict), near | _accented(near))


def _folded_characters() -> Iterator[tuple[str, str]]:
    """Every character that NFKC changes for the better; planes 3 to 13 have none."""
    characters = map(chr, chain(range(0x80, 0xD800), range(0xE000, 0x32000)))
    for character in filterfalse(partial(unicodedata.is_normalized, "NFKC"), characters):
        folded = _folded(character)
        if folded != character:
            yield character, folded


def _folded(character: str) -> str:
    form = unicodedata.decomposition(character)
    name = unicodedata.name(character, "")
    if form.startswith("<compat> 0020") or name.startswith(_KEPT_NAMES) or character in _KEPT:
        return character
    if name.startswith("PARENTHESIZED LATIN"):
        return unicodedata.normalize("NFKC", character)[1]
    folded = unicodedata.normalize("NFKC", character)
    spaced_accent = folded[0] == " " and len(folded) > 1
    return character if spaced_accent or len(folded) > LONGEST_EXPANSION else folded


def _windows_punctuation() -> Iterator[tuple[str, str]]:
    for code in range(0x80, 0xA0):
        character = bytes([code]).decode("cp1252", errors="ignore")
        if character and code != NEXT_LINE:
            yield chr(code), _folded(character)


def _is_lettering(character: str, folded: str) -> bool:
    form = unicodedata.decomposition(character)
    letters = len(folded) == 1 and folded in string.ascii_letters
    return letters and form.startswith(_STYLED_FORMS) and character not in _ORDINARY_STYLED


def _small_capitals() -> Iterator[tuple[str, str]]:
    prefix = "LATIN LETTER SMALL CAPITAL "
    for code in (*range(0x250, 0x2B0), *range(0x1D00, 0x1D80), *range(0xA700, 0xA800)):
        name = unicodedata.name(chr(code), "")
        if name.startswith(prefix) and len(name) == len(prefix) + 1:
            yield chr(code), name[-1].lower()


def _confusable_letters() -> Iterator[tuple[str, list[str]]]:
    small_capitals = dict(_small_capitals())
    data = resources.files("confusable_homoglyphs") / "confusables.json"  # its own loader brings in urllib
    for character, alike in json.loads(data.read_text(encoding="utf-8")).items():
        if len(character) > 1 or character.isascii() or not character.isalpha():
            continue
        if unicodedata.is_normalized("NFKC", character):
            targets = [small_capitals.get(one["c"], one["c"]) for one in alike]
            letters = [one for one in targets if len(one) == 1 and one in string.ascii_letters]
            if letters:
                yield character, letters


def _same_case(character: str, targets: list[str]) -> str:
    same = [one for one in targets if one.isupper() == character.isupper()]
    target = (same or targets)[0]
    return "I" if target == "l" and not character.islower() else target  # TR39 has l for both


def _accented(bases: dict[str, str]) -> dict[str, str]:
    """The accented Greek and Cyrillic letters whose base is in `bases`, such as `ё`, each with its base's letter."""
    found = {}
    for code in (*range(0x370, 0x530), *range(0x1F00, 0x2000)):
        parts = unicodedata.normalize("NFD", chr(code))
        if len(parts) > 1 and parts[0] in bases and unicodedata.is_normalized("NFC", chr(code)):
            found[chr(code)] = bases[parts[0]]
    return found


def _one_of(characters: dict[str, str]) -> re.Pattern[str]:
    return re.compile(f"[{re.escape(''.join(sorted(characters)))}]")
