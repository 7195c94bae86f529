import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairstall.model.certificates import Certificate, PolicyThresholds, Threshold
from fairstall.model.decide import Band, Doubt, Evidence, Likeness, Outcome, Resemblance, RuleMatch, Source, decide
from fairstall.model.policies import DsaClass, OnTimeout, Policy, PolicySet, RuleAction, Severity, Targets

DRUGS, IVORY = "prohibited/drugs", "prohibited/wildlife"


def policy(code: str, targets: Targets) -> Policy:
    return Policy(
        code=code,
        title=code,
        seller_text=f"{code} may not be sold here.",
        guideline="",
        severity=Severity.HIGH,
        points=1,
        dsa=DsaClass("STATEMENT_CATEGORY_OTHER", "KEYWORD_OTHER"),
        violations=(),
        look_alikes=(),
        targets=targets,
    )


def policies(targets: Targets = Targets(precision=0.99, missed=0.05)) -> PolicySet:  # noqa: B008
    return PolicySet("test-1", (policy(DRUGS, targets), policy(IVORY, targets)))


def thresholds(*, block_holds: bool = True, block_target: float = 0.99) -> PolicyThresholds:
    block = Certificate(target=block_target, bound=0.995, rows=900, errors=0, holds=block_holds)
    release = Certificate(target=0.05, bound=0.03, rows=300, errors=4, holds=True)
    return PolicyThresholds(release=Threshold(0.1, release), block=Threshold(0.9, block))


BOTH = {DRUGS: thresholds(), IVORY: thresholds()}


def match(code: str, action: RuleAction) -> RuleMatch:
    return RuleMatch(code, action, Evidence("title", 0, 4, "word"))


def test_a_listing_below_every_release_threshold_is_approved_without_findings() -> None:
    verdict = decide(policies(), {DRUGS: 0.09, IVORY: 0.01}, BOTH)
    assert (verdict.outcome, verdict.findings) == (Outcome.APPROVE, ())


def test_a_score_between_the_thresholds_goes_to_review() -> None:
    verdict = decide(policies(), {DRUGS: 0.1, IVORY: 0.01}, BOTH)
    assert verdict.outcome is Outcome.REVIEW
    assert [(f.policy, f.band, f.source) for f in verdict.findings] == [(DRUGS, Band.MEDIUM, Source.MODEL)]


def test_a_score_at_a_certified_block_threshold_is_blocked_with_the_sellers_text() -> None:
    verdict = decide(policies(), {DRUGS: 0.9, IVORY: 0.01}, BOTH)
    assert verdict.outcome is Outcome.BLOCK
    assert verdict.findings[0].reason == "prohibited/drugs may not be sold here."


@pytest.mark.parametrize("uncertified", [thresholds(block_holds=False), dataclasses.replace(thresholds(), block=None)])
def test_without_a_certificate_even_certainty_is_not_blocked(uncertified: PolicyThresholds) -> None:
    verdict = decide(policies(), {DRUGS: 1.0, IVORY: 0.0}, {DRUGS: uncertified, IVORY: thresholds()})
    assert (verdict.outcome, verdict.findings[0].band) == (Outcome.REVIEW, Band.MEDIUM)


def test_a_certificate_for_a_lower_target_than_the_policys_does_not_block() -> None:
    lower = {DRUGS: thresholds(block_target=0.95), IVORY: thresholds()}
    assert decide(policies(), {DRUGS: 0.99, IVORY: 0.0}, lower).outcome is Outcome.REVIEW
    assert decide(policies(Targets(precision=0.95)), {DRUGS: 0.99, IVORY: 0.0}, lower).outcome is Outcome.BLOCK


@pytest.mark.parametrize(
    ("action", "outcome"),
    [
        (RuleAction.EVIDENCE, Outcome.APPROVE),
        (RuleAction.REVIEW, Outcome.REVIEW),
        (RuleAction.BLOCK, Outcome.BLOCK),
    ],
)
def test_a_rule_does_what_its_action_says(action: RuleAction, outcome: Outcome) -> None:
    assert decide(policies(), {DRUGS: 0.0, IVORY: 0.0}, BOTH, [match(IVORY, action)]).outcome is outcome


def test_a_policy_that_no_model_scores_rests_on_its_rules() -> None:
    verdict = decide(policies(), {DRUGS: 0.0}, {DRUGS: thresholds()}, [match(IVORY, RuleAction.REVIEW)])
    assert [(f.policy, f.probability, f.source) for f in verdict.findings] == [(IVORY, None, Source.RULE)]


