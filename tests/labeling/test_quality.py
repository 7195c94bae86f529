"""From reviews to figures: pairs, accuracy, consensus and times, on both databases where rows are read."""

import sys
from datetime import UTC, datetime, timedelta
from itertools import chain

import numpy as np
import pytest

from fairstall.labeling.consensus import Judged, by_consensus
from fairstall.labeling.golden import GoldenItems
from fairstall.labeling.golden_cases import GoldenMix
from fairstall.labeling.permissions import Role
from fairstall.labeling.quality import (
    LEAST_GOLDEN,
    LEAST_PAIRS,
    LEAST_TIMES,
    golden_of,
    pairs_of,
    policy_figures,
    reviewer_figures,
    verdict_alpha,
)
from fairstall.labeling.queue import ReviewQueue
from fairstall.labeling.review_rows import ReviewRow, headings_of, others_of, probabilities_of, read_reviews
from fairstall.labeling.second_reviews import SecondReviews
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.errors import MissingExtra
from fairstall.records.engine import reading
from fairstall.records.ledger import CaseReason

VIOLATION, COMPLIANT = ReviewVerdict.VIOLATION, ReviewVerdict.COMPLIANT
WEAPONS, DRUGS = ("prohibited/weapons",), ("prohibited/drugs",)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
UNCERTAIN, SECOND = CaseReason.UNCERTAIN, CaseReason.SECOND_OPINION


def row(decision: str, reviewer: str, reason=UNCERTAIN, policies=(), *, touch_s=None, decide_s=60.0, right=None):
    """A review of a decision; one that names policies is a violation."""
    return ReviewRow(
        review_id=f"{decision}-{reviewer}",
        decision_id=decision,
        reviewer=reviewer,
        reason=reason,
        policy=WEAPONS[0],
        verdict="violation" if policies else "compliant",
        policies=policies,
        claimed_at=NOON,
        touched_at=None if touch_s is None else NOON + timedelta(seconds=touch_s),
        decided_at=NOON + timedelta(seconds=decide_s),
        right=right,
    )


def twice(number: int, first=(), second=()) -> list[ReviewRow]:
    name = f"decision-{number}"
    return [row(name, "mira", policies=first), row(name, "noor", SECOND, second, decide_s=90.0)]


def test_a_pair_is_two_blind_reviews_by_two_people():
    rows = [
        *twice(1, WEAPONS, WEAPONS),
        row("decision-1", "zoe", CaseReason.ESCALATION),
        row("decision-2", "mira"),
        row("decision-3", "mira"),
        row("decision-3", "kim", CaseReason.GOLDEN, WEAPONS, right=False),
    ]
    (pair,) = pairs_of(rows)
    assert (pair.first.reviewer, pair.second.reviewer, pair.agrees) == ("mira", "noor", True)


def test_two_agree_who_name_one_policy_in_common():
    pairs = pairs_of([*twice(1, WEAPONS, WEAPONS + DRUGS), *twice(2, WEAPONS, DRUGS), *twice(3), *twice(4, WEAPONS)])
    assert {pair.first.decision_id: pair.agrees for pair in pairs} == {
        "decision-1": True,
        "decision-2": False,
        "decision-3": True,
        "decision-4": False,
    }


