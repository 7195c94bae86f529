"""The canonical view: what a listing says once the tricks that hide it are undone, with the way back to the raw text.

The passes that undo them are in the `view_*` modules; matching and scoring are not here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fairstall.model.canonical.characters import (
    compose_marks,
    drop_controls,
    drop_stacked_marks,
    drop_unseen,
    fold_compatibility_forms,
    read_emoji_letters,
)
from fairstall.model.canonical.draft import Draft
from fairstall.model.canonical.leet import read_leetspeak
from fairstall.model.canonical.lookalikes import fold_lookalikes
from fairstall.model.canonical.offsets import Layer, grapheme_span
from fairstall.model.canonical.words import even_out_space, join_spaced_words, shorten_stretched_words
from fairstall.model.listing import Field, Listing

_CHARACTER_PASSES = (
    drop_unseen,
    fold_compatibility_forms,
    read_emoji_letters,
    drop_stacked_marks,
    fold_lookalikes,
    compose_marks,
)
_WORD_PASSES = (join_spaced_words, read_leetspeak, shorten_stretched_words, even_out_space)

CHARACTERS_PER_ODDITY = 2000
_ORDINARY = {"confusable": 1, "invisible": 1, "stacked_marks": 2}


@dataclass(frozen=True, slots=True)
class CanonicalText:
    """`text` as it reads; `evasion` counts what was undone, by trick. Positions are Unicode code points."""

    text: str
    raw: str
    layers: tuple[Layer, ...]
    evasion: Mapping[str, int]

    def raw_span(self, start: int, end: int) -> tuple[int, int]:
        """The slice of the raw text behind `text[start:end]`, widened to whole grapheme clusters."""
        start, end, _ = slice(start, end).indices(len(self.text))
        end = max(start, end)
        for layer in reversed(self.layers):
            start, end = layer.start_before(start), layer.end_before(end)
        return grapheme_span(self.raw, start, max(start, end))


@dataclass(frozen=True, slots=True)
class ListingView:
    """A listing's canonical title and description; `evasion` is the sum of theirs."""

    title: CanonicalText
    description: CanonicalText
    evasion: Mapping[str, int]

    @property
    def blank(self) -> bool:
        """Whether there is nothing to read: all that the text has are characters that nobody sees."""
        return not (self.title.text.strip() or self.description.text.strip())

    def field(self, name: Field) -> CanonicalText:
        return self.title if name == "title" else self.description


def canonical_text(raw: str) -> CanonicalText:
    """The canonical view of `raw`, in time linear in its length."""
    draft = Draft(raw)
    if raw.isascii():
        drop_controls(draft)
    else:
        for character_pass in _CHARACTER_PASSES:
            character_pass(draft)
    for word_pass in _WORD_PASSES:
        word_pass(draft)
    evasion = {trick: times for trick, times in draft.tricks.items() if times}
    return CanonicalText(draft.text, raw, tuple(draft.layers), evasion)


def view_listing(listing: Listing) -> ListingView:
    title, description = canonical_text(listing.title), canonical_text(listing.description)
    return ListingView(title, description, _sum(title.evasion, description.evasion))


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> Mapping[str, int]:
    return {trick: one.get(trick, 0) + other.get(trick, 0) for trick in {**one, **other}}


def disguised(evasion: Mapping[str, int], length: int) -> bool:
    """Whether somebody evidently hides words in a listing of `length` characters, so that a person should look.

    One oddity is ordinary, and a long text may have more: a letter typed in the wrong keyboard layout, a pasted
    zero-width space, a heading in spaced letters. Stretched words, styled letters and emoji letters are decoration.
    """
    ordinary = 1 + length // CHARACTERS_PER_ODDITY
    if evasion.get("bidi") or evasion.get("leet", 0) + evasion.get("spaced", 0) > ordinary:
        return True
    return any(evasion.get(trick, 0) > allowed * ordinary for trick, allowed in _ORDINARY.items())
