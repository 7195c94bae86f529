"""Many cases decided by one verdict and undone together, each with a review of its own, on both databases."""

import json
import threading

import pytest
from sqlalchemy import event, func, select

from fairstall.labeling.export import export_labels
from fairstall.labeling.lanes import SENIOR, lane_of_team
from fairstall.labeling.permissions import Role
from fairstall.labeling.queue import SkipReason
from fairstall.labeling.together import MOST_AT_ONCE, Together
from fairstall.labeling.verdicts import Judgement, ReviewVerdict
from fairstall.model.decide import Outcome
from fairstall.model.errors import Conflict, InputError
from fairstall.records.blocked import BlockedPrints
from fairstall.records.engine import reading, writing
from fairstall.records.erasure import Erasure
from fairstall.records.ledger import CaseReason, Ledger
from fairstall.records.seals import seal_all
from fairstall.records.tables import cases, decisions, events, reviews
from fairstall.records.verification import Verification

BLOCKED = Judgement(ReviewVerdict.VIOLATION, ("prohibited/weapons",), "one seller, one text")
APPROVED = Judgement(ReviewVerdict.COMPLIANT)


@pytest.fixture
def together(store) -> Together:
    return Together(store.engine, store.clock)


def rows_of(store, table):
    with reading(store.engine) as connection:
        return connection.execute(select(table)).all()


def open_cases(store) -> set[str]:
    return {row.case_id for row in rows_of(store, cases) if row.state == "open"}


def outcome_of(store, case_id) -> Outcome:
    with reading(store.engine) as connection:
        query = select(decisions.c.listing_id).join(cases).where(cases.c.case_id == case_id)
        listing_id = connection.execute(query).scalar_one()
    return Ledger(store.engine).latest(listing_id).outcome


def change(store, case_id, **values) -> None:
    with writing(store.engine) as connection:
        connection.execute(cases.update().where(cases.c.case_id == case_id).values(values))


def test_each_case_gets_a_review_and_an_override_of_its_own(store, together):
    zoe = store.user("zoe", Role.SENIOR)
    opened = [store.open_case(f"Knife {number}", "A sharp blade for the kitchen or the camp.") for number in range(3)]
    batch = together.decide(opened, zoe, BLOCKED)
    assert [review.case_id for review in batch.reviews] == opened
    assert {(review.batch_id, review.decided_together) for review in batch.reviews} == {(batch.batch_id, 3)}
    stored = {row.decision_id: row for row in rows_of(store, decisions)}
    for review in batch.reviews:
        row = stored[review.decision_id]
        assert (row.outcome, row.actor, stored[row.overrides].outcome) == ("block", "user:zoe", "review")
    assert {row.kind for row in rows_of(store, events)} == {"decision.overridden"}
    assert len(rows_of(store, events)) == 3
    assert len(BlockedPrints(store.engine).newest(9)) == 3
    assert {row.note for row in rows_of(store, reviews)} == {"one seller, one text"}
    assert open_cases(store) == set()


def test_what_is_not_for_somebody_to_decide_is_left_out_and_named(store, together):
    zoe, noor = store.user("zoe", Role.SENIOR), store.user("noor")
    taken = store.open_case("Taken")
    store.queue.claim(noor)
    decided = store.open_case("Decided")
    store.queue.decide(store.queue.claim(noor, after=taken).case_id, noor, ReviewVerdict.COMPLIANT)
    others = {
        reason: store.open_case(str(reason), reason=reason)
        for reason in (CaseReason.CONTROL, CaseReason.GOLDEN, CaseReason.SECOND_OPINION, CaseReason.APPEAL)
    }
    theirs = store.open_case("Handed to a team that she is not in")
    change(store, theirs, lane=lane_of_team("brands"))
    free = store.open_case("Free")
    left_out = (taken, decided, *others.values(), theirs, "no such case")
    batch = together.decide([*left_out, free, free], zoe, APPROVED)
    assert [review.case_id for review in batch.reviews] == [free]
    assert batch.left_out == left_out
    assert open_cases(store) == {taken, theirs, *others.values()}


