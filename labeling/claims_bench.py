"""How long a claim takes when very many cases wait and many people claim at once. What a claim does is `claims`'s."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import Connection, Engine, func, insert, select

from fairstall.labeling.accounts import User
from fairstall.labeling.claims import IS_OPEN
from fairstall.labeling.lanes import SENIOR, SHARED, lane_of_team
from fairstall.labeling.permissions import Role
from fairstall.labeling.queue import ReviewQueue
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.decide import Outcome
from fairstall.model.decision import MODEL_ACTOR, Assessment, Sampling, Versions
from fairstall.model.wire import assessment_body, iso_utc
from fairstall.records.engine import reading, writing
from fairstall.records.ledger import CaseReason
from fairstall.records.tables import cases, decisions, listings, users

IN_ONE_TRANSACTION = 10_000
TEAMS = tuple(f"team-{number}" for number in range(10))
IN_A_LANE = 0.03  # of the cases: handed to a team, or escalated
SPREAD = timedelta(days=10)
DIGEST = "0" * 64


@dataclass(frozen=True, slots=True)
class ClaimTimes:
    """What `claimers` people waited for a new case, in milliseconds, in `seconds` of work on `cases` open ones.

    Each works on a case for `pause_s` on average while the next is claimed ahead, as on the review page, then decides.
    """

    database: str
    cases: int
    claimers: int
    pause_s: float
    seconds: float
    claims: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    largest_ms: float
    served_twice: int


def fill_queue(engine: Engine, wanted: int, progress: Callable[[int], None]) -> None:
    """Open cases about decisions of a few hundred bytes each until so many wait, in a migrated store."""
    with reading(engine) as connection:
        present = connection.execute(select(func.count()).select_from(cases)).scalar_one()
        waiting = connection.execute(select(func.count()).select_from(cases).where(IS_OPEN)).scalar_one()
    begun, draw = datetime.now(UTC) - SPREAD, random.Random(present)
    if not present:
        with writing(engine) as connection:
            _listing(connection, begun)
    end = present + wanted - waiting
    for start in range(present, end, IN_ONE_TRANSACTION):
        numbers = range(start, min(end, start + IN_ONE_TRANSACTION))
        with writing(engine) as connection:
            connection.execute(insert(decisions), [_decision(number, begun) for number in numbers])
            connection.execute(insert(cases), [_case(number, begun, draw) for number in numbers])
        progress(len(numbers))


def add_claimers(engine: Engine, count: int) -> list[User]:
    """People who review, each in a team or two, every fifth of them a senior. They cannot log in."""
    with reading(engine) as connection:
        before = connection.execute(select(func.count()).select_from(users)).scalar_one()
    people = [
        User(f"claimer-{n}", f"claimer-{n}", Role.SENIOR if n % 5 == 0 else Role.MODERATOR, _teams(n))
        for n in range(before, before + count)
    ]
    rows = [
        {"user_id": one.user_id, "name": one.name, "role": str(one.role), "teams": list(one.teams)}
        | {"password_hash": "-", "created_at": iso_utc(datetime.now(UTC))}
        for one in people
    ]
    with writing(engine) as connection:
        connection.execute(insert(users), rows)
    return people


def measure_claims(engine: Engine, people: Sequence[User], *, pause_s: float, seconds: float) -> ClaimTimes:
    """Let everybody work at once for so long, each in a thread of his own. Raises what any of them met."""
    with reading(engine) as connection:
        waiting = connection.execute(select(func.count()).select_from(cases).where(IS_OPEN)).scalar_one()
    queue = ReviewQueue(engine, lambda: datetime.now(UTC))
    end = time.monotonic() + seconds
    workers = [_Worker(queue, person, pause_s, end) for person in people]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    failed = [worker.failed for worker in workers if worker.failed]
    if failed:
        raise failed[0]
    waited = np.array([ms for worker in workers for ms in worker.waited_ms])
    decided = [case_id for worker in workers for case_id in worker.decided]
    p50, p90, p99 = np.percentile(waited, (50, 90, 99))
    return ClaimTimes(
        database=engine.dialect.name,
        cases=waiting,
        claimers=len(people),
        pause_s=pause_s,
        seconds=seconds,
        claims=len(waited),
        p50_ms=float(p50),
        p90_ms=float(p90),
        p99_ms=float(p99),
        largest_ms=float(waited.max()),
        served_twice=len(decided) - len(set(decided)),
    )


class _Worker(threading.Thread):
    """One person at work."""

    def __init__(self, queue: ReviewQueue, person: User, pause_s: float, end: float) -> None:
        super().__init__(daemon=True)
        self._queue = queue
        self._person = person
        self._pause_s = pause_s
        self._end = end
        self._draw = random.Random(person.name)
        self.waited_ms: list[float] = []
        self.decided: list[str] = []
        self.failed: Exception | None = None

    def run(self) -> None:
        try:
            for case_id in self._cases():
                self._queue.decide(case_id, self._person, ReviewVerdict.COMPLIANT)
                self.decided.append(case_id)
        except Exception as error:
            self.failed = error

    def _cases(self) -> Iterator[str]:
        time.sleep(self._pause_s * self._draw.random())
        while time.monotonic() < self._end and (case := self._queue.claim(self._person)):
            self._claim_ahead(case.case_id)
            if self._pause_s:
                time.sleep(self._draw.expovariate(1 / self._pause_s))
            yield case.case_id

    def _claim_ahead(self, case_id: str) -> None:
        begun = time.perf_counter()
        self._queue.claim(self._person, after=case_id)
        self.waited_ms.append(1_000 * (time.perf_counter() - begun))


def _teams(number: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys((TEAMS[number % 10], TEAMS[number * 7 % 10])))


def _listing(connection: Connection, begun: datetime) -> None:
    body = {"listing_id": "l", "seller_id": "s", "title": "Blue mug", "description": "Holds tea."}
    row = {"digest": DIGEST, "listing_id": "l", "seller_id": "s", "body": body, "received_at": iso_utc(begun)}
    connection.execute(insert(listings).values(row))


def _decision(number: int, begun: datetime) -> dict[str, object]:
    return {
        "decision_id": f"d-{number:09d}",
        "listing_id": f"l-{number}",
        "seller_id": f"s-{number % 5_000}",
        "listing_digest": DIGEST,
        "decided_at": iso_utc(begun),
        "outcome": str(Outcome.REVIEW),
        "actor": MODEL_ACTOR,
        "model_version": "bench",
        "policies_version": "bench",
        "assessment": _ASSESSMENT,
    }


def _case(number: int, begun: datetime, draw: random.Random) -> dict[str, object]:
    lane = draw.choice((SENIOR, *map(lane_of_team, TEAMS))) if draw.random() < IN_A_LANE else SHARED
    return {
        "case_id": f"c-{number:09d}",
        "decision_id": f"d-{number:09d}",
        "reason": str(CaseReason.UNCERTAIN),
        "priority": 0.5,
        "opened_at": iso_utc(begun),
        "urgent_at": iso_utc(begun + SPREAD * draw.random()),
        "due_at": iso_utc(begun + SPREAD),
        "lane": lane,
    }


_ASSESSMENT = assessment_body(
    Assessment(
        Outcome.REVIEW, (), (), {"prohibited/weapons": 0.4}, {}, Sampling(False, 1.0), Versions("bench", "bench")
    )
)