def test_agreement_is_told_from_twenty_pairs_and_of_a_policy_from_five_that_name_it():
    pairs = [twice(n, WEAPONS if n % 2 else (), WEAPONS if n % 2 else ()) for n in range(LEAST_PAIRS)]
    few, enough = (pairs_of(chain.from_iterable(some)) for some in (pairs[1:], pairs))
    assert verdict_alpha(few) is None
    assert verdict_alpha(enough).figure.value == 1.0
    rows = [*chain.from_iterable(pairs), *twice(99, DRUGS, DRUGS)]
    weapons, drugs = policy_figures(rows, pairs_of(rows))
    assert (weapons.policy, weapons.kappa.figure.value, weapons.named) == (WEAPONS[0], 1.0, LEAST_PAIRS // 2)
    assert (drugs.policy, drugs.kappa, drugs.named, drugs.reviews) == (DRUGS[0], None, 1, 0)


def test_accuracy_on_golden_items_has_wilsons_interval_and_a_least_number():
    answers = [row(str(n), "mira", CaseReason.GOLDEN, right=n > 0) for n in range(LEAST_GOLDEN)]
    assert golden_of(answers[1:]).accuracy is None
    found = golden_of(answers)
    assert (found.right, found.answered) == (LEAST_GOLDEN - 1, LEAST_GOLDEN)
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx((0.596, 0.982), abs=1e-3)


def test_times_are_the_median_and_the_ninth_of_ten_of_those_who_touched():
    rows = [row(str(n), "mira", touch_s=float(n), decide_s=60.0) for n in range(1, LEAST_TIMES + 1)]
    (mira,) = reviewer_figures([*rows, row("untouched", "mira")], {})
    assert (mira.reviews, mira.to_touch.count) == (LEAST_TIMES + 1, LEAST_TIMES)
    assert (mira.to_touch.median_s, mira.to_touch.p90_s) == pytest.approx((5.5, 9.1))
    assert mira.to_decision.median_s == pytest.approx(54.5)
    (few,) = reviewer_figures(rows[1:], {})
    assert few.to_touch is None


def test_consensus_tells_the_careless_from_the_careful():
    pytest.importorskip("cleanlab")
    random = np.random.default_rng(1)
    judged = []
    for _ in range(400):
        truth = bool(random.random() < 0.4)
        by = {name: bool(truth ^ (random.random() < error)) for name, error in _ERRORS.items()}
        some = random.choice(sorted(by), 2, replace=False)
        judged.append(Judged({str(name): by[str(name)] for name in some}, 0.7 if truth else 0.3))
    found = by_consensus(judged)
    assert set(found) == set(_ERRORS)
    assert min(found, key=lambda name: found[name].quality) == "careless"
    assert found["careful-1"].quality > found["careless"].quality + 0.1
    assert sum(one.decisions for one in found.values()) == 800


_ERRORS = {"careful-1": 0.03, "careful-2": 0.03, "careful-3": 0.03, "careless": 0.4}


def test_without_cleanlab_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab.multiannotator", None)
    with pytest.raises(MissingExtra, match=r"fairstall\[quality\]"):
        by_consensus([Judged({"mira": True, "noor": False}, 0.5)])
    assert by_consensus([]) == {}


def test_reviews_are_read_with_their_first_touch_and_what_was_agreed_on(store, policies):
    mira, noor, zoe = store.user("mira"), store.user("noor"), store.user("zoe", Role.SENIOR)
    queue = ReviewQueue(
        store.engine, store.clock, second_reviews=SecondReviews(policies, b"key"), golden=GoldenMix(b"key", 1.0)
    )
    store.open_case("Sword cane", reach=200_000)
    case = queue.claim(mira)
    store.clock.advance(seconds=7)
    queue.touch(case.case_id, mira)
    store.clock.advance(seconds=30)
    queue.decide(case.case_id, mira, VIOLATION, WEAPONS)
    queue.undo(mira)
    queue.decide(case.case_id, mira, VIOLATION, WEAPONS)
    second = queue.claim(noor)
    queue.decide(second.case_id, noor, VIOLATION, WEAPONS)
    GoldenItems(store.engine, store.clock).add(case.decision_id, zoe, VIOLATION, WEAPONS, "A blade.")
    store.open_case("Kitchen knife")
    kim = store.user("kim")
    queue.decide(queue.claim(kim).case_id, kim, COMPLIANT)
    now = store.clock()
    with reading(store.engine) as connection:
        rows = read_reviews(connection, now - timedelta(days=1), now)
        own = read_reviews(connection, now - timedelta(days=1), now, user_id=noor.user_id)
        others = others_of(connection, {case.decision_id}, noor.user_id)
        headings = headings_of(connection, {case.decision_id})
        probabilities = probabilities_of(connection, [case.decision_id])
        assert read_reviews(connection, now, now + timedelta(days=1)) == ()
    assert [(one.reviewer, one.reason, one.right) for one in rows] == [
        ("kim", CaseReason.GOLDEN, False),
        ("noor", SECOND, None),
        ("mira", UNCERTAIN, None),
    ]
    assert [one.reviewer for one in own] == ["noor"]
    assert [one.user_id for one in others[case.decision_id]] == [mira.user_id]
    assert (headings, probabilities) == ({case.decision_id: "Sword cane"}, {case.decision_id: 0.42})


def test_the_first_touch_is_that_of_the_claim_that_was_decided(store):
    mira = store.user()
    case_id = store.open_case()
    store.queue.claim(mira)
    store.queue.touch(case_id, mira)
    store.queue.release(case_id, mira)
    store.clock.advance(seconds=100)
    claimed = store.queue.claim(mira).claimed_at
    store.clock.advance(seconds=5)
    store.queue.touch(case_id, mira)
    store.queue.decide(case_id, mira, COMPLIANT)
    now = store.clock()
    with reading(store.engine) as connection:
        (found,) = read_reviews(connection, now - timedelta(days=1), now)
    assert 5 < (found.touched_at - claimed).total_seconds() < 5.1
