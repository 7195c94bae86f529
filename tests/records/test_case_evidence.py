"""Evidence of cases is kept apart from decisions: cases without it are found, and it goes when the text goes."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import update

from fairstall.model.decide import Outcome
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.model_evidence import WeighedSpan, Weight
from fairstall.model.urgency import urgency_of
from fairstall.records.archive import Archive
from fairstall.records.archiving import Archiving
from fairstall.records.case_evidence import (
    Explained,
    keep_evidence,
    spans_from_body,
    unexplained_case,
    unexplained_ids,
)
from fairstall.records.engine import writing
from fairstall.records.erasure import Erasure
from fairstall.records.ledger import CaseReason, NewCase
from fairstall.records.tables import case_evidence, cases

WILDLIFE = "prohibited/wildlife"
SPANS = (WeighedSpan(WILDLIFE, "title", 0, 5, Weight.HIGH), WeighedSpan(WILDLIFE, "description", 3, 9, Weight.LOW))


def open_case(books, seller="ana", *, reason=CaseReason.UNCERTAIN, priority=0.5) -> str:
    entry = books.entry(seller)
    case = NewCase(time_ordered_id(books.at), reason, WILDLIFE, priority, urgency_of(books.at, priority))
    books.decide(replace(entry, case=case))
    return case.case_id


def left(books, at_most=10) -> list[str]:
    return unexplained_ids(books.engine, opened_before=books.at + timedelta(seconds=1), at_most=at_most)


def explained(case_id, books, spans=SPANS) -> Explained:
    return Explained(case_id, "m-1", spans, books.at)


def test_open_cases_without_evidence_are_found_the_most_urgent_first(books):
    low, high, older = (open_case(books, priority=priority) for priority in (0.2, 0.9, 0.5))
    assert left(books) == [high, older, low]
    assert left(books, at_most=2) == [high, older]
    keep_evidence(books.engine, explained(high, books, spans=()))
    assert left(books) == [older, low]


def test_young_decided_and_blind_cases_are_left_alone(books):
    open_case(books, reason=CaseReason.CONTROL)
    decided, waits = open_case(books), open_case(books)
    with writing(books.engine) as connection:
        connection.execute(update(cases).where(cases.c.case_id == decided).values(state="decided"))
    assert left(books) == [waits]
    assert unexplained_ids(books.engine, opened_before=books.at, at_most=10) == []


def test_a_case_comes_with_what_it_takes_to_explain_it(books):
    case = unexplained_case(books.engine, open_case(books))
    assert case.listing.title == "Ivory figure number 1 from ana"
    assert (case.policies, case.model_version) == ((WILDLIFE,), "m-1")
    assert unexplained_case(books.engine, open_case(books, reason=CaseReason.CONTROL)) is None
    assert unexplained_case(books.engine, "none") is None


def test_the_first_to_store_wins_and_no_words_are_stored(books):
    case_id = open_case(books)
    keep_evidence(books.engine, explained(case_id, books))
    keep_evidence(books.engine, replace(explained(case_id, books, spans=()), model_version="m-2"))
    [row] = books.rows(case_evidence)
    assert (row.case_id, row.model_version) == (case_id, "m-1")
    assert spans_from_body(row.body) == SPANS
    assert "Ivory" not in str(row.body)


def test_erasing_a_seller_takes_the_evidence_along_and_it_does_not_come_back(books):
    mine, other = open_case(books), open_case(books, "ben")
    for case_id in (mine, other):
        keep_evidence(books.engine, explained(case_id, books))
    late = open_case(books)
    Erasure(books.engine, "ana", books.now).run(actor="operator:kim", reason="ticket 7")
    keep_evidence(books.engine, explained(late, books))
    assert [row.case_id for row in books.rows(case_evidence)] == [other]
    assert left(books) == []


def test_archiving_a_month_takes_the_evidence_along(books, tmp_path):
    entry = books.entry("ana")
    [decision_id] = books.decide(entry)
    keep_evidence(books.engine, explained(entry.case.case_id, books))
    books.review(decision_id, outcome=Outcome.APPROVE)
    books.pass_by(days=60)
    Archiving(books.engine, Archive(tmp_path / "archive"), books.now).run(
        books.at.replace(month=4, day=1), actor="operator:kim"
    )
    assert books.rows(cases) == books.rows(case_evidence) == []


def test_evidence_of_a_case_that_is_gone_is_dropped(books):
    keep_evidence(books.engine, explained("01a204c1-3b4d-70b5-8d60-0bc19cc38f0d", books))
    assert books.rows(case_evidence) == []
