"""Golden items come into the work of others unseen, count for their accuracy alone, and retire with their listing."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from fairstall.labeling.case_file import read_case
from fairstall.labeling.export import export_labels
from fairstall.labeling.golden import GoldenItems
from fairstall.labeling.golden_cases import GoldenMix
from fairstall.labeling.overview import read_overview
from fairstall.labeling.permissions import Role
from fairstall.labeling.queue import ReviewQueue
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.decide import Outcome
from fairstall.model.errors import Conflict, InputError, NotFound
from fairstall.model.identifiers import moment_of
from fairstall.records.archive import Archive
from fairstall.records.archiving import Archiving
from fairstall.records.engine import reading
from fairstall.records.erasure import Erasure
from fairstall.records.ledger import CaseReason, Ledger
from fairstall.records.tables import cases, decisions, golden_cases, golden_items, reviews

VIOLATION, COMPLIANT = ReviewVerdict.VIOLATION, ReviewVerdict.COMPLIANT
WEAPONS = ("prohibited/weapons",)
WHY = "A blade that is hidden in a cane."


@pytest.fixture
def golden(store):
    return GoldenItems(store.engine, store.clock)


@pytest.fixture
def queue(store):
    """A queue that puts a golden item before every case."""
    return ReviewQueue(store.engine, store.clock, golden=GoldenMix(b"key", 1.0))


@pytest.fixture
def zoe(store):
    return store.user("zoe", Role.SENIOR)


@pytest.fixture
def make_golden(store, golden, zoe):
    """Makes a golden item of a new listing that the senior decided; its id and the decision's."""

    def make(title: str = "Sword cane", verdict=VIOLATION, **facts) -> tuple[str, str]:
        store.open_case(title, priority=1.0, **facts)
        case = store.queue.claim(zoe)
        store.queue.decide(case.case_id, zoe, verdict, WEAPONS if verdict is VIOLATION else ())
        policies = WEAPONS if verdict is VIOLATION else ()
        return golden.add(case.decision_id, zoe, verdict, policies, WHY), case.decision_id

    return make


def rows_of(store, table):
    with reading(store.engine) as connection:
        return connection.execute(select(table)).all()


def reason_of(case) -> CaseReason | None:
    return case.reason if case else None


def test_a_golden_item_comes_first_and_then_the_case_that_it_stood_before(store, queue, make_golden):
    mira = store.user()
    make_golden()
    waiting = store.open_case()
    case = queue.claim(mira)
    assert (case.reason, queue.claim(mira).case_id) == (CaseReason.GOLDEN, case.case_id)
    queue.decide(case.case_id, mira, COMPLIANT)
    assert queue.claim(mira).case_id == waiting


def test_a_golden_case_looks_like_the_case_that_it_stands_before(store, queue, make_golden):
    mira, noor = store.user("mira"), store.user("noor")
    for facts in ({}, {"reason": CaseReason.CONTROL, "outcome": Outcome.APPROVE}):
        _, decision_id = make_golden(**facts)
        with reading(store.engine) as connection:
            first = connection.execute(select(cases.c.case_id).where(cases.c.decision_id == decision_id)).scalar_one()
        waiting = store.open_case(priority=0.9)
        store.clock.advance(hours=3)
        before = read_overview(store.engine, noor, store.clock())
        case = queue.claim(mira)
        file = read_case(store.engine, case.case_id)
        stood_before = read_case(store.engine, waiting)
        assert case.reason is CaseReason.GOLDEN
        assert file.opened_at == stood_before.opened_at
        assert abs((moment_of(case.case_id) - file.opened_at).total_seconds()) < 0.002
        same = {"case_id": "", "opened_at": file.opened_at, "decided": False, "history": file.history}
        assert replace(file, **same) == replace(read_case(store.engine, first), **same)
        assert read_overview(store.engine, noor, store.clock()) == before
        queue.decide(case.case_id, mira, COMPLIANT)
        queue.decide(queue.claim(mira).case_id, mira, COMPLIANT)


def test_a_golden_review_moves_nothing_and_is_no_label(store, queue, make_golden, golden, tmp_path):
    mira = store.user()
    make_golden()
    store.open_case()
    ledger = rows_of(store, decisions)
    labels = export_labels(store.engine, tmp_path / "labels.jsonl")
    review = queue.decide(queue.claim(mira).case_id, mira, COMPLIANT)
    assert (review.decision_id, rows_of(store, decisions)) == (None, ledger)
    assert export_labels(store.engine, tmp_path / "labels.jsonl") == labels
    (item,) = golden.all()
    assert (item.right, item.answered) == (0, 1)
    again = queue.undo(mira, review_id=review.review_id)
    assert (again.reason, rows_of(store, decisions)) == (CaseReason.GOLDEN, ledger)
    queue.decide(again.case_id, mira, VIOLATION, WEAPONS)
    (item,) = golden.all()
    assert (item.right, item.answered, len(rows_of(store, reviews))) == (1, 1, 4)


