"""How much the service takes on at once, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of everything that waits. Tokens are those of the model that serves.

    Scores of the last `remembered_texts` texts are kept for the next listing with the same text; 0 keeps none.
    `shadow_tokens` of answered listings wait for a shadow at most; it drops what comes then.
    `unexplained_cases` wait in memory for their evidence at most; others are found in the store later.
    A new listing is compared with the last `blocked_prints` that were blocked.
    `deadline_s` runs from a listing's admission to its scores; `body_deadline_s` from the head of a request to its end,
    and `head_deadline_s` from its first byte (of the first request: from the connection) to the end of its head.
    A look into the store takes `store_deadline_s` at most, and so does a transaction that stores.
    A caller who reads none of what waits for him for `unread_deadline_s` is cut off.
    Above `connections` no work is taken on. `held_bytes`: the bodies of all requests that are not answered yet.
    """

    lanes: int = 2
    waiting_tokens: int = 65_536
    waiting_submissions: int = 1_024
    deadline_s: float = 5.0
    store_deadline_s: float = 6.0
    connections: int = 10_000
    head_deadline_s: float = 15.0
    body_deadline_s: float = 15.0
    unread_deadline_s: float = 30.0
    head_bytes: int = 65_536
    body_bytes: int = 1_000_000
    batch_bytes: int = 8_000_000
    held_bytes: int = 128_000_000
    batch_listings: int = 100
    batch_side_by_side: int = 16
    key_cache_s: float = 5.0
    remembered_texts: int = 20_000
    shadow_tokens: int = 65_536
    unexplained_cases: int = 1_024
    blocked_prints: int = 100_000
