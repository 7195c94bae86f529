"""Whether a listing is in a language that the model was trained for. What follows when it is not, decide() says."""

import io
import lzma
import math
import re
import unicodedata
from array import array
from functools import lru_cache
from typing import Any
from zipfile import ZipFile

import numpy as np
import regex
from numpy.typing import NDArray
from py3langid.langid import MODEL_DIR, MODEL_FILE

from fairstall.model.errors import SetupError
from fairstall.model.listing import Listing

FOREIGN_SHARE = 0.1  # of the letters; a name in another script is ordinary
FEWEST_FOREIGN_LETTERS = 2
CHARACTERS_READ = 1000
FEWEST_WORDS = 4
FEWEST_LETTERS = 20
ODDS = 50  # a foreign language must be so much likelier than every covered one: brand names alone reach about 30
ODDS_AGAINST_DECLARED = 1000

# Languages that marketplaces see in Latin letters. Fewer candidates make fewer mistakes on names: left to itself, the
# identifier takes English product titles for Latin, Welsh or Nigerian Pidgin.
# fmt: off
_CANDIDATES = frozenset({
    "ca", "cs", "da", "de", "en", "es", "et", "fi", "fr", "hr", "hu", "id", "it", "lt", "lv", "ms", "nl", "no", "pl",
    "pt", "ro", "sk", "sl", "sv", "tl", "tr", "vi",
})
# fmt: on
_SCRIPTS = {
    "Arabic": "ar fa ps sd ug ur",
    "Armenian": "hy",
    "Bengali": "as bn",
    "Cyrillic": "be bg kk ky mk mn ru sr tg uk",
    "Devanagari": "hi mr ne sa",
    "Ethiopic": "am ti",
    "Georgian": "ka",
    "Greek": "el",
    "Gujarati": "gu",
    "Gurmukhi": "pa",
    "Han": "ja ko yue zh",
    "Hangul": "ko",
    "Hebrew": "he yi",
    "Hiragana": "ja",
    "Kannada": "kn",
    "Katakana": "ja",
    "Khmer": "km",
    "Lao": "lo",
    "Malayalam": "ml",
    "Myanmar": "my",
    "Sinhala": "si",
    "Tamil": "ta",
    "Telugu": "te",
    "Thai": "th",
}
_LETTER = regex.compile(r"[\p{L}--[\p{Common}\p{Inherited}]]", regex.V1)
_WORD = re.compile(r"[^\W\d_]{2,}")


class LanguageGate:
    """Knows the languages of a model by their BCP 47 tags; only the first part of a tag counts. Safe to share."""

    def __init__(self, languages: tuple[str, ...]) -> None:
        self.languages = frozenset(_primary(language) for language in languages)
        self._foreign_letter = _letter_outside(_scripts_of(self.languages))

    def covers(self, listing: Listing) -> bool:
        """Whether the model can be expected to read this listing; without evidence against it, yes.

        A declared language that is not covered settles it. One that is covered may be declared falsely, or by a form's
        default, so script and text are looked at all the same; it only takes more to contradict it.
        """
        if listing.language and _primary(listing.language) not in self.languages:
            return False
        text = f"{listing.title} {listing.description}"
        odds = ODDS_AGAINST_DECLARED if listing.language else ODDS
        return not self._is_in_foreign_script(text) and not self._reads_foreign(text[:CHARACTERS_READ], odds)

    def warm_up(self) -> None:
        """Load the identifier now (0.7 s, 55 MB) rather than with the first listing."""
        _identifier(self.languages)

    def _is_in_foreign_script(self, text: str) -> bool:
        if text.isascii():
            return False
        foreign = len(self._foreign_letter.findall(text))
        return foreign >= FEWEST_FOREIGN_LETTERS and foreign > FOREIGN_SHARE * len(_LETTER.findall(text))

    def _reads_foreign(self, text: str, odds: float) -> bool:
        text = unicodedata.normalize("NFKC", text).lower()
        return _tells_enough(text) and _identifier(self.languages).odds_against(text) > odds


def _tells_enough(text: str) -> bool:
    words = letters = 0
    for word in _WORD.finditer(text):
        words, letters = words + 1, letters + word.end() - word.start()
        if words >= FEWEST_WORDS and letters >= FEWEST_LETTERS:
            return True
    return False


def _primary(tag: str) -> str:
    return tag.replace("_", "-").split("-")[0].lower()