def test_nobody_gets_an_item_that_he_added_or_reviewed_or_had_or_two_at_a_time(store, queue, make_golden, zoe):
    mira = store.user()
    make_golden("one")
    make_golden("two")
    store.open_case()
    store.open_case()
    assert reason_of(queue.claim(zoe)) is CaseReason.UNCERTAIN
    store.queue.release_all(zoe)
    first = queue.claim(mira)
    ahead = queue.claim(mira, after=first.case_id)
    assert (first.reason, ahead.reason) == (CaseReason.GOLDEN, CaseReason.UNCERTAIN)
    queue.decide(first.case_id, mira, COMPLIANT)
    seen = []
    while case := queue.claim(mira):
        seen.append(case.reason)
        queue.decide(case.case_id, mira, COMPLIANT)
    assert sorted(seen) == ["golden", "uncertain", "uncertain"]
    assert len({row.golden_id for row in rows_of(store, golden_cases)}) == 2


def test_the_share_of_golden_items_is_kept_and_the_same_draw_is_never_used_twice(store, make_golden):
    mira = store.user()
    queue = ReviewQueue(store.engine, store.clock, golden=GoldenMix(b"key", 0.2))
    for number in range(30):
        make_golden(f"item {number}")
    for number in range(60):
        store.open_case(f"case {number}")
    reasons = []
    while case := queue.claim(mira):
        reasons.append(case.reason)
        queue.decide(case.case_id, mira, COMPLIANT)
    assert reasons.count(CaseReason.UNCERTAIN) == 60
    assert 4 <= reasons.count(CaseReason.GOLDEN) <= 22


def test_a_golden_case_that_is_left_comes_back_to_the_same_person_alone(store, queue, make_golden):
    mira, noor = store.user("mira"), store.user("noor")
    make_golden()
    waiting = store.open_case()
    left = queue.claim(mira).case_id
    queue.release_all(mira)
    assert store.queue.claim(noor).case_id == waiting
    assert queue.claim(mira).case_id == left


def test_a_retired_item_is_mixed_in_no_more_and_its_answers_stay(store, queue, make_golden, golden, zoe):
    mira, noor = store.user("mira"), store.user("noor")
    golden_id, decision_id = make_golden()
    store.open_case()
    queue.decide(queue.claim(mira).case_id, mira, VIOLATION, WEAPONS)
    golden.retire(golden_id, zoe)
    with pytest.raises(NotFound):
        golden.retire(golden_id, zoe)
    assert reason_of(queue.claim(noor)) is CaseReason.UNCERTAIN
    (item,) = golden.all()
    assert (item.right, item.retired_at is not None) == (1, True)
    golden.add(decision_id, zoe, VIOLATION, WEAPONS, WHY)
    assert [one.retired_at is None for one in golden.all()] == [True, False]


def test_only_a_settled_case_becomes_a_golden_item_once_and_with_a_reason(store, golden, make_golden, zoe):
    store.open_case(priority=1.0)
    open_case = store.queue.claim(zoe)
    with pytest.raises(Conflict, match="Only a case that is decided"):
        golden.settled(open_case.decision_id)
    review = store.queue.decide(open_case.case_id, zoe, VIOLATION, WEAPONS)
    assert golden.settled(review.decision_id).decision_id == open_case.decision_id
    for verdict, policies, why in ((VIOLATION, (), WHY), (COMPLIANT, WEAPONS, WHY), (COMPLIANT, (), " ")):
        with pytest.raises(InputError):
            golden.add(open_case.decision_id, zoe, verdict, policies, why)
    golden.add(review.decision_id, zoe, VIOLATION, WEAPONS, WHY)
    with pytest.raises(Conflict, match="golden item already"):
        golden.add(open_case.decision_id, zoe, VIOLATION, WEAPONS, WHY)
    with pytest.raises(NotFound):
        golden.settled("none")


def test_an_erased_listing_retires_its_item_and_empties_its_words(store, queue, make_golden, golden):
    mira = store.user()
    _, decision_id = make_golden(seller_id="gone")
    store.open_case()
    held = queue.claim(mira)
    Erasure(store.engine, "gone", store.clock).run(actor="operator:kim", reason="ticket 7")
    with pytest.raises(Conflict, match="no longer yours"):
        queue.decide(held.case_id, mira, COMPLIANT)
    (item,) = golden.all()
    assert (item.why, item.retired_at is not None, item.heading) == ("", True, "erased at the seller's request")
    with pytest.raises(Conflict, match="erased"):
        golden.settled(decision_id)
    assert reason_of(queue.claim(mira)) is CaseReason.UNCERTAIN


def test_an_archived_listing_takes_its_item_and_its_golden_cases_along(store, queue, make_golden, tmp_path):
    pytest.importorskip("pyarrow")
    mira = store.user()
    make_golden(verdict=COMPLIANT)
    store.open_case()
    queue.decide(queue.claim(mira).case_id, mira, COMPLIANT)
    queue.decide(queue.claim(mira).case_id, mira, COMPLIANT)
    store.clock.advance(days=45)
    before = store.clock().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    (archived,) = Archiving(store.engine, Archive(tmp_path / "archive"), store.clock).run(before, actor="operator:kim")
    assert archived.decisions == 4
    assert rows_of(store, golden_items) == rows_of(store, golden_cases) == rows_of(store, decisions) == []


def test_a_golden_item_follows_nothing_that_happens_to_the_ledger(store, make_golden, golden, zoe):
    _, decision_id = make_golden()
    with store.engine.begin() as connection:
        blocked = connection.execute(select(decisions.c.decision_id).where(decisions.c.overrides == decision_id))
        Ledger.override(connection, blocked.scalar_one(), Outcome.APPROVE, zoe.actor, store.clock())
    (item,) = golden.all()
    assert item.verdict is VIOLATION
