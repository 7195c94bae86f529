"""Search finds what its reader may know, and nothing that would tell a blind reviewer what others made of a listing."""

import pytest

from fairstall.labeling.permissions import Role
from fairstall.labeling.search import search
from fairstall.labeling.trends.decision_list import WantedDecisions, read_decisions
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.wire import iso_utc
from fairstall.records.ledger import CaseReason


@pytest.fixture
def find(store):
    """Search as a person: the ids of his own cases, and the listings that decisions are about."""

    def _find(user, query):
        found = search(store.engine, user, query, iso_utc(store.clock()))
        return [one.case_id for one in found.own], [one.listing_id for one in found.decisions]

    return _find


def decide(store, user, verdict=ReviewVerdict.COMPLIANT) -> str:
    case = store.queue.claim(user)
    store.queue.decide(case.case_id, user, verdict)
    return case.case_id


def test_a_moderator_finds_what_he_decided_and_what_he_has_in_hand_and_nothing_else(store, find):
    mira, noor = store.user("mira"), store.user("noor")
    for title in ("Hunting knife", "Kitchen knife", "Bread knife", "Butter knife"):
        store.open_case(title)
    decided, in_hand = decide(store, mira), store.queue.claim(mira).case_id
    others = decide(store, noor)
    assert find(mira, "knife") == ([in_hand, decided], [])
    assert find(mira, "seller-1") == ([in_hand, decided], [])
    assert find(mira, decided)[0] == [decided]
    assert find(mira, others) == ([], [])
    assert find(mira, "BREAD kni")[0] == []


def test_an_undone_decision_and_a_lease_that_ran_out_are_no_longer_found(store, find):
    mira = store.user("mira")
    store.open_case("Hunting knife")
    decide(store, mira)
    store.queue.undo(mira)
    store.clock.advance(minutes=6)
    assert find(mira, "knife") == ([], [])


def test_a_senior_finds_every_decision_by_ids_and_by_the_words_of_a_title(store, find):
    zoe, mira = store.user("zoe", Role.SENIOR), store.user("mira")
    case_id = store.open_case("Blue 100% hunting knife", listing_id="L-7", seller_id="ada")
    store.open_case("Red kettle", listing_id="L-8")
    decide(store, mira)
    for query in ("L-7", "ada", case_id, "HUNTING blue", "100%"):
        assert set(find(zoe, query)[1]) == {"L-7"}, query
    for query in ("L-", "hunting kettle", "0_h", " "):
        assert find(zoe, query) == ([], []), query


def test_those_who_neither_review_nor_see_decisions_find_nothing(store, find):
    store.open_case("Hunting knife")
    assert find(store.user("eli", Role.ENGINEER), "knife") == ([], [])


@pytest.mark.parametrize(
    "reason", [CaseReason.CONTROL, CaseReason.SECOND_OPINION, CaseReason.GOLDEN, CaseReason.UNCERTAIN]
)
def test_nobody_finds_decisions_about_a_listing_that_he_has_in_hand(store, find, reason):
    zoe = store.user("zoe", Role.SENIOR)
    store.open_case("Hunting knife", listing_id="L-7", reason=reason)
    store.open_case("Kitchen knife", listing_id="L-8")
    assert sorted(find(zoe, "knife")[1]) == ["L-7", "L-8"]
    store.queue.claim(zoe)
    assert find(zoe, "knife")[1] == ["L-8"]
    assert find(zoe, "L-7")[1] == []
    assert [line.heading for line in read_decisions(store.engine, zoe, WantedDecisions())] == ["Kitchen knife"]


def test_a_found_case_that_is_open_says_who_has_it(store):
    zoe, mira = store.user("zoe", Role.SENIOR), store.user("mira")
    store.open_case("Hunting knife")

    def told():
        (one,) = search(store.engine, zoe, "hunting", iso_utc(store.clock())).decisions
        return one.waits, one.with_whom

    assert told() == (True, None)
    case = store.queue.claim(mira)
    assert told() == (True, "mira")
    store.queue.decide(case.case_id, mira, ReviewVerdict.VIOLATION, ("prohibited/weapons",))
    found = search(store.engine, zoe, "hunting", iso_utc(store.clock())).decisions
    by_mira, by_model = sorted(found, key=lambda one: one.by)
    assert (by_model.by, by_model.in_force, by_model.waits) == ("the model", False, False)
    assert (by_mira.by, by_mira.outcome, by_mira.in_force) == ("mira", "block", True)