def test_evidence_of_a_rule_stands_beside_the_models_finding() -> None:
    verdict = decide(policies(), {DRUGS: 0.5, IVORY: 0.0}, BOTH, [match(DRUGS, RuleAction.EVIDENCE)])
    assert verdict.findings[0].source is Source.BOTH
    assert verdict.findings[0].evidence[0].text == "word"


@pytest.mark.parametrize("doubt", Doubt)
def test_any_doubt_sends_an_innocent_listing_to_review(doubt: Doubt) -> None:
    verdict = decide(policies(), {DRUGS: 0.0, IVORY: 0.0}, BOTH, doubts=[doubt])
    assert (verdict.outcome, verdict.doubts) == (Outcome.REVIEW, (doubt,))


def test_the_gravest_finding_comes_first() -> None:
    verdict = decide(policies(), {DRUGS: 0.2, IVORY: 0.95}, BOTH)
    assert [f.policy for f in verdict.findings] == [IVORY, DRUGS]


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_score_never_makes_the_outcome_milder(other: float, one: float, two: float) -> None:
    order = list(Outcome)
    milder, graver = (
        order.index(decide(policies(), {DRUGS: p, IVORY: other}, BOTH).outcome) for p in sorted((one, two))
    )
    assert milder <= graver


ALIKE = Resemblance("d-1", 0.9)


def test_what_resembles_a_blocked_listing_goes_to_review_and_says_which() -> None:
    verdict = decide(policies(), {DRUGS: 0.0, IVORY: 0.0}, BOTH, likenesses=[Likeness(IVORY, ALIKE)])
    assert verdict.outcome is Outcome.REVIEW
    found = [(f.policy, f.source, f.band, f.resembles, f.reason) for f in verdict.findings]
    assert found == [(IVORY, Source.NEAR_DUPLICATE, Band.LOW, ALIKE, "prohibited/wildlife may not be sold here.")]


@pytest.mark.parametrize(
    ("probability", "action", "source", "outcome"),
    [
        (0.5, None, Source.MODEL, Outcome.REVIEW),
        (0.95, None, Source.MODEL, Outcome.BLOCK),
        (0.0, RuleAction.EVIDENCE, Source.NEAR_DUPLICATE, Outcome.REVIEW),
        (0.0, RuleAction.REVIEW, Source.RULE, Outcome.REVIEW),
        (0.0, RuleAction.BLOCK, Source.RULE, Outcome.BLOCK),
        (0.5, RuleAction.REVIEW, Source.BOTH, Outcome.REVIEW),
    ],
)
def test_one_finding_carries_all_that_speaks_of_a_policy(
    probability: float, action: RuleAction | None, source: Source, outcome: Outcome
) -> None:
    matches = [match(DRUGS, action)] if action else []
    verdict = decide(policies(), {DRUGS: probability}, BOTH, matches, likenesses=[Likeness(DRUGS, ALIKE)])
    [finding] = verdict.findings
    assert (verdict.outcome, finding.source, finding.resembles) == (outcome, source, ALIKE)
    assert len(finding.evidence) == len(matches)


def test_a_likeness_to_a_policy_that_is_gone_says_nothing() -> None:
    verdict = decide(policies(), {DRUGS: 0.0}, BOTH, likenesses=[Likeness("prohibited/gone", ALIKE)])
    assert (verdict.outcome, verdict.findings) == (Outcome.APPROVE, ())


@pytest.mark.parametrize(
    ("stated", "outcome"),
    [
        (("publish", "publish"), Outcome.APPROVE),
        (("publish", "review"), Outcome.REVIEW),
        (("publish", "hold"), Outcome.REVIEW),
        (("hold", "hold"), Outcome.REVIEW),
    ],
)
def test_a_listing_without_scores_is_published_only_where_every_policy_states_it(
    stated: tuple[str, str], outcome: Outcome
) -> None:
    stating = [dataclasses.replace(one, on_timeout=OnTimeout(it)) for one, it in zip(policies(), stated, strict=True)]
    verdict = decide(PolicySet("test-1", tuple(stating)), {}, BOTH, doubts=(Doubt.NOT_SCORED,))
    assert (verdict.outcome, verdict.doubts) == (outcome, (Doubt.NOT_SCORED,))
    other = decide(PolicySet("test-1", tuple(stating)), {}, BOTH, doubts=(Doubt.NOT_SCORED, Doubt.LANGUAGE))
    assert other.outcome is Outcome.REVIEW
