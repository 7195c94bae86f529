"""The model's own decisions read back in the order of time, with what people said of them since. Nothing is written.

Decisions whose text was erased are left out, since no rule can run on them; archived ones are not there.

Each page is a transaction of its own, so that a long reading keeps no old state of a busy store alive.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Engine,
    Row,
    ScalarSelect,
    Select,
    and_,
    exists,
    func,
    literal_column,
    select,
    true,
)

from fairstall.model.decision import MODEL_ACTOR, Assessment
from fairstall.model.identifiers import earliest_id
from fairstall.model.listing import Listing
from fairstall.model.wire import assessment_from_body
from fairstall.records.engine import reading
from fairstall.records.ledger import COMPARED, listing_from_body
from fairstall.records.tables import cases, decisions, listings, reviews

ROWS_AT_ONCE = 500
EARLIER_AT_MOST = 100


@dataclass(frozen=True, slots=True)
class PastDecision:
    """One decision of the model, and the listing as it was then.

    `earlier`: how many rows of the ledger its seller had before, counted up to 100. `violated`: the policies that the
    latest standing review that decided it names, none for a compliant listing; None when no review stands.
    """

    decision_id: str
    assessment: Assessment
    listing: Listing
    earlier: int
    violated: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Span:
    """The decisions from the id `first` on and before the id `end`; None where it is open."""

    first: str | None = None
    end: str | None = None

    @classmethod
    def between(cls, since: datetime | None, until: datetime | None) -> "Span":
        """The decisions from `since` on and before `until`, which are aware and whole milliseconds."""
        return cls(earliest_id(since) if since else None, earliest_id(until) if until else None)


class History:
    """The past of one store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def count(self, span: Span) -> int:
        """How many rows of the ledger lie in `span`: the decisions of people among them."""
        with reading(self._engine) as connection:
            return connection.execute(select(func.count()).select_from(decisions).where(_within(span))).scalar_one()

    def cut(self, span: Span, rows: int) -> list[Span]:
        """`span` in pieces of about `rows` rows, in their order."""
        ids = select(decisions.c.decision_id).order_by(decisions.c.decision_id).offset(rows).limit(1)
        pieces = [span]
        with reading(self._engine) as connection:
            while cut := connection.execute(ids.where(_within(pieces[-1]))).scalar_one_or_none():
                pieces[-1:] = [Span(pieces[-1].first, cut), Span(cut, span.end)]
        return pieces

    def read(self, span: Span) -> Iterator[Sequence[PastDecision]]:
        """The decisions in `span`, at most 500 at a time."""
        query = _past().where(_within(span)).limit(ROWS_AT_ONCE)
        rows = self._rows(query)
        while rows:
            yield _past_decisions(rows)
            rows = self._rows(query.where(decisions.c.decision_id > rows[-1].decision_id))

    def find(self, ids: Sequence[str]) -> list[PastDecision]:
        """Those of `ids` that the model decided and that are still there, in the order of time."""
        return _past_decisions(self._rows(_past().where(decisions.c.decision_id.in_(ids))))

    def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        with reading(self._engine) as connection:
            return connection.execute(query).all()


@cache
def not_taken_back() -> ColumnElement[bool]:
    """That a row of `reviews` is a verdict which nothing undid."""
    undoing = reviews.alias("undoing")
    # A literal, so that PostgreSQL knows without planning anew how many rows that are.
    return and_(
        reviews.c.verdict != literal_column("'undone'"), ~exists().where(undoing.c.undoes == reviews.c.review_id)
    )


def decides() -> ColumnElement[bool]:
    """That reviews of a row of `cases` say what becomes of the listing; the others are compared with them."""
    return cases.c.reason.not_in(sorted(COMPARED))


def _within(span: Span) -> ColumnElement[bool]:
    after = decisions.c.decision_id >= span.first if span.first else true()
    return and_(after, decisions.c.decision_id < span.end if span.end else true())


def _past() -> Select[Any]:
    """All rows of the ledger in the order of time.

    Whose they are is no condition: a database without statistics would take it for a narrow choice, and go through
    the whole table for each page.
    """
    of_decision = (decisions.c.decision_id, decisions.c.actor, decisions.c.erased_at, decisions.c.assessment)
    return (
        select(*of_decision, listings.c.body, _earlier().label("earlier"), _violated().label("violated"))
        .join(listings, decisions.c.listing_digest == listings.c.digest)
        .order_by(decisions.c.decision_id)
    )


def _earlier() -> ScalarSelect[int]:
    """From the index of sellers, in its order: one with a million rows costs no more than one with a hundred."""
    before = decisions.alias("before")
    some = (
        select(literal_column("1"))
        .where(before.c.seller_id == decisions.c.seller_id, before.c.decided_at < decisions.c.decided_at)
        .order_by(before.c.decided_at)
        .limit(EARLIER_AT_MOST)
        .correlate(decisions)
        .subquery()
    )
    return select(func.count()).select_from(some).scalar_subquery()


def _violated() -> ScalarSelect[Any]:
    """What the latest review of a decision names that nothing took back and that decided it."""
    return (
        select(reviews.c.policies)
        .join(cases, reviews.c.case_id == cases.c.case_id)
        .where(cases.c.decision_id == decisions.c.decision_id, decides(), not_taken_back())
        .order_by(reviews.c.decided_at.desc(), reviews.c.review_id.desc())
        .limit(1)
        .correlate(decisions)
        .scalar_subquery()
    )


def _past_decisions(rows: Sequence[Row[Any]]) -> list[PastDecision]:
    """Those of the model whose text was not erased."""
    return [
        PastDecision(
            decision_id=row.decision_id,
            assessment=assessment_from_body(row.assessment),
            listing=listing_from_body(row.body),
            earlier=row.earlier,
            violated=None if row.violated is None else frozenset(row.violated),
        )
        for row in rows
        if row.actor == MODEL_ACTOR and row.erased_at is None
    ]
