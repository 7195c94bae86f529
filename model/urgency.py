"""How soon a person should look: when a case is due, and its place in the queue. Who waits there is not known here."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from fairstall.model.policies import Policy, ReviewTerms

TYPICAL_REACH = 1_000  # people a day, where nobody said
WIDEST_REACH = 1_000_000  # from here on more does not count for more


@dataclass(frozen=True, slots=True)
class Urgency:
    """`due_at`: by when a case should be decided. `urgent_at`: the earlier, the sooner it is handed out."""

    due_at: datetime
    urgent_at: datetime


def urgency_of(
    opened_at: datetime,
    risk: float,
    *,
    policies: Iterable[Policy] = (),
    market: str | None = None,
    reach: int | None = None,
) -> Urgency:
    """When a case of that `risk`, 0 to 1, is due by the strictest of its policies, and where it stands in the queue.

    Its place is a moment between its opening and its due time: the more harm it may do, which is risk times exposure,
    the earlier. The queue is worked off in the order of these moments (earliest deadline first, Liu and Layland 1973).
    They never change, so a case is overtaken only by those opened before its due time: none starves.
    """
    terms = [policy.review for policy in policies] or [ReviewTerms()]
    window = timedelta(hours=min(one.due_hours_in(market) for one in terms))
    return Urgency(opened_at + window, opened_at + window * (1.0 - risk * exposure(reach)))


def exposure(reach: int | None) -> float:
    """How much a reach counts, a half for nobody to 1 for a million people a day; each tenfold counts the same."""
    people = TYPICAL_REACH if reach is None else min(reach, WIDEST_REACH)
    return 0.5 + 0.5 * math.log10(1 + people) / math.log10(1 + WIDEST_REACH)