def _scripts_of(languages: frozenset[str]) -> list[str]:
    """Scripts to expect: Latin always, for the names of goods."""
    return ["Latin", *(script for script, users in _SCRIPTS.items() if languages.intersection(users.split()))]


def _letter_outside(scripts: list[str]) -> regex.Pattern[str]:
    expected = "".join(rf"\p{{{script}}}" for script in (*scripts, "Common", "Inherited"))
    return regex.compile(rf"[\p{{L}}--[{expected}]]", regex.V1)


class _Identifier:
    """Naive Bayes over byte n-grams (Lui and Baldwin 2012) with py3langid's model, cut down to the candidates.

    The library's own `rank` gives the same chances, but sorts all languages, and the weights that it reads lie apart.
    """

    def __init__(self, languages: frozenset[str]) -> None:
        with ZipFile(_unpacked((MODEL_DIR / MODEL_FILE).read_bytes())) as model:
            labels = _read(model, "classes").tolist()
            kept = [column for column, label in enumerate(labels) if label in _CANDIDATES | languages]
            self._weights = np.ascontiguousarray(_read(model, "ptc")[:, kept])
            self._priors = _read(model, "pc")[kept]
            # Of a state 17 bits are used; 4 bytes for each would take 20 MB more of a service that has 350.
            states = _read(model, "nextmove")
            if states.max() >= 1 << 17:
                raise SetupError("this py3langid has another model than those that Fairstall can read")
            self._low_bits = _as_array(states.astype(np.uint16))
            self._high_bits = np.packbits(states > np.iinfo(np.uint16).max, bitorder="little").tobytes()
            row_starts = _read(model, "nextmove_row").astype(np.uint32) << np.uint32(8)  # a state for each byte
            self._row_starts = _as_array(row_starts)
            self._feature_of = _read(model, "out_feat").astype(np.int32)
        labels = [labels[column] for column in kept]
        self._ours = [column for column, label in enumerate(labels) if label in languages]
        firsts = [labels.index(label) for label in labels]
        self._aliases = [(first, column) for column, first in enumerate(firsts) if first != column]

    def odds_against(self, text: str) -> float:
        """How many times likelier the likeliest language is than the likeliest covered one; 0 when none is known."""
        if not self._ours:
            return 0.0
        encoded = unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")
        scores = self._scores(encoded) / math.sqrt(len(encoded))
        chances = np.exp(scores - scores.max())
        for first, again in self._aliases:  # a language in two scripts
            chances[first] += chances[again]
        ours = float(chances[self._ours].max())
        return float(chances.max()) / ours if ours else math.inf

    def _scores(self, encoded: bytes) -> NDArray[np.float32]:
        """Log-probabilities but for a constant, one a language."""
        state, low_bits, high_bits, row_starts = 0, self._low_bits, self._high_bits, self._row_starts
        states = [
            state := low_bits[at := row_starts[state] + byte] | (high_bits[at >> 3] >> (at & 7) & 1) << 16
            for byte in encoded
        ]
        found = self._feature_of[states]
        features, counts = np.unique(found[found >= 0], return_counts=True)
        if not len(features):
            return np.zeros_like(self._priors)
        weights = self._weights[features].astype(np.float32)
        scores: NDArray[np.float32] = np.log1p(counts, dtype=np.float32) @ weights + self._priors
        return scores


@lru_cache(maxsize=4)
def _identifier(languages: frozenset[str]) -> _Identifier:
    return _Identifier(languages)


def _unpacked(packed: bytes) -> io.BytesIO:
    """In one go, during which other threads work. py3langid's own loader would wait for them hundreds of times."""
    return io.BytesIO(lzma.decompress(packed))


def _read(model: ZipFile, name: str) -> NDArray[Any]:
    """An array of an .npz file, without the copies that numpy's own reader makes."""
    content = model.read(f"{name}.npy")
    head = io.BytesIO(content)
    np.lib.format.read_magic(head)
    shape, by_columns, kind = np.lib.format.read_array_header_1_0(head)
    return np.frombuffer(content, kind, offset=head.tell()).reshape(shape, order="F" if by_columns else "C")


def _as_array(numbers: NDArray[np.unsignedinteger]) -> "array[int]":
    """The same numbers where Python reads single ones fastest."""
    found = array(numbers.dtype.char)
    found.frombytes(numbers.data.cast("B"))
    return found
