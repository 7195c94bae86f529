"""Cases that are held, passed on or skipped are listed for those who look after the queue; blind ones stay blind."""

import pytest

from fairstall.labeling.overview import read_overview
from fairstall.labeling.passed_on import read_held, read_passed_on, read_skipped
from fairstall.labeling.passing import Passing
from fairstall.labeling.permissions import Role
from fairstall.labeling.queue import SkipReason
from fairstall.labeling.steps import StepKind, steps_for, steps_of
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.records.engine import reading
from fairstall.records.ledger import CaseReason


@pytest.fixture
def passing(store):
    return Passing(store.engine, store.clock)


def take(store, user) -> str:
    return store.queue.claim(user).case_id


def steps_shown(store, case_id, reader, *, blind=False):
    with reading(store.engine) as connection:
        shown = steps_for(steps_of(connection, case_id), reader, blind=blind)
    return [(step.kind, step.by, step.note) for step in shown]


def test_what_a_person_holds_is_listed_with_his_note_until_the_hold_ends(store):
    mira, noor = store.user("mira"), store.user("noor")
    case_id = store.open_case("Hunting knife")
    store.queue.hold(take(store, mira), mira, "Asked the brand")
    (held,) = read_held(store.engine, mira, store.clock())
    assert (held.case_id, held.heading, held.note) == (case_id, "Hunting knife", "Asked the brand")
    assert read_held(store.engine, noor, store.clock()) == ()
    store.clock.advance(hours=25)
    assert read_held(store.engine, mira, store.clock()) == ()


def test_what_is_held_or_in_a_lane_is_listed_with_whose_it_is_since_when_and_why(store, passing):
    mira, noor = store.user("mira"), store.user("noor")
    store.accounts.set_teams("noor", ["brands"])
    to_noor, to_team, to_seniors, held, waiting = (store.open_case(f"Knife {n}", priority=1 - n / 10) for n in range(5))
    passing.hand_over(take(store, mira), mira, "@noor", "Yours?")
    passing.hand_over(take(store, mira), mira, "brands", "")
    passing.escalate(take(store, mira), mira, "Replica?")
    store.queue.hold(take(store, mira), mira, "Asked")
    store.queue.claim(noor)
    shown = {
        one.case_id: (one.kind, one.to, one.by, one.note, one.at_work)
        for one in read_passed_on(store.engine, store.clock())
    }
    assert shown == {
        to_noor: (StepKind.HANDED_OVER, "@noor", "mira", "Yours?", "noor"),
        to_team: (StepKind.HANDED_OVER, "the team brands", "mira", "", None),
        to_seniors: (StepKind.ESCALATED, "the seniors", "mira", "Replica?", None),
        held: (StepKind.HELD, "@mira", "mira", "Asked", None),
    }
    assert waiting not in shown


def test_skipped_cases_are_listed_with_everybodys_reasons_until_they_are_decided(store):
    mira, noor, kim = (store.user(name) for name in ("mira", "noor", "kim"))
    case_id = store.open_case("Knife")
    store.queue.skip(take(store, mira), mira, SkipReason.LANGUAGE)
    store.queue.skip(take(store, noor), noor, SkipReason.EXPERTISE)
    (skipped,) = read_skipped(store.engine, store.clock())
    assert (skipped.case_id, skipped.skips) == (
        case_id,
        (("noor", SkipReason.EXPERTISE), ("mira", SkipReason.LANGUAGE)),
    )
    store.queue.decide(take(store, kim), kim, ReviewVerdict.COMPLIANT)
    assert read_skipped(store.engine, store.clock()) == ()


def test_a_blind_case_keeps_what_others_wrote_to_itself(store, passing):
    mira, zoe = store.user("mira"), store.user("zoe", Role.SENIOR)
    case_id = store.open_case("Knife", reason=CaseReason.CONTROL)
    store.queue.skip(take(store, mira), mira, SkipReason.DISTRESSING)
    (skipped,) = read_skipped(store.engine, store.clock())
    assert skipped.skips == (("mira", None),)
    passing.escalate(take(store, mira), mira, "This is ivory")
    (passed,) = read_passed_on(store.engine, store.clock())
    assert (passed.by, passed.note) == ("mira", "")
    assert steps_shown(store, case_id, zoe, blind=True) == [
        (StepKind.SKIPPED, "mira", ""),
        (StepKind.ESCALATED, "mira", ""),
    ]
    assert steps_shown(store, case_id, mira, blind=True) == [(StepKind.ESCALATED, "mira", "This is ivory")]


def test_whoever_comes_next_reads_what_was_written_and_only_seniors_read_of_skips(store, passing):
    mira, noor, zoe = store.user("mira"), store.user("noor"), store.user("zoe", Role.SENIOR)
    case_id = store.open_case()
    store.queue.touch(take(store, mira), mira)
    store.queue.skip(case_id, mira, SkipReason.LANGUAGE)
    passing.hand_over(take(store, noor), noor, "@mira", "You read Polish")
    handed = (StepKind.HANDED_OVER, "noor", "You read Polish")
    assert steps_shown(store, case_id, mira) == [handed]
    assert steps_shown(store, case_id, zoe) == [(StepKind.SKIPPED, "mira", "language"), handed]


def test_the_overview_counts_what_its_reader_can_take(store, passing):
    mira, noor, zoe = store.user("mira"), store.user("noor"), store.user("zoe", Role.SENIOR)
    for number in range(4):
        store.open_case(f"Knife {number}", priority=1 - number / 10)
    passing.hand_over(take(store, mira), mira, "@noor", "")
    passing.escalate(take(store, mira), mira, "?")
    store.queue.hold(take(store, mira), mira)
    counts = {user.name: read_overview(store.engine, user, store.clock()).total for user in (mira, noor, zoe)}
    assert counts == {"mira": 1, "noor": 2, "zoe": 2}
    auditor = store.user("ada", Role.AUDITOR)
    assert read_overview(store.engine, auditor, store.clock()).total == 3
