"""Which decisions open a case, and how soon it is looked at."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fairstall.model.decide import Band, Doubt, Finding, Outcome, Resemblance, Source
from fairstall.model.decision import Assessment, Sampling, Versions
from fairstall.model.listing import Listing
from fairstall.model.policies import PolicySet, ReviewTerms
from fairstall.model.routing import Router, Routing
from fairstall.records.ledger import CaseReason
from fairstall.serving.cases import NEAR_DUPLICATE, WITHOUT_FINDING, case_for

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
VERSIONS = Versions("m", "p")
LISTING = Listing("l-1", "s-1", "Title", "Text")


def an_assessment(outcome, *findings, control=False, doubts=()):
    found = tuple(Finding(code, p, Band.MEDIUM, Source.MODEL, (), "") for code, p in findings)
    return Assessment(outcome, found, doubts, {}, {}, Sampling(control, 1.0), VERSIONS)


@pytest.fixture
def bundle(gated):
    """The policies and the facts of the bundle in service, as `case_for` takes them."""
    assessor = gated()[0].assessor
    return assessor.policies, assessor.bundle.facts


@pytest.mark.parametrize("outcome", [Outcome.APPROVE, Outcome.BLOCK])
def test_a_sure_decision_opens_no_case(bundle, outcome):
    assert case_for(LISTING, an_assessment(outcome), *bundle, now=NOW) is None


def test_the_graver_harm_comes_first_even_when_it_is_less_likely(bundle):
    assessment = an_assessment(Outcome.REVIEW, ("misleading/health_claim", 0.9), ("prohibited/drugs", 0.4))
    case = case_for(LISTING, assessment, *bundle, now=NOW)
    assert (case.reason, case.policy, case.priority) == (CaseReason.UNCERTAIN, "prohibited/drugs", pytest.approx(0.4))


def test_a_rule_without_a_score_counts_as_even_odds(bundle):
    case = case_for(LISTING, an_assessment(Outcome.REVIEW, ("prohibited/weapons", None)), *bundle, now=NOW)
    assert case.priority == pytest.approx(0.75 * 0.5)


def test_a_doubt_alone_has_no_policy_and_a_low_priority(bundle):
    case = case_for(LISTING, an_assessment(Outcome.REVIEW, doubts=(Doubt.LANGUAGE,)), *bundle, now=NOW)
    assert (case.policy, case.priority) == (None, WITHOUT_FINDING)


def test_control_cases_stand_anywhere_in_the_queue(bundle):
    drawn = [case_for(LISTING, an_assessment(Outcome.APPROVE, control=True), *bundle, now=NOW) for _ in range(200)]
    assert {case.reason for case in drawn} == {CaseReason.CONTROL}
    assert min(case.priority for case in drawn) < 0.1
    assert max(case.priority for case in drawn) > 0.9


def test_a_listing_under_review_is_uncertain_even_when_it_was_drawn(bundle):
    case = case_for(LISTING, an_assessment(Outcome.REVIEW, ("prohibited/drugs", 0.5), control=True), *bundle, now=NOW)
    assert case.reason is CaseReason.UNCERTAIN


def test_the_bundles_router_says_what_is_looked_at_first(bundle):
    policies, facts = bundle
    nearest = replace(facts, routing=Routing(Router.MARGIN))
    priorities = [
        case_for(LISTING, an_assessment(Outcome.REVIEW, ("prohibited/drugs", p)), policies, nearest, now=NOW).priority
        for p in (0.9, 0.5, facts.thresholds["prohibited/drugs"].release.value)
    ]
    assert priorities == sorted(priorities)
    assert priorities[-1] == pytest.approx(1.0)


def test_a_near_duplicate_is_urgent_even_when_the_model_sees_nothing(bundle):
    plain = an_assessment(Outcome.REVIEW, ("prohibited/drugs", 0.01))
    alike = replace(plain, findings=(replace(plain.findings[0], resembles=Resemblance("d-1", 0.9)),))
    assert case_for(LISTING, plain, *bundle, now=NOW).priority == pytest.approx(0.01)
    assert case_for(LISTING, alike, *bundle, now=NOW).priority == pytest.approx(NEAR_DUPLICATE)


def test_a_case_is_due_by_the_strictest_of_its_policies_in_its_market(bundle):
    policies, facts = bundle
    quick = ReviewTerms(due_hours=4, market_due_hours=(("DE", 1.0),))
    stated = PolicySet(
        policies.version,
        tuple(replace(one, review=quick) if one.code == "prohibited/drugs" else one for one in policies),
    )
    assessment = an_assessment(Outcome.REVIEW, ("misleading/health_claim", 0.9), ("prohibited/drugs", 0.4))
    case = case_for(LISTING, assessment, stated, facts, now=NOW)
    german = case_for(replace(LISTING, market="DE"), assessment, stated, facts, now=NOW)
    assert (case.urgency.due_at - NOW, german.urgency.due_at - NOW) == (timedelta(hours=4), timedelta(hours=1))
    assert NOW <= german.urgency.urgent_at < case.urgency.urgent_at < case.urgency.due_at


def test_what_more_people_see_is_looked_at_sooner(bundle):
    assessment = an_assessment(Outcome.REVIEW, ("prohibited/drugs", 0.4))
    seen_by = [case_for(replace(LISTING, reach=reach), assessment, *bundle, now=NOW) for reach in (0, 100, 10_000)]
    places = [case.urgency.urgent_at for case in seen_by]
    assert places == sorted(places, reverse=True)
    assert len({case.urgency.due_at for case in seen_by}) == 1
