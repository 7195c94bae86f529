"""The listings that are sent: how they are chosen and what is told of them."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from fairstall.model.assess import Assessor, assess_listings
from fairstall.model.listing import Listing
from fairstall.model.scorer import Scorer
from fairstall.model.wire import json_line, listing_body
from fairstall.serving.bench.results import ListingFacts

COUNT = 500
FEWEST_WORDS, MOST_WORDS = 30, 107


def choose_listings(candidates: Iterable[Listing], count: int) -> list[Listing]:
    """At most `count` of usual length, the same ones each time."""
    usual = (one for one in candidates if FEWEST_WORDS <= words(one) <= MOST_WORDS)
    return sorted(usual, key=lambda one: _digest([one]))[:count]


def words(listing: Listing) -> int:
    return len(listing.title.split()) + len(listing.description.split())


def listing_facts(
    listings: Sequence[Listing], source: str, assessor: Assessor, scorers: Sequence[Scorer]
) -> ListingFacts:
    """What is told of the listings; each is assessed once, as if alone."""
    assessed = assess_listings(assessor, scorers, listings)
    outcomes = Counter(str(one.outcome) for one in assessed)
    tokens = [sum(map(len, assessor.prepare(one).windows.ids)) for one in listings]
    return ListingFacts(
        source=source,
        count=len(listings),
        median_words=median(map(words, listings)),
        median_tokens=median(tokens),
        sha256=_digest(listings),
        outcomes={outcome: number / len(listings) for outcome, number in sorted(outcomes.items())},
    )


def _digest(listings: Sequence[Listing]) -> str:
    return hashlib.sha256("\n".join(json_line(listing_body(one)) for one in listings).encode()).hexdigest()
