"""A ledger with a past: listings of several sellers, cases, reviews with notes, events; and a clock that is moved."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from fairstall.model.decide import Band, Evidence, Finding, Outcome, Source
from fairstall.model.decision import Assessment, Decision, Sampling, Versions
from fairstall.model.fingerprint import fingerprint
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.model.urgency import urgency_of
from fairstall.model.view import view_listing
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading, writing
from fairstall.records.ledger import CaseReason, Ledger, LedgerEntry, NewCase
from fairstall.records.outbox import decision_event
from fairstall.records.tables import cases, reviews, users

WILDLIFE = "prohibited/wildlife"


@dataclass
class Books:
    """One store, and what happens in it. `now` is a clock that stands still until it is moved."""

    engine: Any
    at: datetime = datetime(2026, 3, 2, 12, tzinfo=UTC)
    sold: int = field(default=0)

    def now(self) -> datetime:
        return self.at

    def pass_by(self, **time: float) -> None:
        self.at += timedelta(**time)

    def entry(self, seller: str = "ana", *, outcome: Outcome = Outcome.REVIEW, **facts: Any) -> LedgerEntry:
        """A listing of the seller's that mentions her, its decision, a case where it goes to review, and the event."""
        self.sold += 1
        title = f"Ivory figure number {self.sold} from {seller}"
        listing = Listing(f"l-{self.sold}", seller, title, f"{seller} at home has kept it for a long time.", **facts)
        evidence = (Evidence("title", 0, 5, "Ivory"), Evidence("title", len(title) - len(seller), len(title), seller))
        finding = Finding(WILDLIFE, 0.5, Band.MEDIUM, Source.BOTH, evidence, "No ivory.")
        versions, sampling = Versions("m-1", "p-1"), Sampling(False, 1.0)
        assessment = Assessment(outcome, (finding,), (), {WILDLIFE: 0.5}, {"leet": 1}, sampling, versions)
        case = NewCase(time_ordered_id(self.at), CaseReason.UNCERTAIN, WILDLIFE, 0.5, urgency_of(self.at, 0.5))
        asked = case if outcome is Outcome.REVIEW else None
        decision = Decision(
            time_ordered_id(self.at), listing.listing_id, seller, self.at, assessment, case_id=asked and asked.case_id
        )
        return LedgerEntry(listing, decision, asked, (decision_event(decision),), fingerprint(view_listing(listing)))

    def decide(self, *entries: LedgerEntry) -> list[str]:
        """Store them; the ids of the decisions."""
        Ledger(self.engine).append(entries)
        return [one.decision.decision_id for one in entries]

    def review(self, decision_id: str, *, note: str = "", outcome: Outcome | None = None) -> str:
        """A person's review that closes the case, and overrides the decision where an outcome is given."""
        person, review_id, at = time_ordered_id(self.at), time_ordered_id(self.at), iso_utc(self.at)
        who = {"user_id": person, "name": person, "role": "moderator", "password_hash": "-", "created_at": at}
        with writing(self.engine) as connection:
            case_id = connection.execute(select(cases.c.case_id).where(cases.c.decision_id == decision_id)).scalar_one()
            connection.execute(cases.update().where(cases.c.case_id == case_id).values(state="decided"))
            wrote = outcome and Ledger.override(connection, decision_id, outcome, f"user:{person}", self.at)
            row = {"review_id": review_id, "case_id": case_id, "user_id": person, "policies": [WILDLIFE], "note": note}
            row |= {"verdict": "violation", "claimed_at": at, "decided_at": at}
            connection.execute(insert(users), [who])
            connection.execute(insert(reviews), [row | {"decision_id": wrote.decision_id if wrote else None}])
        return review_id

    def rows(self, table: Any, *conditions: Any) -> Sequence[Any]:
        """Rows of a table, in the order of its key."""
        query = select(table).where(*conditions).order_by(*table.primary_key.columns)
        with reading(self.engine) as connection:
            return connection.execute(query).all()


@pytest.fixture
def books(engine) -> Books:
    """Each test that uses it runs on SQLite and on PostgreSQL."""
    return Books(engine)
