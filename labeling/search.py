"""Finding a case or a decision again: by the ids of its listing, its seller or itself, or by words of its title.

Whoever sees everybody's decisions finds them all. Others find what is theirs: what they decided, and what they have in
hand. Nobody finds a decision about a listing that he has in hand: it would tell a blind reviewer what others made of
it, and if blind cases alone were kept back, that would tell which ones are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, and_, exists, func, or_, select, union

from fairstall.labeling.accounts import User
from fairstall.labeling.case_file import heading_of
from fairstall.labeling.claims import IS_OPEN
from fairstall.labeling.permissions import Permission, may
from fairstall.model.decide import Outcome
from fairstall.model.decision import MODEL_ACTOR
from fairstall.records.engine import reading
from fairstall.records.history import not_taken_back
from fairstall.records.tables import cases, decisions, listings, opened_with, reviews, users

FOUND_AT_MOST = 50
TITLES_SEARCHED = 20_000
MAX_QUERY_CHARACTERS = 200
MAX_WORDS = 8


@dataclass(frozen=True, slots=True)
class FoundCase:
    """A case of the reader's: in hand, or decided by him."""

    case_id: str
    heading: str
    listing_id: str
    seller_id: str
    in_hand: bool
    held: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class FoundDecision:
    """A decision. `waits`: its case is open, and `with_whom` has it at the moment. `in_force`: nothing overrides it."""

    decision_id: str
    case_id: str | None
    heading: str
    listing_id: str
    seller_id: str
    outcome: Outcome
    by: str
    decided_at: datetime
    in_force: bool
    waits: bool
    with_whom: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """At most 50 of each, the newest first. How many are kept back is not told: it would say that there are some."""

    own: tuple[FoundCase, ...] = ()
    decisions: tuple[FoundDecision, ...] = ()


def search(engine: Engine, user: User, query: str, now: str) -> Found:
    """What `user` may find. `query` is an id, or words that all stand in the title; `now` as `iso_utc` has it."""
    query = query.strip()[:MAX_QUERY_CHARACTERS]
    if not query:
        return Found()
    with reading(engine) as connection:
        own = connection.execute(_own(user, query, now)).all()
        everybodys = may(user.role, Permission.SEE_DECISIONS)
        rows = connection.execute(_decisions(user, query, now)).all() if everybodys else []
    return Found(tuple(_found_case(row) for row in own), tuple(_found_decision(row) for row in rows))


def _own(user: User, query: str, now: str) -> Select[Any]:
    in_hand = func.coalesce(and_(_has(user), cases.c.lease_until > now), False)
    reviewed = select(reviews.c.case_id).where(reviews.c.user_id == user.user_id, not_taken_back())
    his = union(reviewed, select(cases.c.case_id).where(_has(user), cases.c.lease_until > now))
    named = or_(*(column == query for column in (decisions.c.listing_id, decisions.c.seller_id, cases.c.case_id)))
    return (
        select(cases, decisions.c.listing_id, decisions.c.seller_id, listings.c.body, in_hand.label("in_hand"))
        .join(decisions, cases.c.decision_id == decisions.c.decision_id)
        .join(listings, decisions.c.listing_digest == listings.c.digest)
        .where(cases.c.case_id.in_(his), or_(named, _title_has(query)))
        .order_by(in_hand.desc(), cases.c.case_id.desc())
        .limit(FOUND_AT_MOST)
    )


def _decisions(user: User, query: str, now: str) -> Select[Any]:
    newer, holder = decisions.alias("newer"), users.alias("holder")
    return (
        select(
            decisions,
            listings.c.body,
            cases.c.case_id,
            IS_OPEN.label("waits"),
            holder.c.name.label("holder"),
            exists().where(newer.c.overrides == decisions.c.decision_id).label("overridden"),
        )
        .join(listings, decisions.c.listing_digest == listings.c.digest)
        .outerjoin(cases, opened_with(decisions))
        .outerjoin(holder, and_(cases.c.lease_holder == holder.c.user_id, cases.c.lease_until > now, IS_OPEN))
        .where(decisions.c.decision_id.in_(_matching(query)), decisions.c.listing_id.not_in(listings_in_hand(user)))
        .order_by(decisions.c.decision_id.desc())
        .limit(FOUND_AT_MOST)
    )


def _matching(query: str) -> Any:
    """One search of an index for each kind of id, and a walk through the newest titles."""
    by_id = [
        select(decisions.c.decision_id).where(column == query)
        for column in (decisions.c.listing_id, decisions.c.seller_id, decisions.c.decision_id)
    ]
    by_case = select(cases.c.decision_id).where(cases.c.case_id == query)
    newest = (
        select(decisions.c.decision_id, decisions.c.listing_digest)
        .order_by(decisions.c.decision_id.desc())
        .limit(TITLES_SEARCHED)
        .subquery()
    )
    by_title = (
        select(newest.c.decision_id)
        .join(listings, newest.c.listing_digest == listings.c.digest)
        .where(_title_has(query))
    )
    return union(*by_id, by_case, by_title)


def _title_has(query: str) -> ColumnElement[bool]:
    title = listings.c.body["title"].as_string()
    words: Sequence[str] = query.split()[:MAX_WORDS]
    return and_(*(title.icontains(word, autoescape=True) for word in words))


def listings_in_hand(user: User) -> Select[Any]:
    """The ids of the listings that a person has cases about, a lease that ran out included."""
    return select(decisions.c.listing_id).join(cases, cases.c.decision_id == decisions.c.decision_id).where(_has(user))


def _has(user: User) -> ColumnElement[bool]:
    return and_(IS_OPEN, cases.c.lease_holder == user.user_id, cases.c.claimed_at.is_not(None))


def _found_case(row: Row[Any]) -> FoundCase:
    return FoundCase(
        case_id=row.case_id,
        heading=heading_of(row.body),
        listing_id=row.listing_id,
        seller_id=row.seller_id,
        in_hand=row.in_hand,
        held=row.held_at is not None,
        at=datetime.fromisoformat(row.opened_at),
    )


def _found_decision(row: Row[Any]) -> FoundDecision:
    return FoundDecision(
        decision_id=row.decision_id,
        case_id=row.case_id,
        heading=heading_of(row.body),
        listing_id=row.listing_id,
        seller_id=row.seller_id,
        outcome=Outcome(row.outcome),
        by="the model" if row.actor == MODEL_ACTOR else row.actor.removeprefix("user:"),
        decided_at=datetime.fromisoformat(row.decided_at),
        in_force=not row.overridden,
        waits=bool(row.waits),
        with_whom=row.holder,
    )