def test_his_own_cases_and_those_whose_lease_ran_out_and_escalated_ones_are_his_to_decide(store, together):
    zoe, noor = store.user("zoe", Role.SENIOR), store.user("noor")
    own, late, escalated, skipped = (store.open_case(priority=p) for p in (0.9, 0.5, 0.3, 0.1))
    begun = store.queue.claim(zoe).claimed_at
    store.queue.claim(noor)
    store.clock.advance(seconds=200)
    store.queue.heartbeat(own, zoe)
    store.clock.advance(seconds=200)
    change(store, escalated, lane=SENIOR)
    store.queue.skip(store.queue.claim(zoe, after=own).case_id, zoe, SkipReason.OTHER)
    batch = together.decide([own, late, escalated, skipped], zoe, APPROVED)
    assert batch.left_out == ()
    assert [review.claimed_at == begun for review in batch.reviews] == [True, False, False, False]
    assert all(review.claimed_at == review.decided_at for review in batch.reviews[1:])


def test_of_two_cases_about_one_decision_one_is_decided(store, together):
    zoe = store.user("zoe", Role.SENIOR)
    first = store.open_case()
    with writing(store.engine) as connection:
        row = connection.execute(select(cases)).one()._asdict()
        connection.execute(cases.insert().values(row | {"case_id": "reported", "reason": "report"}))
    batch = together.decide([first, "reported"], zoe, BLOCKED)
    assert (len(batch.reviews), len(batch.left_out)) == (1, 1)
    with pytest.raises(Conflict, match="Nothing was stored"):
        together.decide(batch.left_out, zoe, BLOCKED)


def test_none_or_too_many_are_refused_and_so_is_a_batch_of_which_nothing_is_left(store, together):
    zoe = store.user("zoe", Role.SENIOR)
    with pytest.raises(InputError, match="Tick the cases"):
        together.decide([], zoe, APPROVED)
    with pytest.raises(InputError, match="501 cases are more than the 500"):
        together.decide([str(number) for number in range(MOST_AT_ONCE + 1)], zoe, APPROVED)
    with pytest.raises(Conflict, match="Nothing was stored"):
        together.decide(["gone"], zoe, APPROVED)
    assert rows_of(store, reviews) == []


def test_a_batch_is_undone_as_a_whole_and_its_cases_wait_again_where_they_were(store, together):
    zoe, noor = store.user("zoe", Role.SENIOR), store.user("noor")
    opened = [store.open_case(f"Knife {number}") for number in range(3)]
    change(store, opened[2], lane=SENIOR)
    batch = together.decide(opened, zoe, BLOCKED)
    undone = together.undo(batch.batch_id, zoe)
    assert (set(undone.reopened), undone.kept) == (set(opened), ())
    assert {outcome_of(store, case_id) for case_id in opened} == {Outcome.REVIEW}
    assert BlockedPrints(store.engine).newest(9) == []
    assert {row.lane for row in rows_of(store, cases) if row.case_id == opened[2]} == {SENIOR}
    assert store.queue.claim(noor).case_id == opened[0]
    assert together.decide(opened, zoe, APPROVED).left_out == (opened[0],)
    with pytest.raises(Conflict, match="undone already"):
        together.undo(batch.batch_id, zoe)


def test_undoing_brings_back_a_block_that_was_approved_together(store, together):
    zoe = store.user("zoe", Role.SENIOR)
    text = "From the estate of my grandfather, carved and 14 cm tall, with its box."
    opened = [store.open_case("Figure", text, outcome=Outcome.BLOCK) for _ in range(2)]
    together.undo(together.decide(opened, zoe, APPROVED).batch_id, zoe)
    assert {outcome_of(store, case_id) for case_id in opened} == {Outcome.BLOCK}
    assert [one.policies for one in BlockedPrints(store.engine).newest(9)] == [("prohibited/weapons",)] * 2


def test_what_somebody_decided_since_stays_and_the_rest_is_undone(store, together):
    zoe = store.user("zoe", Role.SENIOR)
    overturned, erased, plain = (store.open_case(name, seller_id=name) for name in ("a", "b", "c"))
    batch = together.decide([overturned, erased, plain], zoe, BLOCKED)
    with writing(store.engine) as connection:
        Ledger.override(connection, batch.reviews[0].decision_id, Outcome.APPROVE, "user:kim", store.clock())
    Erasure(store.engine, "b", store.clock).run(actor="operator:kim", reason="ticket 7")
    undone = together.undo(batch.batch_id, zoe)
    assert (undone.reopened, set(undone.kept)) == ((plain,), {overturned, erased})
    assert outcome_of(store, overturned) is Outcome.APPROVE
    with pytest.raises(Conflict, match="cannot be undone"):
        together.undo(batch.batch_id, zoe)


