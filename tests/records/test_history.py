"""The past of a store, read back on SQLite and on PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from fairstall.model.decide import Outcome
from fairstall.model.decision import Assessment, Decision, Sampling, Versions
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.model.urgency import urgency_of
from fairstall.model.wire import iso_utc
from fairstall.records import history as module
from fairstall.records.engine import writing
from fairstall.records.history import EARLIER_AT_MOST, History, Span
from fairstall.records.ledger import CaseReason, Ledger, LedgerEntry, NewCase
from fairstall.records.tables import reviews, users

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
WEAPONS = "prohibited/weapons"


def an_entry(second: int, seller: str = "s-1", outcome: Outcome = Outcome.REVIEW) -> LedgerEntry:
    at = NOON + timedelta(seconds=second)
    listing = Listing(f"l-{seller}-{second}", seller, f"Item {second}", "As new.", market="DE")
    versions = Versions("m-1", "p-1")
    assessment = Assessment(outcome, (), (), {WEAPONS: 0.5}, {}, Sampling(False, 1.0), versions)
    decision = Decision(time_ordered_id(at), listing.listing_id, seller, at, assessment)
    return LedgerEntry(
        listing, decision, NewCase(time_ordered_id(at), CaseReason.UNCERTAIN, None, 0.5, urgency_of(at, 0.5))
    )


def store(engine, *entries: LedgerEntry) -> list[str]:
    Ledger(engine).append(entries)
    return [entry.decision.decision_id for entry in entries]


def review(engine, case_id: str, second: int, *, verdict="violation", policies=(WEAPONS,), undoes=None) -> str:
    """A row of `reviews`, by a person of its own."""
    review_id, at = time_ordered_id(NOON), iso_utc(NOON + timedelta(seconds=second))
    person = {"user_id": review_id, "name": review_id, "role": "moderator", "password_hash": "-", "created_at": at}
    row = {"review_id": review_id, "case_id": case_id, "user_id": review_id, "verdict": verdict, "undoes": undoes}
    with writing(engine) as connection:
        connection.execute(insert(users), [person])
        connection.execute(insert(reviews), [row | {"policies": list(policies), "claimed_at": at, "decided_at": at}])
    return review_id


def past(engine, span: Span = Span()) -> list[module.PastDecision]:  # noqa: B008
    return [one for page in History(engine).read(span) for one in page]


def test_decisions_come_in_the_order_of_time_whatever_the_size_of_a_page(engine, monkeypatch):
    entries = [an_entry(second) for second in range(7)]
    ids = store(engine, *reversed(entries))[::-1]
    for size in (1, 3, 7, 100):
        monkeypatch.setattr(module, "ROWS_AT_ONCE", size)
        pages = list(History(engine).read(Span()))
        assert [one.decision_id for page in pages for one in page] == ids
        assert max(map(len, pages)) <= size
    assert [one.listing for one in past(engine)] == [entry.listing for entry in entries]
    assert [one.assessment for one in past(engine)] == [entry.decision.assessment for entry in entries]


def test_what_people_decided_is_not_the_models_decision(engine):
    [first, second] = store(engine, an_entry(1), an_entry(2))
    with writing(engine) as connection:
        new = Ledger.override(connection, first, Outcome.BLOCK, "user:mira", NOON + timedelta(seconds=3))
    assert [one.decision_id for one in past(engine)] == [first, second]
    assert [one.decision_id for one in History(engine).find([new.decision_id, second])] == [second]
    assert History(engine).count(Span()) == 3


def test_a_span_of_time_begins_with_its_first_moment_and_ends_before_its_last(engine):
    ids = store(engine, *[an_entry(second) for second in range(6)])
    span = Span.between(NOON + timedelta(seconds=2), NOON + timedelta(seconds=4))
    assert [one.decision_id for one in past(engine, span)] == ids[2:4]
    assert [one.decision_id for one in past(engine, Span.between(NOON + timedelta(seconds=5), None))] == ids[5:]
    assert History(engine).count(span) == 2


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 50])
def test_the_pieces_of_a_span_hold_each_decision_once(engine, rows):
    ids = store(engine, *[an_entry(second) for second in range(7)])
    pieces = History(engine).cut(Span.between(NOON + timedelta(seconds=1), None), rows)
    assert [one.decision_id for piece in pieces for one in past(engine, piece)] == ids[1:]
    assert len(pieces) == -(-6 // rows)


def test_an_empty_store_has_no_past(engine):
    assert past(engine) == []
    assert History(engine).cut(Span(), 10) == [Span()]
    assert History(engine).find([]) == []


def test_what_a_seller_had_before_is_counted_up_to_a_bound(engine):
    store(engine, *[an_entry(second, "busy") for second in range(EARLIER_AT_MOST + 3)], an_entry(50, "new"))
    busy = [one.earlier for one in past(engine) if one.listing.seller_id == "busy"]
    assert busy == [min(number, EARLIER_AT_MOST) for number in range(EARLIER_AT_MOST + 3)]
    assert [one.earlier for one in past(engine) if one.listing.seller_id == "new"] == [0]


def test_the_latest_review_that_stands_is_what_people_said(engine):
    entries = [an_entry(second) for second in range(4)]
    store(engine, *entries)
    cases = [entry.case.case_id for entry in entries]
    review(engine, cases[0], 10)
    review(engine, cases[1], 10)
    review(engine, cases[1], 11, verdict="compliant", policies=())
    undone = review(engine, cases[2], 10)
    review(engine, cases[2], 11, verdict="undone", undoes=undone)
    assert [one.violated for one in past(engine)] == [frozenset({WEAPONS}), frozenset(), None, None]
