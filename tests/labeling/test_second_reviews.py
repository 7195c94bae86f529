"""A second person reviews blindly, a third settles what they disagree on, and each step can be taken back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select

from fairstall.labeling.case_file import read_case
from fairstall.labeling.export import export_labels
from fairstall.labeling.overview import read_overview
from fairstall.labeling.passing import Passing
from fairstall.labeling.permissions import Role
from fairstall.labeling.queue import ReviewQueue
from fairstall.labeling.second_reviews import CLEAN_HISTORY, WIDE_REACH, SecondReviews
from fairstall.labeling.together import Together
from fairstall.labeling.verdicts import Judgement, ReviewVerdict
from fairstall.model.decide import Band, Outcome
from fairstall.model.errors import Conflict
from fairstall.model.model_evidence import WeighedSpan, Weight
from fairstall.model.policies import PolicySet, ReviewTerms, Severity
from fairstall.records.case_evidence import Explained, keep_evidence, unexplained_case
from fairstall.records.engine import reading
from fairstall.records.history import History, Span
from fairstall.records.ledger import CaseReason, Ledger
from fairstall.records.tables import cases, decisions, disagreements

VIOLATION, COMPLIANT = ReviewVerdict.VIOLATION, ReviewVerdict.COMPLIANT
WEAPONS, DRUGS = ("prohibited/weapons",), ("prohibited/drugs",)


def stated(policies: PolicySet, share: float, severity: Severity = Severity.HIGH) -> PolicySet:
    """The policies, all with that share of second reviews."""
    terms = ReviewTerms(second_share=share)
    return replace(policies, policies=tuple(replace(one, review=terms, severity=severity) for one in policies))


@pytest.fixture
def queue_with(store, policies):
    """Makes a queue whose policies state a share of second reviews."""
    return lambda share=1.0, **more: ReviewQueue(
        store.engine, store.clock, second_reviews=SecondReviews(stated(policies, share, **more), b"key")
    )


@pytest.fixture
def queue(queue_with):
    return queue_with()


@pytest.fixture
def people(store):
    """Two moderators and a senior."""
    return store.user("mira"), store.user("noor"), store.user("zoe", Role.SENIOR)


def review(queue, user, verdict, policies=()):
    return queue.decide(queue.claim(user).case_id, user, verdict, policies)


def outcomes(store) -> list[Outcome]:
    with reading(store.engine) as connection:
        return [
            Outcome(one) for one in connection.execute(select(decisions.c.outcome).order_by("decision_id")).scalars()
        ]


def in_force(store) -> Outcome:
    with reading(store.engine) as connection:
        listing_id = connection.execute(select(decisions.c.listing_id).distinct()).scalar_one()
    return Ledger(store.engine).latest(listing_id).outcome


def opened(store) -> list[str]:
    """The reasons of the open cases."""
    with reading(store.engine) as connection:
        return sorted(connection.execute(select(cases.c.reason).where(cases.c.state == "open")).scalars())


def test_what_is_opened_after_a_review_is_of_the_same_market(store, queue, people):
    mira, noor, _ = people
    store.open_case(market="uk")
    review(queue, mira, VIOLATION, WEAPONS)
    review(queue, noor, COMPLIANT)
    with reading(store.engine) as connection:
        assert connection.execute(select(cases.c.market, cases.c.reason).order_by(cases.c.case_id)).all() == [
            ("uk", "uncertain"),
            ("uk", "second_opinion"),
            ("uk", "escalation"),
        ]


def test_a_second_review_that_agrees_changes_nothing_and_ends_it(store, queue, people):
    mira, noor, _ = people
    store.open_case()
    review(queue, mira, VIOLATION, WEAPONS)
    assert opened(store) == ["second_opinion"]
    assert queue.claim(mira) is None
    assert review(queue, noor, VIOLATION, (*WEAPONS, *DRUGS)).decision_id is None
    assert (outcomes(store), opened(store)) == ([Outcome.REVIEW, Outcome.BLOCK], [])


@pytest.mark.parametrize(("verdict", "named"), [(COMPLIANT, ()), (VIOLATION, DRUGS)])
def test_a_senior_who_has_seen_both_settles_what_two_disagree_on(store, queue, people, verdict, named):
    mira, noor, zoe = people
    store.open_case()
    review(queue, mira, VIOLATION, WEAPONS)
    review(queue, noor, verdict, named)
    assert (in_force(store), opened(store)) == (Outcome.BLOCK, ["escalation"])
    assert queue.claim(mira) is queue.claim(noor) is None
    case = queue.claim(zoe)
    file = read_case(store.engine, case.case_id)
    assert {(one.verdict, one.policies) for one in file.opinions} == {("violation", WEAPONS), (verdict, named)}
    queue.decide(case.case_id, zoe, COMPLIANT)
    assert (in_force(store), opened(store)) == (Outcome.APPROVE, [])


def test_the_second_reviewer_sees_what_the_first_saw_and_nothing_else(store, queue, people):
    mira, noor, _ = people
    for reason, outcome in ((CaseReason.UNCERTAIN, Outcome.REVIEW), (CaseReason.CONTROL, Outcome.APPROVE)):
        case_id = store.open_case(reason=reason, outcome=outcome, priority=0.9)
        first = read_case(store.engine, case_id)
        review(queue, mira, VIOLATION, WEAPONS)
        second = read_case(store.engine, queue.claim(noor).case_id)
        same = {"case_id": "", "opened_at": first.opened_at, "decided": False}
        assert replace(second, **same) == replace(first, **same)
        assert set(read_overview(store.engine, noor, store.clock()).by_reason) == {reason}
        queue.decide(second.case_id, noor, VIOLATION, WEAPONS)


def test_the_share_that_the_policies_state_is_drawn_and_always_the_same(store, queue_with, people):
    mira, *_ = people
    half = queue_with(0.5)
    for _ in range(60):
        store.open_case()
        case = half.claim(mira)
        half.decide(case.case_id, mira, COMPLIANT)
        drawn = len(opened(store))
        half.undo(mira)
        review(half, mira, COMPLIANT)
        assert len(opened(store)) == drawn
    assert 15 < len(opened(store)) < 45


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({"reach": WIDE_REACH}, COMPLIANT),
        ({"band": Band.HIGH}, COMPLIANT),
        ({"seller_id": "clean"}, VIOLATION),
    ],
)
def test_what_would_do_much_harm_if_it_were_wrong_is_always_reviewed_twice(store, queue_with, people, facts, verdict):
    mira, *_ = people
    critical = queue_with(0.0, severity=Severity.CRITICAL)
    for _ in range(CLEAN_HISTORY):
        store.open_case(seller_id="clean", outcome=Outcome.APPROVE, priority=0.0)
    store.open_case(priority=1.0)
    review(critical, mira, COMPLIANT)
    assert "second_opinion" not in opened(store)
    store.open_case(priority=1.0, **facts)
    review(critical, mira, verdict, WEAPONS if verdict is VIOLATION else ())
    assert "second_opinion" in opened(store)


def test_nobody_waits_for_a_second_where_there_is_none_or_after_a_senior_was_asked(store, queue, people):
    mira, _, zoe = people
    store.open_case()
    Passing(store.engine, store.clock).escalate(queue.claim(mira).case_id, mira, "Is it real?")
    review(queue, zoe, COMPLIANT)
    for name in ("noor", "zoe"):
        store.accounts.disable(name)
    store.open_case()
    review(queue, mira, COMPLIANT)
    assert opened(store) == []


def test_the_first_review_can_be_taken_back_while_the_second_goes_on(store, queue, people):
    mira, noor, _ = people
    store.open_case()
    review(queue, mira, VIOLATION, WEAPONS)
    second = queue.claim(noor).case_id
    queue.undo(mira)
    assert in_force(store) is Outcome.REVIEW
    queue.decide(second, noor, COMPLIANT)
    assert (in_force(store), opened(store)) == (Outcome.REVIEW, ["uncertain"])
    review(queue, mira, VIOLATION, WEAPONS)
    assert (in_force(store), opened(store)) == (Outcome.BLOCK, ["escalation"])


def test_of_two_who_decide_at_the_same_moment_the_later_sees_that_they_disagree(store, queue, people):
    mira, noor, _ = people
    for _ in range(8):
        store.open_case()
        review(queue, mira, VIOLATION, WEAPONS)
        second = queue.claim(noor).case_id
        first = queue.undo(mira).case_id
        with ThreadPoolExecutor(2) as pool:
            decided = [
                pool.submit(queue.decide, first, mira, VIOLATION, WEAPONS),
                pool.submit(queue.decide, second, noor, COMPLIANT),
            ]
        assert [one.exception() for one in decided] == [None, None]
    assert opened(store) == ["escalation"] * 8


def test_settling_and_taking_back_at_the_same_moment_never_both_succeed(store, queue, people):
    mira, noor, zoe = people
    for _ in range(8):
        store.open_case()
        review(queue, mira, VIOLATION, WEAPONS)
        review(queue, noor, COMPLIANT)
        escalated = queue.claim(zoe).case_id
        with ThreadPoolExecutor(2) as pool:
            tried = [pool.submit(queue.decide, escalated, zoe, COMPLIANT), pool.submit(queue.undo, mira)]
        failures = [type(error) for one in tried if (error := one.exception())]
        assert failures == [Conflict]
        if tried[1].exception() is None:
            review(queue, mira, COMPLIANT)
        assert opened(store) == []


def test_taking_either_review_back_withdraws_the_escalation(store, queue, people):
    mira, noor, zoe = people
    store.open_case()
    review(queue, mira, VIOLATION, WEAPONS)
    review(queue, noor, COMPLIANT)
    held = queue.claim(zoe).case_id
    queue.undo(noor)
    assert opened(store) == ["second_opinion"]
    with pytest.raises(Conflict, match="no longer yours"):
        queue.decide(held, zoe, COMPLIANT)
    review(queue, noor, COMPLIANT)
    assert opened(store) == ["escalation"]
    queue.undo(mira)
    assert (in_force(store), opened(store)) == (Outcome.REVIEW, ["uncertain"])
    review(queue, mira, COMPLIANT)
    assert (in_force(store), opened(store)) == (Outcome.APPROVE, [])
    with reading(store.engine) as connection:
        assert connection.execute(select(disagreements)).all() == []


@pytest.mark.parametrize("settled", [COMPLIANT, VIOLATION])
def test_what_is_settled_can_be_taken_back_by_who_settled_it_alone(store, queue, people, settled):
    mira, noor, zoe = people
    store.open_case()
    review(queue, mira, VIOLATION, WEAPONS)
    review(queue, noor, COMPLIANT)
    review(queue, zoe, settled, WEAPONS if settled is VIOLATION else ())
    for one in (mira, noor):
        with pytest.raises(Conflict, match="decided this case since"):
            queue.undo(one)
    case = queue.undo(zoe)
    assert (in_force(store), case.reason) == (Outcome.BLOCK, CaseReason.ESCALATION)
    queue.decide(case.case_id, zoe, COMPLIANT)
    assert (in_force(store), opened(store)) == (Outcome.APPROVE, [])


def test_what_is_decided_together_is_reviewed_twice_too_and_what_is_disputed_alone(store, policies, queue, people):
    _, noor, zoe = people
    kim = store.user("kim", Role.SENIOR)
    second_reviews = SecondReviews(stated(policies, 1.0), b"key")
    together = Together(store.engine, store.clock, second_reviews=second_reviews)
    batch = together.decide([store.open_case(), store.open_case()], zoe, Judgement(VIOLATION, WEAPONS))
    assert opened(store) == ["second_opinion"] * 2
    review(queue, noor, COMPLIANT)
    review(queue, noor, VIOLATION, WEAPONS)
    escalated = queue.claim(kim).case_id
    with pytest.raises(Conflict):
        together.decide([escalated], kim, Judgement(COMPLIANT))
    queue.decide(escalated, kim, COMPLIANT)
    undone = together.undo(batch.batch_id, zoe)
    assert (len(undone.reopened), len(undone.kept)) == (1, 1)
    assert sorted(outcomes(store)) == ["approve", "block", "block", "review", "review", "review"]


def test_labels_follow_who_settled_and_count_all(store, queue, people, tmp_path):
    import json

    mira, noor, zoe = people
    store.open_case()
    label = tmp_path / "labels.jsonl"

    def exported() -> list[tuple]:
        export_labels(store.engine, label)
        rows = [json.loads(line) for line in label.read_text().splitlines()]
        return [(row["verdict"], row["reviewers"], row["agreeing"], row["reason"]) for row in rows]

    def violated() -> list[frozenset[str] | None]:
        return [one.violated for page in History(store.engine).read(Span()) for one in page]

    review(queue, mira, VIOLATION, WEAPONS)
    review(queue, noor, COMPLIANT)
    assert (exported(), violated()) == ([("violation", 2, 1, "uncertain")], [frozenset(WEAPONS)])
    review(queue, zoe, COMPLIANT)
    assert (exported(), violated()) == ([("compliant", 3, 2, "escalation")], [frozenset()])
    queue.undo(zoe)
    assert exported() == [("violation", 2, 1, "uncertain")]


def test_a_second_review_alone_is_no_label(store, queue, people, tmp_path):
    mira, noor, _ = people
    store.open_case()
    review(queue, mira, VIOLATION, WEAPONS)
    review(queue, noor, COMPLIANT)
    queue.undo(mira)
    assert export_labels(store.engine, tmp_path / "labels.jsonl").rows == 0


def test_a_second_case_shows_what_the_model_went_by_like_the_first(store, queue, people):
    """One without would give itself away."""
    mira, noor, _ = people
    first = store.open_case("Hunting knife")
    found = (WeighedSpan("prohibited/weapons", "title", 0, 7, Weight.HIGH),)
    keep_evidence(store.engine, Explained(first, "tiny-000000000000", found, store.clock()))
    review(queue, mira, COMPLIANT)
    second = queue.claim(noor)
    assert second.case_id != first
    assert read_case(store.engine, second.case_id).model_evidence == found
    assert unexplained_case(store.engine, second.case_id) is None
