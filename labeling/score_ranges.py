"""How the scores of the cases that wait are spread, policy by policy, and which cases lie in a range of them."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Float, cast, func, select

from fairstall.labeling.accounts import User
from fairstall.labeling.eligible import most_urgent
from fairstall.labeling.together import MOST_AT_ONCE
from fairstall.records.engine import reading
from fairstall.records.ledger import CaseReason
from fairstall.records.tables import cases, decisions

LOOKED_AT = 20_000
BIN_PERCENT = 5


@dataclass(frozen=True, slots=True)
class Bin:
    """How many cases have a probability of `low` percent and more, but below `high`; the last bin has 100 % too."""

    low: int
    high: int
    count: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """The cases that wait for a policy. `without_score`: those where no model scores it, or none did in time."""

    policy: str
    bins: tuple[Bin, ...]
    without_score: int

    @property
    def scored(self) -> int:
        return sum(one.count for one in self.bins)


@dataclass(frozen=True, slots=True)
class Histograms:
    """Of the `looked_at` most urgent cases with a finding, most cases first; `bounded` when more than those wait."""

    by_policy: tuple[Histogram, ...]
    looked_at: int
    bounded: bool


@dataclass(frozen=True, slots=True)
class ScoreRange:
    """The most urgent cases of a range, 500 at most, and how many lie in it."""

    case_ids: tuple[str, ...]
    total: int


def read_histograms(engine: Engine, user: User, now: datetime) -> Histograms:
    """How the uncertain cases that the user may decide together are spread.

    A case is counted for the policy that it waits for, which is the one whose doubt weighs most.
    """
    with reading(engine) as connection:
        rows = _scored(connection, user, now)
    looked_at = rows[:LOOKED_AT]
    counts = Counter((row.policy, _percent(row.probability)) for row in looked_at)
    totals = Counter(row.policy for row in looked_at)
    by_policy = tuple(
        _histogram(policy, counts) for policy, _ in sorted(totals.items(), key=lambda one: (-one[1], one[0]))
    )
    return Histograms(by_policy, len(looked_at), bounded=len(rows) > LOOKED_AT)


def read_range(engine: Engine, user: User, now: datetime, policy: str, low: int, high: int) -> ScoreRange:
    """The cases of `read_histograms` that wait for `policy` and have from `low` to below `high` percent."""
    with reading(engine) as connection:
        rows = _scored(connection, user, now)[:LOOKED_AT]
    percents = [(row.case_id, _percent(row.probability)) for row in rows if row.policy == policy]
    found = [case_id for case_id, percent in percents if percent is not None and low <= percent < high]
    return ScoreRange(tuple(found[:MOST_AT_ONCE]), len(found))


def _percent(probability: float | None) -> int | None:
    return None if probability is None else min(99, math.floor(100 * probability))


def _histogram(policy: str, counts: Counter[tuple[str, int | None]]) -> Histogram:
    bins = tuple(
        Bin(low, low + BIN_PERCENT, sum(counts[policy, percent] for percent in range(low, low + BIN_PERCENT)))
        for low in range(0, 100, BIN_PERCENT)
    )
    return Histogram(policy, bins, without_score=counts[policy, None])


def _scored(connection: Connection, user: User, now: datetime) -> Sequence[Any]:
    """`case_id`, `policy` and `probability`, the most urgent first, one more than are looked at."""
    wanted = (cases.c.reason == str(CaseReason.UNCERTAIN), cases.c.policy.is_not(None))
    waiting = most_urgent(user, now, LOOKED_AT + 1, *wanted)
    query = (
        select(waiting.c.case_id, waiting.c.policy, _score_of(connection, waiting.c.policy).label("probability"))
        .join(decisions, waiting.c.decision_id == decisions.c.decision_id)
        .order_by(waiting.c.urgent_at, waiting.c.case_id)
    )
    return connection.execute(query).all()


def _score_of(connection: Connection, policy: ColumnElement[Any]) -> ColumnElement[Any]:
    """The score of a policy in the JSON of an assessment, null where there is none."""
    if connection.dialect.name == "sqlite":
        return func.json_extract(decisions.c.assessment, '$.scores."' + policy + '"', type_=Float)
    return cast(func.jsonb_extract_path_text(decisions.c.assessment, "scores", policy), Float)
