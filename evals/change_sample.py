"""Which changed decisions to read before publishing, and what each shows. The same ledger gives the same ones."""

import hashlib
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any, TypeAlias

from fairstall.evals.replay import Change, Move, Side
from fairstall.model.decide import Evidence, Finding, Outcome
from fairstall.model.listing import Listing

Kind: TypeAlias = tuple[Move, str]


class ChangeSample:
    """Up to `size` changed decisions, spread over the kinds of change: from which outcome to which, by which policy.

    Of each kind it keeps those whose hash with `seed` is smallest, so that neither their order matters nor how the
    ledger is cut.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self._size, self._seed = size, seed
        self._kept: dict[Kind, list[tuple[int, str]]] = {}

    def offer(self, decision_id: str, change: Change) -> None:
        if change.changed and self._size:
            self._keep((change.move, next(iter(change.shifted), "")), (-self._rank(decision_id), decision_id))

    def absorb(self, other: "ChangeSample") -> None:
        """Take in what another sample of the same size and seed has kept."""
        for kind, entries in other._kept.items():
            for entry in entries:
                self._keep(kind, entry)

    def chosen(self) -> list[str]:
        """Ids of decisions: one of each kind in turn until there are enough."""
        ranked = [[name for _, name in sorted(self._kept[kind], reverse=True)] for kind in sorted(self._kept)]
        turns = (name for turn in zip_longest(*ranked) for name in turn if name is not None)
        return [name for name, _ in zip(turns, range(self._size), strict=False)]

    def _keep(self, kind: Kind, entry: tuple[int, str]) -> None:
        kept = self._kept.setdefault(kind, [])
        if len(kept) < self._size:
            heapq.heappush(kept, entry)
        else:
            heapq.heappushpop(kept, entry)

    def _rank(self, decision_id: str) -> int:
        return int.from_bytes(hashlib.blake2b(f"{self._seed}:{decision_id}".encode(), digest_size=8).digest())


@dataclass(frozen=True, slots=True)
class Shift:
    """One policy that asks for something else than before, the model's probability for it, and what words tell why."""

    policy: str
    before: Outcome
    after: Outcome
    probability: float | None
    evidence_gone: tuple[Evidence, ...]
    evidence_come: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class ChangedListing:
    """A decision whose outcome changes, with the text it was about."""

    decision_id: str
    listing: Listing
    before: Outcome
    after: Outcome
    shifts: tuple[Shift, ...]
    violated: frozenset[str] | None

    def body(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "decision_id": self.decision_id,
            "listing_id": self.listing.listing_id,
            "seller_id": self.listing.seller_id,
            "before": str(self.before),
            "after": str(self.after),
            "policies": [asdict(shift) for shift in self.shifts],
            "reviewed_as": None if self.violated is None else sorted(self.violated) or ["compliant"],
            "title": self.listing.title,
            "description": self.listing.description,
        }


def changed_listing(
    decision_id: str, listing: Listing, change: Change, violated: frozenset[str] | None = None
) -> ChangedListing:
    """What there is to read about one change."""
    shifts = tuple(_shifts(change))
    return ChangedListing(decision_id, listing, change.old.outcome, change.new.outcome, shifts, violated)


def _shifts(change: Change) -> Iterator[Shift]:
    before, after = _findings(change.old), _findings(change.new)
    for code in change.shifted:
        old, new = before.get(code), after.get(code)
        finding = new or old
        yield Shift(
            code,
            change.old.effect(code),
            change.new.effect(code),
            finding.probability if finding else None,
            evidence_gone=_beyond(old, new),
            evidence_come=_beyond(new, old),
        )


def _findings(side: Side) -> Mapping[str, Finding]:
    return {finding.policy: finding for finding in side.verdict.findings}


def _beyond(one: Finding | None, other: Finding | None) -> tuple[Evidence, ...]:
    """The evidence of `one` that `other` lacks."""
    known: Sequence[Evidence] = other.evidence if other else ()
    return tuple(evidence for evidence in (one.evidence if one else ()) if evidence not in known)
