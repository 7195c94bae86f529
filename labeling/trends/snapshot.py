"""Everything that the page of trends shows, read once a minute for whoever asks, however often."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter

from sqlalchemy import Engine

from fairstall.labeling.quality import Pair
from fairstall.labeling.trends.again import LookedAt, read_looked_at
from fairstall.labeling.trends.agreement_figures import read_pairs
from fairstall.labeling.trends.sample import Drawn, read_drawn
from fairstall.labeling.trends.scope import Asked, Scope
from fairstall.labeling.trends.volumes import Volumes, read_volumes
from fairstall.labeling.trends.waiting import Waiting, read_waiting
from fairstall.labeling.trends.work import Piece, read_work
from fairstall.records.engine import reading
from fairstall.records.tallies import Tallying, counted_until

FRESH_FOR = timedelta(minutes=1)
KEPT_AT_MOST = 32
COUNTING_S = 1.0  # that a page may spend on counting what a service has not counted


@dataclass(frozen=True, slots=True)
class Trends:
    """What was read at `now`. `counted_until`: before then decisions are in `volumes`; None for no decision at all."""

    asked: Asked
    scope: Scope
    now: datetime
    counted_until: datetime | None
    waiting: Waiting
    work: tuple[Piece, ...]
    volumes: Volumes
    looked_at: tuple[LookedAt, ...]
    drawn: tuple[Drawn, ...]
    pairs: tuple[Pair, ...]


class TrendReader:
    """Reads one snapshot at a time, and keeps it for a minute: many who look cost the store no more than one."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[Asked, Trends] = {}

    def read(self, asked: Asked) -> Trends:
        """The trends of what was asked for. Raises InputError for a period that is none, and StoreUnavailable."""
        now = self._clock()
        scope = asked.scope(now)
        with self._lock:
            self._kept = {key: one for key, one in self._kept.items() if now - one.now < FRESH_FOR}
            if asked not in self._kept:
                while len(self._kept) >= KEPT_AT_MOST:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[asked] = self._read(asked, scope, now)
            return self._kept[asked]

    def _read(self, asked: Asked, scope: Scope, now: datetime) -> Trends:
        self._count()
        with reading(self._engine) as connection:
            waiting = read_waiting(connection, scope, now)
            return Trends(
                asked=asked,
                scope=scope,
                now=now,
                counted_until=counted_until(connection),
                waiting=waiting,
                work=read_work(connection, scope, waiting_now=waiting.total, now=now),
                volumes=read_volumes(connection, scope),
                looked_at=read_looked_at(connection, scope),
                drawn=read_drawn(connection, scope),
                pairs=read_pairs(connection, scope),
            )

    def _count(self) -> None:
        tallying = Tallying(self._engine, self._clock)
        begun = perf_counter()
        while tallying.next() and perf_counter() - begun < COUNTING_S:
            pass
