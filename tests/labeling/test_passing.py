"""A case that is passed on reaches the person, the team or the seniors it was meant for, and is never stranded."""

import pytest

from fairstall.labeling.passing import Passing
from fairstall.labeling.permissions import Role
from fairstall.labeling.steps import StepKind, steps_of
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.errors import Conflict, InputError
from fairstall.records.engine import reading


@pytest.fixture
def passing(store):
    return Passing(store.engine, store.clock)


def claimed(store, user) -> str:
    case = store.queue.claim(user)
    return case.case_id if case else ""


def test_an_escalated_case_goes_to_those_who_settle_them_with_a_note(store, passing):
    mira, noor, zoe = store.user("mira"), store.user("noor"), store.user("zoe", Role.SENIOR)
    case_id = store.open_case()
    store.queue.claim(mira)
    with pytest.raises(InputError, match="Write a note"):
        passing.escalate(case_id, mira, "")
    passing.escalate(case_id, mira, "Is this a replica?")
    assert (claimed(store, mira), claimed(store, noor), claimed(store, zoe)) == ("", "", case_id)
    with reading(store.engine) as connection:
        (step,) = steps_of(connection, case_id)
    assert (step.kind, step.by, step.note) == (StepKind.ESCALATED, "mira", "Is this a replica?")


def test_a_case_is_handed_to_a_person_by_name_and_to_a_team(store, passing):
    mira, noor, kim = (store.user(name) for name in ("mira", "noor", "kim"))
    kim = store.accounts.set_teams("kim", ["brands"])
    store.accounts.set_teams("noor", ["medicines"])
    first, second = store.open_case(priority=0.9), store.open_case(priority=0.1)
    for case_id, to in ((first, "@noor"), (second, "brands")):
        assert claimed(store, mira) == case_id
        passing.hand_over(case_id, mira, to, "")
    assert (claimed(store, mira), claimed(store, noor), claimed(store, kim)) == ("", first, second)
    assert passing.takers(mira) == (("brands", "medicines"), ("kim", "noor"))


def test_what_is_in_several_lanes_is_taken_in_the_order_of_urgency(store, passing):
    mira, noor = store.user("mira"), store.user("noor")
    handed, urgent, calm = store.open_case(priority=0.5), store.open_case(priority=0.2), store.open_case(priority=0.1)
    passing.hand_over(claimed(store, mira), mira, "@noor", "")
    more_urgent = store.open_case(priority=0.9)
    order = []
    while case_id := claimed(store, noor):
        order.append(case_id)
        store.queue.decide(case_id, noor, ReviewVerdict.COMPLIANT)
    assert order == [more_urgent, handed, urgent, calm]


def test_nobody_gets_a_case_who_cannot_have_it(store, passing):
    mira = store.user("mira")
    store.user("ada", Role.AUDITOR)
    case_id = store.open_case()
    store.queue.claim(mira)
    for to in ("@mira", "@ada", "@nobody", "brands", ""):
        with pytest.raises(InputError, match="Nobody else"):
            passing.hand_over(case_id, mira, to, "")
    noor = store.user("noor")
    with pytest.raises(Conflict):
        passing.hand_over(case_id, noor, "@mira", "")
    store.queue.decide(case_id, mira, ReviewVerdict.COMPLIANT)
    store.queue.undo(mira)
    passing.hand_over(case_id, mira, "@noor", "")
    assert claimed(store, noor) == case_id


def test_cases_of_somebody_who_is_gone_and_of_an_empty_team_go_back_to_everybody(store, passing):
    mira, kim = store.user("mira"), store.user("kim")
    store.user("noor")
    store.accounts.set_teams("kim", ["brands"])
    first, second = store.open_case(priority=0.9), store.open_case(priority=0.1)
    passing.hand_over(claimed(store, mira), mira, "@noor", "")
    passing.hand_over(claimed(store, mira), mira, "brands", "")
    assert claimed(store, mira) == ""
    store.accounts.disable("noor")
    assert claimed(store, mira) == first
    store.accounts.set_teams("kim", [])
    assert claimed(store, kim) == second


def test_a_senior_calls_a_case_back_from_whoever_has_it(store, passing):
    mira, noor, zoe = store.user("mira"), store.user("noor"), store.user("zoe", Role.SENIOR)
    case_id = store.open_case()
    passing.hand_over(claimed(store, mira), mira, "@noor", "")
    store.queue.claim(noor)
    passing.recall(case_id, zoe)
    assert claimed(store, mira) == case_id
    with pytest.raises(Conflict):
        store.queue.decide(case_id, noor, ReviewVerdict.COMPLIANT)
