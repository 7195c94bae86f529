"""Clusters of near-duplicates among the cases that wait, for somebody who may decide them together."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from fairstall.labeling.accounts import User
from fairstall.labeling.alike import groups_alike
from fairstall.labeling.case_file import heading_of
from fairstall.labeling.eligible import most_urgent
from fairstall.labeling.together import MOST_AT_ONCE
from fairstall.model.errors import NotFound
from fairstall.model.fingerprint import fingerprint
from fairstall.model.view import view_listing
from fairstall.records.engine import reading
from fairstall.records.ledger import listing_from_body
from fairstall.records.tables import decisions, listings

LOOKED_AT = 3_000
CLUSTERS_SHOWN = 12
PRINTS_KEPT = 20_000
BODIES_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Cluster:
    """Cases whose listings are nearly the same, the most urgent first.

    `policies` counts the policies that they wait for, None for those without a finding.
    """

    case_ids: tuple[str, ...]
    heading: str
    policies: Mapping[str | None, int]
    sellers: tuple[str, ...]

    @property
    def name(self) -> str:
        """One of its cases, by which it is found again: the one that a colleague is the last to take."""
        return self.case_ids[-1]


@dataclass(frozen=True, slots=True)
class Clustering:
    """The largest clusters of the `looked_at` most urgent cases; `bounded` when more than those wait."""

    clusters: tuple[Cluster, ...]
    looked_at: int
    bounded: bool


class Clusters:
    """Finds clusters in one store. A case's fingerprint is made once and kept as long as it is among the newest seen.

    `threshold` is the similarity from which two listings are nearly the same; 0 compares nothing.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime], *, threshold: float) -> None:
        self._engine = engine
        self._clock = clock
        self._threshold = threshold
        self._prints: OrderedDict[str, bytes | None] = OrderedDict()
        self._turns = threading.Lock()

    @property
    def threshold(self) -> float:
        return self._threshold

    def find(self, user: User) -> Clustering:
        """The clusters of the cases that the user may decide together."""
        rows = self._waiting(user)
        looked_at = rows[:LOOKED_AT]
        groups = self._groups(looked_at)[:CLUSTERS_SHOWN]
        with reading(self._engine) as connection:
            clusters = tuple(_cluster(connection, [looked_at[place] for place in group]) for group in groups)
        return Clustering(clusters, len(looked_at), bounded=len(rows) > LOOKED_AT)

    def like(self, case_id: str, user: User) -> tuple[str, ...]:
        """The cases of the cluster that has this one in it, the most urgent first, 500 at most. Raises NotFound."""
        rows = self._waiting(user)[:LOOKED_AT]
        for group in self._groups(rows):
            found = [rows[place].case_id for place in group]
            if case_id in found:
                return tuple(found[:MOST_AT_ONCE])
        raise NotFound("These cases do not wait together any more: they were taken or decided meanwhile.")

    def _waiting(self, user: User) -> Sequence[Row[Any]]:
        if not self._threshold:
            return []
        waiting = most_urgent(user, self._clock(), LOOKED_AT + 1)
        query = (
            select(waiting, decisions.c.seller_id, decisions.c.listing_digest)
            .join(decisions, waiting.c.decision_id == decisions.c.decision_id)
            .order_by(waiting.c.urgent_at, waiting.c.case_id)
        )
        with reading(self._engine) as connection:
            return connection.execute(query).all()

    def _groups(self, rows: Sequence[Row[Any]]) -> list[list[int]]:
        with self._turns:
            self._make_prints([row for row in rows if row.case_id not in self._prints])
            found = [self._prints.get(row.case_id) for row in rows]
            for row in rows:
                self._prints.move_to_end(row.case_id)
            while len(self._prints) > PRINTS_KEPT:
                self._prints.popitem(last=False)
        places = [place for place, one in enumerate(found) if one]
        groups = groups_alike([one for one in found if one], self._threshold)
        return [[places[place] for place in group] for group in groups]

    def _make_prints(self, rows: Sequence[Row[Any]]) -> None:
        left = iter(rows)
        while some := list(islice(left, BODIES_AT_ONCE)):
            bodies = self._bodies({row.listing_digest for row in some})
            for row in some:
                self._prints[row.case_id] = fingerprint(view_listing(listing_from_body(bodies[row.listing_digest])))

    def _bodies(self, digests: Iterable[str]) -> dict[str, Any]:
        with reading(self._engine) as connection:
            return _bodies_of(connection, digests)


def _cluster(connection: Connection, rows: Sequence[Row[Any]]) -> Cluster:
    policies = Counter(row.policy for row in rows)
    [body] = _bodies_of(connection, [rows[0].listing_digest]).values()
    return Cluster(
        case_ids=tuple(row.case_id for row in rows),
        heading=heading_of(body),
        policies=dict(policies.most_common()),
        sellers=tuple(dict.fromkeys(row.seller_id for row in rows)),
    )


def _bodies_of(connection: Connection, digests: Iterable[str]) -> dict[str, Any]:
    query = select(listings.c.digest, listings.c.body).where(listings.c.digest.in_(list(digests)))
    return {row.digest: row.body for row in connection.execute(query)}
