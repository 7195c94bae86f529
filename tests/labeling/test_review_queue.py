"""The queue hands each case to one person, and what he decides stands in the ledger, on both databases."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from fairstall.labeling.accounts import User
from fairstall.labeling.permissions import Role
from fairstall.labeling.queue import SkipReason
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.decide import Outcome
from fairstall.model.errors import Conflict
from fairstall.records.blocked import BlockedPrints
from fairstall.records.engine import reading
from fairstall.records.erasure import Erasure
from fairstall.records.ledger import CaseReason, Ledger
from fairstall.records.tables import case_steps, cases, decisions, events, reviews

VIOLATION, COMPLIANT = ReviewVerdict.VIOLATION, ReviewVerdict.COMPLIANT
OTHER = SkipReason.OTHER
WEAPONS = ("prohibited/weapons",)


def rows_of(store, table):
    with reading(store.engine) as connection:
        return connection.execute(select(table)).all()


def outcome_of(store, case_id) -> Outcome:
    with reading(store.engine) as connection:
        query = select(decisions.c.listing_id).join(cases).where(cases.c.case_id == case_id)
        listing_id = connection.execute(query).scalar_one()
    return Ledger(store.engine).latest(listing_id).outcome


def test_the_most_urgent_case_comes_first_and_the_older_of_two(store):
    later, low = store.user(), store.open_case(priority=0.1)
    first, second = store.open_case(priority=2.0), store.open_case(priority=2.0)
    claimed = []
    while case := store.queue.claim(later):
        claimed.append(case.case_id)
        store.queue.decide(case.case_id, later, COMPLIANT)
    assert claimed == [first, second, low]


def test_claiming_again_returns_the_same_case_with_a_longer_lease(store):
    mira = store.user()
    store.open_case()
    first = store.queue.claim(mira)
    store.open_case(priority=9.0)
    store.clock.advance(seconds=200)
    again = store.queue.claim(mira)
    assert (again.case_id, again.claimed_at) == (first.case_id, first.claimed_at)
    assert again.lease_until > first.lease_until


def test_nobody_is_given_a_case_that_another_holds(store):
    store.open_case()
    assert store.queue.claim(store.user("mira"))
    assert store.queue.claim(store.user("noor")) is None


def test_a_case_whose_lease_ran_out_goes_to_the_next_person(store):
    mira, noor = store.user("mira"), store.user("noor")
    case_id = store.open_case()
    store.queue.claim(mira)
    store.clock.advance(seconds=301)
    assert store.queue.claim(noor).case_id == case_id
    with pytest.raises(Conflict, match="no longer yours"):
        store.queue.decide(case_id, mira, COMPLIANT)
    assert rows_of(store, reviews) == []
    assert outcome_of(store, case_id) is Outcome.REVIEW


def test_a_heartbeat_keeps_a_hard_case(store):
    mira, noor = store.user("mira"), store.user("noor")
    case_id = store.open_case()
    store.queue.claim(mira)
    for _ in range(4):
        store.clock.advance(seconds=200)
        store.queue.heartbeat(case_id, mira)
    assert store.queue.claim(noor) is None
    with pytest.raises(Conflict):
        store.queue.heartbeat(case_id, noor)


def test_a_late_decision_counts_as_long_as_nobody_else_took_the_case(store):
    mira = store.user()
    case_id = store.open_case()
    store.queue.claim(mira)
    store.clock.advance(hours=2)
    store.queue.decide(case_id, mira, COMPLIANT)
    assert outcome_of(store, case_id) is Outcome.APPROVE


def test_a_clock_that_is_set_back_leaves_a_lease_to_its_holder_and_the_last_word_to_the_review(store):
    mira, noor = store.user("mira"), store.user("noor")
    case_id = store.open_case()
    store.queue.claim(mira)
    store.clock.advance(hours=-1)
    assert store.queue.claim(noor) is None
    store.queue.heartbeat(case_id, mira)
    store.queue.decide(case_id, mira, COMPLIANT)
    assert outcome_of(store, case_id) is Outcome.APPROVE


def test_a_skipped_case_goes_to_others_at_once_and_comes_back_later(store):
    mira, noor = store.user("mira"), store.user("noor")
    urgent, other = store.open_case(priority=5.0), store.open_case(priority=1.0)
    store.queue.skip(store.queue.claim(mira).case_id, mira, OTHER)
    assert store.queue.claim(mira).case_id == other
    assert store.queue.claim(noor).case_id == urgent


def test_a_skipped_case_comes_back_when_nothing_else_waits_and_after_a_while(store):
    mira = store.user()
    urgent = store.open_case(priority=5.0)
    store.queue.skip(store.queue.claim(mira).case_id, mira, OTHER)
    assert store.queue.claim(mira).case_id == urgent
    store.queue.skip(urgent, mira, OTHER)
    store.open_case(priority=1.0)
    store.clock.advance(seconds=601)
    assert store.queue.claim(mira).case_id == urgent


def test_a_skipped_case_is_not_taken_ahead_by_whoever_skipped_it(store):
    mira, noor = store.user("mira"), store.user("noor")
    skipped, other = store.open_case(priority=5.0), store.open_case(priority=1.0)
    store.queue.skip(store.queue.claim(mira).case_id, mira, OTHER)
    assert store.queue.claim(mira).case_id == other
    assert store.queue.claim(mira, after=other) is None
    assert store.queue.claim(noor).case_id == skipped


def test_logging_out_gives_cases_back(store):
    mira, noor = store.user("mira"), store.user("noor")
    case_id = store.open_case()
    store.queue.claim(mira)
    store.queue.release_all(mira)
    assert store.queue.claim(noor).case_id == case_id


@pytest.mark.parametrize(
    ("verdict", "policies", "outcome"), [(VIOLATION, WEAPONS, Outcome.BLOCK), (COMPLIANT, (), Outcome.APPROVE)]
)
def test_a_decision_overrides_the_ledger_by_a_new_row_and_tells_the_outbox(store, verdict, policies, outcome):
    mira = store.user()
    case_id = store.open_case()
    store.queue.claim(mira)
    review = store.queue.decide(case_id, mira, verdict, policies, "seen")
    old, new = sorted(rows_of(store, decisions), key=lambda row: row.decided_at)
    assert (old.outcome, new.outcome) == ("review", outcome)
    assert (new.overrides, new.actor, new.decision_id) == (old.decision_id, "user:mira", review.decision_id)
    (event,) = rows_of(store, events)
    assert (event.kind, event.body["decision_id"]) == ("decision.overridden", new.decision_id)
    (stored,) = rows_of(store, reviews)
    assert (stored.verdict, tuple(stored.policies), stored.note) == (verdict, policies, "seen")


def test_a_case_is_decided_once(store):
    mira = store.user()
    case_id = store.open_case()
    store.queue.claim(mira)
    store.queue.decide(case_id, mira, COMPLIANT)
    with pytest.raises(Conflict):
        store.queue.decide(case_id, mira, VIOLATION, WEAPONS)
    assert len(rows_of(store, reviews)) == 1


def test_a_verdict_without_its_policies_is_a_bug_of_the_caller(store):
    for verdict, policies in ((VIOLATION, ()), (COMPLIANT, WEAPONS)):
        with pytest.raises(ValueError, match="does not go with"):
            store.queue.decide("any", store_user(), verdict, policies)


def test_an_approved_control_listing_found_compliant_needs_no_new_decision(store):
    mira = store.user()
    case_id = store.open_case(reason=CaseReason.CONTROL, outcome=Outcome.APPROVE)
    store.queue.claim(mira)
    review = store.queue.decide(case_id, mira, COMPLIANT)
    assert review.decision_id is None
    assert len(rows_of(store, decisions)) == 1
    assert rows_of(store, events) == []
    assert store.queue.undo(mira).case_id == case_id
    assert outcome_of(store, case_id) is Outcome.APPROVE


def test_undo_restores_the_outcome_reopens_the_case_and_gives_it_back(store):
    mira = store.user()
    case_id = store.open_case()
    store.queue.claim(mira)
    decided = store.queue.decide(case_id, mira, VIOLATION, WEAPONS)
    assert outcome_of(store, case_id) is Outcome.BLOCK
    again = store.queue.undo(mira, review_id=decided.review_id)
    assert (again.case_id, store.queue.claim(mira).case_id) == (case_id, case_id)
    assert outcome_of(store, case_id) is Outcome.REVIEW
    undone = next(row for row in rows_of(store, reviews) if row.verdict == "undone")
    assert undone.undoes == decided.review_id
    store.queue.decide(case_id, mira, COMPLIANT)
    assert outcome_of(store, case_id) is Outcome.APPROVE
    assert len(rows_of(store, decisions)) == 4


def test_undo_goes_back_step_by_step_and_each_step_once(store):
    mira = store.user()
    decided = [store.open_case(priority=p) for p in (3.0, 2.0, 1.0)]
    for _ in decided:
        store.queue.decide(store.queue.claim(mira).case_id, mira, COMPLIANT)
    assert [store.queue.undo(mira).case_id for _ in decided] == decided[::-1]
    with pytest.raises(Conflict, match="undone already"):
        store.queue.undo(mira)


def test_undo_takes_back_only_the_review_it_names(store):
    mira = store.user()
    store.open_case()
    store.open_case()
    first = store.queue.decide(store.queue.claim(mira).case_id, mira, COMPLIANT)
    store.queue.decide(store.queue.claim(mira).case_id, mira, COMPLIANT)
    with pytest.raises(Conflict):
        store.queue.undo(mira, review_id=first.review_id)


def test_an_old_decision_cannot_be_undone(store):
    mira = store.user()
    store.open_case()
    store.queue.decide(store.queue.claim(mira).case_id, mira, COMPLIANT)
    store.clock.advance(minutes=16)
    assert store.queue.undoable(mira) is None
    with pytest.raises(Conflict, match="too long ago"):
        store.queue.undo(mira)


def test_a_decision_on_an_erased_listing_cannot_be_undone(store):
    mira = store.user()
    store.open_case()
    store.queue.decide(store.queue.claim(mira).case_id, mira, COMPLIANT)
    Erasure(store.engine, "seller-1", store.clock).run(actor="operator:kim", reason="ticket 7")
    with pytest.raises(Conflict, match="The seller's data were erased since"):
        store.queue.undo(mira)
    assert store.queue.claim(mira) is None


def test_a_case_that_is_erased_in_somebodys_hands_is_lost_to_him(store):
    mira = store.user()
    store.open_case()
    held = store.queue.claim(mira)
    Erasure(store.engine, "seller-1", store.clock).run(actor="operator:kim", reason="ticket 7")
    with pytest.raises(Conflict, match="no longer yours"):
        store.queue.decide(held.case_id, mira, COMPLIANT)
    assert rows_of(store, reviews) == []


def test_a_decision_that_was_overridden_since_cannot_be_undone(store):
    mira = store.user()
    case_id = store.open_case()
    store.queue.claim(mira)
    review = store.queue.decide(case_id, mira, VIOLATION, WEAPONS)
    with store.engine.begin() as connection:
        Ledger.override(connection, review.decision_id, Outcome.APPROVE, "user:zoe", store.clock())
    with pytest.raises(Conflict, match="decided this case since"):
        store.queue.undo(mira)
    assert outcome_of(store, case_id) is Outcome.APPROVE
    assert {row.state for row in rows_of(store, cases)} == {"decided"}


def test_a_reviewer_never_gets_his_own_case_for_a_second_opinion(store):
    mira, noor = store.user("mira"), store.user("noor")
    case_id = store.open_case()
    store.queue.claim(mira)
    store.queue.decide(case_id, mira, COMPLIANT)
    with store.engine.begin() as connection:
        first = connection.execute(select(cases)).one()._asdict()
        second = first | {"case_id": "second", "reason": "second_opinion", "state": "open"}
        connection.execute(cases.insert().values(second))
    assert store.queue.claim(mira) is None
    assert store.queue.claim(noor).case_id == "second"


def test_fifty_people_at_once_never_get_the_same_case_and_lose_none(store):
    people = [User(f"user-{number}", f"user-{number}", Role.MODERATOR) for number in range(50)]
    add_users(store, people)
    opened = {store.open_case(priority=number % 3) for number in range(120)}
    served: Counter[str] = Counter()
    threads = [threading.Thread(target=work_off, args=(store, person, served)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert served == Counter(opened)
    assert len(rows_of(store, reviews)) == len(opened)


def test_the_next_case_may_be_taken_while_one_is_at_work_and_comes_right_after_it(store):
    mira, noor = store.user("mira"), store.user("noor")
    first, second, third = (store.open_case(priority=p) for p in (0.9, 0.5, 0.1))
    assert store.queue.claim(mira).case_id == first
    ahead = store.queue.claim(mira, after=first)
    assert ahead.case_id == second == store.queue.claim(mira, after=first).case_id
    assert store.queue.claim(mira).case_id == first
    assert store.queue.claim(noor).case_id == third
    store.queue.decide(first, mira, COMPLIANT)
    assert store.queue.claim(mira).case_id == second


def test_a_case_kept_ready_counts_as_claimed_when_its_reviewer_turns_to_it(store):
    mira = store.user("mira")
    first, second = store.open_case(priority=0.9), store.open_case(priority=0.5)
    begun = store.queue.claim(mira).claimed_at
    kept_since = store.queue.claim(mira, after=first).claimed_at
    assert store.queue.claim(mira).claimed_at == begun
    store.clock.advance(minutes=2)
    store.queue.decide(first, mira, COMPLIANT)
    turned = store.queue.claim(mira, turns_to_it=True)
    assert (turned.case_id, turned.claimed_at - kept_since > timedelta(minutes=2)) == (second, True)
    assert store.queue.claim(mira).claimed_at == turned.claimed_at


def test_a_held_case_waits_for_its_holder_and_for_nobody_else_until_a_day_has_passed(store):
    mira, noor = store.user("mira"), store.user("noor")
    held, other = store.open_case(priority=0.9), store.open_case(priority=0.1)
    store.queue.claim(mira)
    store.queue.hold(held, mira, "asked the brand")
    assert store.queue.claim(mira).case_id == other
    store.queue.release_all(mira)
    assert store.queue.claim(noor).case_id == other
    assert store.queue.claim(noor, after=other) is None
    store.queue.heartbeat(held, mira)
    assert store.queue.claim(mira).case_id == held
    store.queue.hold(held, mira)
    store.clock.advance(hours=24)
    assert store.queue.claim(noor).case_id in (held, other)
    assert kinds_of(store, held) == ["held", "resumed", "held"]


def test_nobody_holds_more_than_ten_cases(store):
    mira = store.user()
    for _ in range(11):
        store.open_case()
    for _ in range(10):
        store.queue.hold(store.queue.claim(mira).case_id, mira)
    last = store.queue.claim(mira).case_id
    with pytest.raises(Conflict, match="hold 10 cases"):
        store.queue.hold(last, mira)
    assert store.queue.claim(mira).case_id == last


def test_a_released_case_is_as_it_was_before(store):
    mira, noor = store.user("mira"), store.user("noor")
    case_id = store.open_case()
    store.queue.release(store.queue.claim(mira).case_id, mira)
    with pytest.raises(Conflict):
        store.queue.release(case_id, mira)
    assert store.queue.claim(noor).case_id == case_id
    store.queue.release(case_id, noor)
    assert store.queue.claim(mira).case_id == case_id


def test_the_first_touch_is_noted_once_a_claim(store):
    mira = store.user()
    case_id = store.open_case()
    store.queue.claim(mira)
    store.queue.touch(case_id, mira)
    store.queue.touch(case_id, mira)
    assert kinds_of(store, case_id) == ["touched"]
    store.queue.release(case_id, mira)
    store.queue.claim(mira)
    store.queue.touch(case_id, mira)
    assert kinds_of(store, case_id) == ["touched", "released", "touched"]


def kinds_of(store, case_id) -> list[str]:
    steps = [row for row in rows_of(store, case_steps) if row.case_id == case_id]
    return [row.kind for row in sorted(steps, key=lambda row: row.step_id)]


def work_off(store, person, served) -> None:
    while case := store.queue.claim(person):
        served[case.case_id] += 1
        store.queue.decide(case.case_id, person, COMPLIANT)


def add_users(store, people) -> None:
    from fairstall.records.tables import users

    rows = [
        {"user_id": p.user_id, "name": p.name, "role": "moderator", "password_hash": "-", "created_at": "2026"}
        for p in people
    ]
    with store.engine.begin() as connection:
        connection.execute(users.insert(), rows)


def store_user() -> User:
    return User("nobody", "nobody", Role.MODERATOR)


def test_what_a_person_blocks_is_kept_to_be_compared_with_until_it_is_undone(store):
    mira = store.user()
    store.open_case("Old carved figure of a fisherman", "From the estate of my grandfather, 14 cm tall.")
    case = store.queue.claim(mira)
    blocked = store.queue.decide(case.case_id, mira, VIOLATION, ("prohibited/wildlife",))
    [kept] = BlockedPrints(store.engine).newest(10)
    assert (kept.decision_id, kept.policies) == (blocked.decision_id, ("prohibited/wildlife",))
    store.queue.undo(mira)
    assert BlockedPrints(store.engine).newest(10) == []
