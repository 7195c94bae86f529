"""Which decisions open a case, and how soon it is looked at."""

from datetime import UTC, datetime

import pytest

from fairstall.model.decide import Band, Doubt, Finding, Outcome, Source
from fairstall.model.decision import Assessment, Sampling, Versions
from fairstall.records.ledger import CaseReason
from fairstall.serving.cases import WITHOUT_FINDING, case_for

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
VERSIONS = Versions("m", "p")


def an_assessment(outcome, *findings, control=False, doubts=()):
    found = tuple(Finding(code, p, Band.MEDIUM, Source.MODEL, (), "") for code, p in findings)
    return Assessment(outcome, found, doubts, {}, {}, Sampling(control, 1.0), VERSIONS)


@pytest.fixture
def policies(gated):
    return gated()[0].assessor.policies


@pytest.mark.parametrize("outcome", [Outcome.APPROVE, Outcome.BLOCK])
def test_a_sure_decision_opens_no_case(policies, outcome):
    assert case_for(an_assessment(outcome), policies, now=NOW) is None


def test_the_graver_harm_comes_first_even_when_it_is_less_likely(policies):
    assessment = an_assessment(Outcome.REVIEW, ("misleading/health_claim", 0.9), ("prohibited/drugs", 0.4))
    case = case_for(assessment, policies, now=NOW)
    assert (case.reason, case.policy, case.priority) == (CaseReason.UNCERTAIN, "prohibited/drugs", pytest.approx(0.4))


def test_a_rule_without_a_score_counts_as_even_odds(policies):
    case = case_for(an_assessment(Outcome.REVIEW, ("prohibited/weapons", None)), policies, now=NOW)
    assert case.priority == pytest.approx(0.75 * 0.5)


def test_a_doubt_alone_has_no_policy_and_a_low_priority(policies):
    case = case_for(an_assessment(Outcome.REVIEW, doubts=(Doubt.LANGUAGE,)), policies, now=NOW)
    assert (case.policy, case.priority) == (None, WITHOUT_FINDING)


def test_control_cases_stand_anywhere_in_the_queue(policies):
    drawn = [case_for(an_assessment(Outcome.APPROVE, control=True), policies, now=NOW) for _ in range(200)]
    assert {case.reason for case in drawn} == {CaseReason.CONTROL}
    assert min(case.priority for case in drawn) < 0.1
    assert max(case.priority for case in drawn) > 0.9


def test_a_listing_under_review_is_uncertain_even_when_it_was_drawn(policies):
    case = case_for(an_assessment(Outcome.REVIEW, ("prohibited/drugs", 0.5), control=True), policies, now=NOW)
    assert case.reason is CaseReason.UNCERTAIN
