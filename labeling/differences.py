"""In which words two listings differ: enough to see at a glance what a copy changed."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from fairstall.model.listing import Listing

WORDS_SHOWN = 12
WORD_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Difference:
    """Words of title and description, in their order, at most 12 each; `more` counts the rest."""

    added: tuple[str, ...]
    missing: tuple[str, ...]
    more: int

    def __bool__(self) -> bool:
        return bool(self.added or self.missing)


def difference(first: Listing, other: Listing) -> Difference:
    """What `other` says that `first` does not, and the other way round, as often as it does. Linear in their length."""
    added, missing = list(_surplus(other, first)), list(_surplus(first, other))
    more = sum(max(0, len(words) - WORDS_SHOWN) for words in (added, missing))
    return Difference(tuple(added[:WORDS_SHOWN]), tuple(missing[:WORDS_SHOWN]), more)


def _surplus(one: Listing, other: Listing) -> Iterator[str]:
    left = Counter(_words(other))
    for word in _words(one):
        if left[word]:
            left[word] -= 1
        else:
            yield word[:WORD_CHARACTERS]


def _words(listing: Listing) -> list[str]:
    return f"{listing.title} {listing.description}".split()
