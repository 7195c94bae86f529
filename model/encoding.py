"""From a listing's view to the token windows that the model reads; training and serving both come through here.

Every window is `[CLS] title [SEP] a piece of the description [SEP]`, so that each piece is read with its title, and
neighbouring pieces overlap, so that nothing is cut in two. A part that is empty leaves no separator behind.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tokenizers import Tokenizer

from fairstall.model.bundle import Bundle
from fairstall.model.errors import BundleError
from fairstall.model.view import ListingView

TITLE_SHARE = 3  # a title takes a third of a window at most; the rest of it is read as description


@dataclass(frozen=True, slots=True)
class Windows:
    """`ids`: token ids per window, each at most `max_tokens` long. `complete` is False when text was left unread."""

    ids: tuple[tuple[int, ...], ...]
    complete: bool


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
        longest_title = self.max_tokens // TITLE_SHARE
        head, body = title[:longest_title], title[longest_title:] + description
        room = self.max_tokens - 3 - len(head) if head else self.max_tokens - 2
        pieces, complete = self._pieces(body, room)
        start, end = self._special("[CLS]"), self._special("[SEP]")
        opened = [start, *head, end] if head else [start]
        windows = [(*opened, *piece, end) if piece else tuple(opened) for piece in pieces]
        return Windows(tuple(windows), complete)

    def _pieces(self, body: list[int], room: int) -> tuple[list[list[int]], bool]:
        step = room - self.overlap_tokens
        starts = range(0, max(1, len(body) - self.overlap_tokens), step)
        return [body[start : start + room] for start in starts[: self.max_windows]], len(starts) <= self.max_windows

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids if text else []

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
