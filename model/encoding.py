"""From a listing's view to the token windows that the model reads; training and serving both come through here.

Every window is `[CLS] title [SEP] a piece of the description [SEP]`, so that each piece is read with its title, and
neighbouring pieces overlap, so that nothing is cut in two. A part that is empty leaves no separator behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from tokenizers import Tokenizer

from fairstall.model.bundle import Bundle
from fairstall.model.errors import BundleError
from fairstall.model.listing import Field
from fairstall.model.view import ListingView

T = TypeVar("T")

TITLE_SHARE = 3  # a title takes a third of a window at most; the rest of it is read as description


@dataclass(frozen=True, slots=True)
class Windows:
    """`ids`: token ids per window, each at most `max_tokens` long. `complete` is False when text was left unread."""

    ids: tuple[tuple[int, ...], ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a token was read: `start:end` of a field's canonical text, in code points."""

    field: Field
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Encoder:
    """Cuts listings into windows of `max_tokens` tokens that share `overlap_tokens` with their neighbours."""

    tokenizer: Tokenizer
    max_tokens: int
    overlap_tokens: int
    max_windows: int

    def cuts_like(self, other: "Encoder") -> bool:
        """Whether both make the same windows of any text."""
        mine, theirs = ((e.max_tokens, e.overlap_tokens, e.max_windows) for e in (self, other))
        return mine == theirs and bool(self.tokenizer.to_str() == other.tokenizer.to_str())

    @property
    def last_token(self) -> int:
        """The highest token id that it gives."""
        return int(self.tokenizer.get_vocab_size()) - 1

    def windows(self, view: ListingView) -> Windows:
        title, description = self._ids(view.title.text), self._ids(view.description.text)
        windows, complete = self._cut(title, description, start=self._special("[CLS]"), end=self._special("[SEP]"))
        return Windows(windows, complete)

    def places(self, view: ListingView) -> tuple[tuple[Place | None, ...], ...]:
        """Where each token of each window was read; None for the special ones."""
        title, description = self._places(view, "title"), self._places(view, "description")
        return self._cut(title, description, start=None, end=None)[0]

    def _cut(
        self, title: Sequence[T], description: Sequence[T], *, start: T, end: T
    ) -> tuple[tuple[tuple[T, ...], ...], bool]:
        """Windows of what tokens are or of where they stand, and whether all was taken."""
        longest_title = self.max_tokens // TITLE_SHARE
        head, body = title[:longest_title], [*title[longest_title:], *description]
        room = self.max_tokens - 3 - len(head) if head else self.max_tokens - 2
        step = room - self.overlap_tokens
        starts = range(0, max(1, len(body) - self.overlap_tokens), step)
        pieces = (body[at : at + room] for at in starts[: self.max_windows])
        opened = (start, *head, end) if head else (start,)
        return tuple((*opened, *piece, end) if piece else opened for piece in pieces), len(starts) <= self.max_windows

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids if text else []

    def _places(self, view: ListingView, field: Field) -> list[Place | None]:
        text = view.field(field).text
        return [Place(field, *offsets) for offsets in self.tokenizer.encode(text, add_special_tokens=False).offsets]

    def _special(self, name: str) -> int:
        return cast(int, self.tokenizer.token_to_id(name))


def open_encoder(tokenizer_file: Path, *, max_tokens: int, overlap_tokens: int, max_windows: int) -> Encoder:
    """An Encoder from a Hugging Face `tokenizer.json` with BERT's special tokens. Raises BundleError."""
    try:
        tokenizer = Tokenizer.from_file(str(tokenizer_file))
    except Exception as error:  # the library raises bare Exception
        raise BundleError(f"{tokenizer_file} cannot be read: {error}") from error
    missing = [name for name in ("[CLS]", "[SEP]", "[PAD]") if tokenizer.token_to_id(name) is None]
    if missing:
        raise BundleError(f"{tokenizer_file} has no {', '.join(missing)}")
    if max_tokens // TITLE_SHARE * 2 - 3 <= overlap_tokens:
        raise BundleError(f"{overlap_tokens} overlapping tokens leave no room in windows of {max_tokens}")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return Encoder(tokenizer, max_tokens, overlap_tokens, max_windows)


def bundle_encoder(bundle: Bundle) -> Encoder:
    """The encoder that a bundle was trained with. Raises BundleError."""
    facts = bundle.facts
    return open_encoder(
        bundle.tokenizer,
        max_tokens=facts.max_tokens,
        overlap_tokens=facts.overlap_tokens,
        max_windows=facts.max_windows,
    )
