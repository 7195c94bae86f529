"""Ids for listings that come without: other protocols know texts, and neither listings nor sellers."""

import hashlib

from fairstall.records.keys import ApiKey

MAX_ID_CHARACTERS = 200


def listing_id_of(title: str, description: str) -> str:
    """The same text is the same listing, whoever sends it and however often."""
    digest = hashlib.sha256(f"{title}\n{description}".encode()).hexdigest()
    return f"text-{digest[:32]}"


def seller_id_of(caller: ApiKey) -> str:
    """The caller stands for the sellers that it does not name; a key that takes the place of another keeps its name."""
    return f"key:{caller.name}"[:MAX_ID_CHARACTERS]