def test_one_by_one_undo_takes_cases_out_of_a_batch_and_the_rest_can_still_be_undone_together(store, together):
    zoe = store.user("zoe", Role.SENIOR)
    opened = [store.open_case(f"Knife {number}") for number in range(3)]
    batch = together.decide(opened, zoe, BLOCKED)
    back = store.queue.undo(zoe)
    assert store.queue.claim(zoe).case_id == back.case_id
    assert set(together.undo(batch.batch_id, zoe).reopened) == set(opened) - {back.case_id}
    assert store.queue.claim(zoe).case_id == back.case_id, "it is still with her"


def test_a_batch_is_undone_by_whoever_decided_it_and_in_time(store, together):
    zoe, kim = store.user("zoe", Role.SENIOR), store.user("kim", Role.SENIOR)
    batch = together.decide([store.open_case()], zoe, BLOCKED)
    with pytest.raises(Conflict):
        together.undo(batch.batch_id, kim)
    store.clock.advance(minutes=16)
    with pytest.raises(Conflict, match="too long ago"):
        together.undo(batch.batch_id, zoe)
    assert outcome_of(store, batch.reviews[0].case_id) is Outcome.BLOCK


def test_an_approval_that_changes_nothing_writes_no_decision_and_can_be_undone(store, together):
    zoe = store.user("zoe", Role.SENIOR)
    case_id = store.open_case(reason=CaseReason.REPORT, outcome=Outcome.APPROVE)
    batch = together.decide([case_id], zoe, APPROVED)
    assert [review.decision_id for review in batch.reviews] == [None]
    assert len(rows_of(store, decisions)) == 1
    assert together.undo(batch.batch_id, zoe).reopened == (case_id,)


def test_people_who_decide_the_same_cases_at_once_share_them_and_decide_none_twice(store, together):
    people = [store.user(f"zoe-{number}", Role.SENIOR) for number in range(4)]
    opened = [store.open_case(f"Knife {number}") for number in range(30)]
    refused: list[Conflict] = []

    def decide(person, order):
        try:
            together.decide(order, person, APPROVED)
        except Conflict as conflict:
            refused.append(conflict)

    orders = (opened, opened[::-1], opened[10:] + opened[:10], opened[::2] + opened[1::2])
    threads = [threading.Thread(target=decide, args=pair) for pair in zip(people, orders, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 3
    assert sorted(row.case_id for row in rows_of(store, reviews)) == sorted(opened)


def test_fifty_take_no_more_statements_than_five(store, together):
    zoe = store.user("zoe", Role.SENIOR)
    opened = [store.open_case(f"Knife {number}") for number in range(55)]
    counts: list[int] = []
    event.listen(store.engine, "before_cursor_execute", lambda *_: counts.append(1))
    spent = []
    for some in (opened[:5], opened[5:]):
        counts.clear()
        together.undo(together.decide(some, zoe, BLOCKED).batch_id, zoe)
        spent.append(len(counts))
    assert spent[0] == spent[1]


def test_the_seal_of_a_review_does_not_hold_with_how_many_it_was_decided(store, together):
    zoe = store.user("zoe", Role.SENIOR)
    together.decide([store.open_case(), store.open_case()], zoe, APPROVED)
    store.clock.advance(minutes=5)
    seal_all(store.engine, store.clock)
    with writing(store.engine) as connection:
        connection.execute(reviews.update().values(batch_id=None, decided_together=1))
    assert Verification(store.engine).run().rows == 6


def test_a_label_says_how_many_were_decided_together(store, together, tmp_path):
    zoe = store.user("zoe", Role.SENIOR)
    together.decide([store.open_case(f"Knife {number}") for number in range(3)], zoe, BLOCKED)
    store.open_case("A single knife")
    store.queue.decide(store.queue.claim(zoe).case_id, zoe, ReviewVerdict.COMPLIANT)
    export_labels(store.engine, tmp_path / "labels.jsonl")
    labels = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert sorted(label["decided_together"] for label in labels) == [1, 3, 3, 3]
    with reading(store.engine) as connection:
        assert connection.execute(select(func.count()).select_from(reviews)).scalar_one() == 4
