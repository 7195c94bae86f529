"""Golden items: decided listings whose right verdict was agreed on. Mixing them into the queue is `golden_cases`'s."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from fairstall.labeling.accounts import User
from fairstall.labeling.case_file import heading_of
from fairstall.labeling.claims import standing_review
from fairstall.labeling.settling import FIRST, SETTLING, agree
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.errors import Conflict, InputError, NotFound
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading, writing
from fairstall.records.history import not_taken_back
from fairstall.records.tables import cases, decisions, golden_cases, golden_items, listings, opened_with, reviews, users

ITEMS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Settled:
    """A decided case that may become a golden item. `verdict` and `policies` are those in force, `note` the last."""

    decision_id: str
    heading: str
    description: str
    verdict: ReviewVerdict
    policies: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class GoldenItem:
    """`answered`: how many have reviewed it unseen; `right`: how many of them said the same. An erased one has no
    `why` any more."""

    golden_id: str
    decision_id: str
    heading: str
    verdict: ReviewVerdict
    policies: tuple[str, ...]
    why: str
    added_by: str
    added_at: datetime
    retired_at: datetime | None
    answered: int
    right: int


class GoldenItems:
    """The golden items of one store."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def settled(self, decision_id: str) -> Settled:
        """What a golden item could be made of: any decision of its chain names it. Raises NotFound and Conflict."""
        with reading(self._engine) as connection:
            return _settled(connection, decision_id)

    def add(self, decision_id: str, user: User, verdict: ReviewVerdict, policies: Sequence[str], why: str) -> str:
        """Make a golden item; its id. Raises InputError, NotFound, and Conflict when it is one, open or erased."""
        if bool(policies) != (verdict is ReviewVerdict.VIOLATION):
            raise InputError("A violation names its policies, and a compliant listing names none.")
        if not why.strip():
            raise InputError("Write why this verdict is the right one.")
        now = self._clock()
        values = {
            "golden_id": time_ordered_id(now),
            "verdict": str(verdict),
            "policies": list(policies),
            "why": why.strip(),
            "added_by": user.user_id,
            "added_at": iso_utc(now),
        }
        try:
            with writing(self._engine) as connection:
                settled = _settled(connection, decision_id)
                connection.execute(insert(golden_items).values(decision_id=settled.decision_id, **values))
        except IntegrityError as error:
            raise Conflict("This listing is a golden item already.") from error
        return str(values["golden_id"])

    def retire(self, golden_id: str, user: User) -> None:
        """Mix it into nobody's work from now on; answers that were given count. Raises NotFound."""
        change = update(golden_items).where(golden_items.c.golden_id == golden_id, golden_items.c.retired_at.is_(None))
        values = {"retired_at": iso_utc(self._clock()), "retired_by": user.user_id}
        with writing(self._engine) as connection:
            if not connection.execute(change.values(values)).rowcount:
                raise NotFound("There is no such golden item in use.")

    def all(self) -> tuple[GoldenItem, ...]:
        """The newest 200, those in use first."""
        query = (
            select(golden_items, users.c.name, listings.c.body)
            .join(users, golden_items.c.added_by == users.c.user_id)
            .join(decisions, golden_items.c.decision_id == decisions.c.decision_id)
            .join(listings, decisions.c.listing_digest == listings.c.digest)
            .order_by(golden_items.c.retired_at.is_not(None), golden_items.c.added_at.desc())
            .limit(ITEMS_SHOWN)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
            tally: dict[str, list[bool]] = {row.golden_id: [] for row in rows}
            for answer in connection.execute(answers().where(golden_items.c.golden_id.in_(tally))):
                tally[answer.golden_id].append(is_right(answer))
        return tuple(_item(row, tally[row.golden_id]) for row in rows)


def answers() -> Select[Any]:
    """Every standing review of a golden item, but for that of who added it, with what was `agreed` on."""
    return (
        select(
            reviews,
            cases.c.decision_id.label("reviewed"),
            cases.c.policy,
            golden_items.c.golden_id,
            golden_items.c.verdict.label("agreed"),
            golden_items.c.policies.label("agreed_policies"),
        )
        .join(cases, reviews.c.case_id == cases.c.case_id)
        .join(golden_cases, golden_cases.c.case_id == cases.c.case_id)
        .join(golden_items, golden_cases.c.golden_id == golden_items.c.golden_id)
        .where(not_taken_back(), reviews.c.user_id != golden_items.c.added_by)
    )


def is_right(answer: Row[Any]) -> bool:
    """Whether one of `answers` says what was agreed on."""
    return agree(answer.verdict, answer.policies, answer.agreed, answer.agreed_policies)


def root_of(connection: Connection, decision_id: str) -> str:
    """The first decision of a chain of overrides: the one that cases are about. Raises NotFound."""
    columns = (decisions.c.decision_id, decisions.c.overrides)
    chain = select(*columns).where(decisions.c.decision_id == decision_id).cte("chain", recursive=True)
    chain = chain.union_all(select(*columns).where(decisions.c.decision_id == chain.c.overrides))
    root = connection.execute(select(chain.c.decision_id).where(chain.c.overrides.is_(None))).scalar_one_or_none()
    if root is None:
        raise NotFound("There is no such decision.")
    return str(root)


def _settled(connection: Connection, decision_id: str) -> Settled:
    root = root_of(connection, decision_id)
    other = cases.alias("other")
    undecided = exists().where(other.c.decision_id == decisions.c.decision_id, other.c.state == "open")
    query = (
        select(decisions.c.erased_at, listings.c.body, cases.c.case_id, undecided.label("undecided"))
        .join(listings, decisions.c.listing_digest == listings.c.digest)
        .outerjoin(cases, opened_with(decisions))
        .where(decisions.c.decision_id == root)
    )
    row = connection.execute(query).one()
    if row.erased_at:
        raise Conflict("The seller's data were erased: there is nothing to show any more.")
    review = standing_review(connection, root, FIRST | SETTLING)
    if row.case_id is None or row.undecided or review is None:
        raise Conflict("Only a case that is decided, and about which no other is open, can become a golden item.")
    return Settled(
        decision_id=root,
        heading=heading_of(row.body),
        description=str(row.body["description"]),
        verdict=ReviewVerdict(review.verdict),
        policies=tuple(review.policies),
        note=review.note,
    )


def _item(row: Row[Any], tally: Sequence[bool]) -> GoldenItem:
    return GoldenItem(
        golden_id=row.golden_id,
        decision_id=row.decision_id,
        heading=heading_of(row.body),
        verdict=ReviewVerdict(row.verdict),
        policies=tuple(row.policies),
        why=row.why,
        added_by=row.name,
        added_at=datetime.fromisoformat(row.added_at),
        retired_at=datetime.fromisoformat(row.retired_at) if row.retired_at else None,
        answered=len(tally),
        right=sum(tally),
    )
