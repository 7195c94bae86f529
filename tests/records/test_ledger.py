"""The ledger's behaviour, the same on SQLite and on PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from fairstall.model.decide import Band, Evidence, Finding, Outcome, Source
from fairstall.model.decision import Assessment, Decision, Sampling, Versions
from fairstall.model.errors import Conflict, NotFound
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing, Price
from fairstall.model.urgency import urgency_of
from fairstall.records.engine import reading, writing
from fairstall.records.idempotency import KeyedAnswer
from fairstall.records.keys import Scope, create_key
from fairstall.records.ledger import CaseReason, Ledger, LedgerEntry, NewCase, Submission
from fairstall.records.outbox import decision_event
from fairstall.records.tables import cases, decisions, events, idempotency_keys, listings

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LISTING = Listing(
    "l-1",
    "s-1",
    "Ivory tusk",
    "Old, carved. 象牙 😀",
    "antiques",
    Price(Decimal("10.50"), "EUR"),
    "en",
    "DE",
    {"era": "1900"},
)
FINDING = Finding(
    "prohibited/wildlife", 0.5, Band.MEDIUM, Source.BOTH, (Evidence("title", 0, 5, "Ivory"),), "No ivory."
)


def an_entry(number: int = 1, outcome: Outcome = Outcome.REVIEW, reason: CaseReason | None = CaseReason.UNCERTAIN):
    at = NOW + timedelta(seconds=number)
    assessment = Assessment(
        outcome, (FINDING,), (), {"prohibited/wildlife": 0.5}, {"leet": 1}, Sampling(False, 1.0), Versions("m-1", "p-1")
    )
    listing = replace(LISTING, listing_id=f"l-{number}")
    case = NewCase(time_ordered_id(at), reason, FINDING.policy, 0.5, urgency_of(at, 0.5)) if reason else None
    case_id = case.case_id if case and outcome is Outcome.REVIEW else None
    decision = Decision(time_ordered_id(at), listing.listing_id, "s-1", at, assessment, case_id=case_id)
    return LedgerEntry(listing, decision, case, (decision_event(decision),))


def counts(engine):
    with reading(engine) as connection:
        tables = (listings, decisions, cases, events)
        return tuple(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)


def test_decisions_read_back_as_they_were_stored(engine):
    ledger, entries = Ledger(engine), [an_entry(n) for n in range(3)]
    ledger.append(entries)
    assert [ledger.find(entry.decision.decision_id) for entry in entries] == [entry.decision for entry in entries]
    assert [ledger.listing_of(entry.decision.decision_id) for entry in entries] == [entry.listing for entry in entries]
    assert counts(engine) == (3, 3, 3, 3)


def test_the_same_listing_uploaded_again_is_kept_once_and_decided_twice(engine):
    first, again = an_entry(1), replace(an_entry(1), case=None, events=())
    Ledger(engine).append([first, again])
    Ledger(engine).append([replace(an_entry(1), case=None, events=())])
    assert counts(engine) == (1, 3, 1, 1)


def test_a_case_of_the_control_sample_is_not_told(engine):
    entry = an_entry(1, Outcome.APPROVE, CaseReason.CONTROL)
    Ledger(engine).append([entry])
    assert counts(engine) == (1, 1, 1, 1)
    assert Ledger(engine).find(entry.decision.decision_id).case_id is None


def test_what_is_not_there_is_not_found(engine):
    ledger = Ledger(engine)
    for look in (ledger.find, ledger.listing_of, ledger.latest):
        with pytest.raises(NotFound):
            look("019a0000-0000-7000-8000-000000000000")


def test_an_override_is_a_new_row_and_the_old_one_stays(engine):
    ledger, entry = Ledger(engine), an_entry()
    ledger.append([entry])
    with writing(engine) as connection:
        new = ledger.override(connection, entry.decision.decision_id, Outcome.BLOCK, "user:mara", NOW)
    assert ledger.find(entry.decision.decision_id) == entry.decision
    assert ledger.find(new.decision_id) == new == ledger.latest("l-1")
    assert (new.outcome, new.actor, new.overrides) == (Outcome.BLOCK, "user:mara", entry.decision.decision_id)
    assert not new.automated
    assert counts(engine) == (1, 2, 1, 2)


def test_a_decision_is_overridden_once(engine):
    ledger, entry = Ledger(engine), an_entry()
    ledger.append([entry])
    with writing(engine) as connection:
        ledger.override(connection, entry.decision.decision_id, Outcome.BLOCK, "user:mara", NOW)
    with pytest.raises(Conflict), writing(engine) as connection:
        ledger.override(connection, entry.decision.decision_id, Outcome.APPROVE, "user:noor", NOW)
    assert ledger.latest("l-1").actor == "user:mara"
    assert counts(engine) == (1, 2, 1, 2)


def test_the_latest_decision_stands_even_when_the_clock_stepped_back(engine):
    ledger, entry = Ledger(engine), an_entry()
    ledger.append([entry])
    with writing(engine) as connection:
        earlier = NOW - timedelta(hours=1)
        new = ledger.override(connection, entry.decision.decision_id, Outcome.APPROVE, "user:mara", earlier)
    assert ledger.latest("l-1") == new


def test_one_entry_that_cannot_be_stored_leaves_none_of_them_behind(engine):
    entry = an_entry(1)
    with pytest.raises(Exception, match=r"UNIQUE|unique"):
        Ledger(engine).append([an_entry(2), entry, entry])
    assert counts(engine) == (0, 0, 0, 0)


def keyed(api_key_id: str, number: int, key: str = "k-1", at: datetime = NOW) -> Submission:
    return Submission((an_entry(number),), KeyedAnswer(api_key_id, key, "d" * 64, b'{"n":%d}' % number, at))


@pytest.fixture
def shop(engine) -> str:
    return create_key(engine, "shop", Scope.SCORE, now=NOW).key_id


def find(engine, submission: Submission, now: datetime = NOW):
    return Ledger(engine).answer(api_key_id=submission.answer.api_key_id, key=submission.answer.key, now=now)


def test_an_answer_is_found_under_its_key_for_a_day(engine, shop):
    submission = keyed(shop, 1)
    assert find(engine, submission) is None
    assert Ledger(engine).submit([submission]) == [True]
    assert find(engine, submission) == submission.answer
    assert find(engine, submission, NOW + timedelta(hours=23)) == submission.answer
    assert find(engine, submission, NOW + timedelta(hours=25)) is None


def test_an_idempotency_key_serves_one_submission(engine, shop):
    ledger = Ledger(engine)
    assert ledger.submit([keyed(shop, 1), keyed(shop, 2), keyed(shop, 3, key="k-2")]) == [True, False, True]
    assert ledger.submit([keyed(shop, 4)]) == [False]
    assert counts(engine) == (2, 2, 2, 2)
    with reading(engine) as connection:
        assert connection.execute(select(idempotency_keys.c.answer)).scalars().all() == [b'{"n":1}', b'{"n":3}']


def test_an_idempotency_key_is_free_again_after_a_day(engine, shop):
    ledger = Ledger(engine)
    ledger.submit([keyed(shop, 1)])
    assert ledger.submit([keyed(shop, 2, at=NOW + timedelta(hours=25))]) == [True]


def test_two_callers_may_use_the_same_idempotency_key(engine, shop):
    other = create_key(engine, "other", Scope.SCORE, now=NOW).key_id
    submissions = [keyed(shop, 1), keyed(other, 2)]
    assert Ledger(engine).submit(submissions) == [True, True]
    assert find(engine, submissions[1]).answer == b'{"n":2}'
