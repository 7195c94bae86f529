"""A replayed decision is what the whole pipeline would have decided under the new policies, to the last finding."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairstall.evals.replay import Change, Models, Replay
from fairstall.model.assess import Assessor, assess_listings
from fairstall.model.decide import Likeness, Outcome, Resemblance, Source, Verdict
from fairstall.model.decision import Assessment, Versions
from fairstall.model.listing import Listing
from fairstall.model.policies import OnTimeout, PolicySet
from fairstall.model.scorer import OnnxScorer
from fairstall.model.wire import assessment_body, assessment_from_body

APPROVE, REVIEW, BLOCK = Outcome.APPROVE, Outcome.REVIEW, Outcome.BLOCK
DRUGS, WEAPONS, FUR = "prohibited/drugs", "prohibited/weapons", "prohibited/fur"
LONG_ENOUGH = "For sale from a family estate, as good as new, to be collected in the evening."
WORDS = ("heroin", "cannabis", "pistol", "toy", "fox fur", "mink coat", "ｆｏｘ fur", "holster", "garden chair", "Стул")


def stored(assessment: Assessment) -> Assessment:
    """As it comes back from the store."""
    return assessment_from_body(json.loads(json.dumps(assessment_body(assessment))))


@pytest.fixture(scope="module")
def assess(tiny_bundle):
    """`assess(policies, *listings, alike=codes)` by the whole pipeline; each resembles one blocked for `alike`."""
    scorers = [OnnxScorer(tiny_bundle)]

    def run(policies: PolicySet, *listings: Listing, alike: Sequence[str] = ()) -> list[Assessment]:
        likenesses = [Likeness(code, Resemblance("d-1", 0.9)) for code in alike]
        return assess_listings(Assessor(tiny_bundle, policies, look_alikes=lambda _: likenesses), scorers, listings)

    return run


@pytest.fixture(scope="module")
def unscored(tiny_bundle):
    """`unscored(policies, *listings)`: what the pipeline makes of them when the model has no time."""

    def run(policies: PolicySet, *listings: Listing) -> list[Assessment]:
        assessor = Assessor(tiny_bundle, policies)
        return [assessor.conclude_unscored(assessor.prepare(listing)) for listing in listings]

    return run


@pytest.fixture(scope="module")
def models(tiny_bundle) -> Models:
    thresholds = tiny_bundle.facts.thresholds
    return Models({tiny_bundle.version: thresholds}, thresholds)


@pytest.fixture
def changed(assess, models):
    """`changed(old, new, title)`: a listing decided under the policies `old`, replayed under `new`."""

    def run(old, new, title: str) -> Change:
        before, after = (PolicySet.named("test", tuple(policies)) for policies in (old, new))
        listing = Listing("l", "s", title, "For sale.", language="en")
        [decided] = assess(before, listing)
        return Replay(before, after, models).change(stored(decided), listing)

    return run


def verdict(assessment: Assessment) -> Verdict:
    return Verdict(assessment.outcome, assessment.findings, assessment.doubts)


terms = st.lists(st.sampled_from(("heroin", "pistol", "fox fur", "mink coat", "holster", "chair")), unique=True)


@st.composite
def policy_sets(draw, make_policy) -> PolicySet:
    """Some of three policies, the last of which no model scores, with rules of any action and either target."""
    policies = []
    for code in draw(st.lists(st.sampled_from((DRUGS, WEAPONS, FUR)), unique=True, min_size=1)):
        words = draw(terms)
        cuts = sorted(draw(st.tuples(st.integers(0, len(words)), st.integers(0, len(words)))))
        by_action = {"review": words[: cuts[0]], "block": words[cuts[0] : cuts[1]], "evidence": words[cuts[1] :]}
        more = {"pattern": draw(st.sampled_from((None, "coa[t]"))), "precision": draw(st.sampled_from((0.9, 0.995)))}
        policy = make_policy(code, **{name: tuple(some) for name, some in by_action.items()}, **more)
        policies.append(replace(policy, on_timeout=draw(st.sampled_from(OnTimeout))))
    return PolicySet.named(draw(st.sampled_from("ab")), tuple(policies))


texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
some_listings = st.lists(texts, min_size=1, max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), titles=some_listings)
def test_a_replay_agrees_with_assessing_everything_again(data, titles, assess, models, make_policy):
    old, new, third = (data.draw(policy_sets(make_policy)) for _ in range(3))
    listings = [Listing(str(n), "s", title, "", language="en") for n, title in enumerate(titles)]
    replay, wanted = Replay(old, new, models), list(map(verdict, assess(new, *listings)))
    for made_under in (old, third):
        for listing, decided, after in zip(listings, assess(made_under, *listings), wanted, strict=True):
            change = replay.change(stored(decided), listing)
            assert change.new.verdict == after
            assert change.old.verdict == verdict(assess(old, listing)[0])
            assert change.other_policies == (made_under.version != old.version)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), titles=some_listings)
def test_a_listing_without_scores_is_replayed_without_them(data, titles, unscored, models, make_policy):
    old, new = (data.draw(policy_sets(make_policy)) for _ in range(2))
    listings = [Listing(str(n), "s", title, "", language="en") for n, title in enumerate(titles)]
    replay = Replay(old, new, models)
    for listing, decided, after in zip(listings, unscored(old, *listings), unscored(new, *listings), strict=True):
        change = replay.change(stored(decided), listing)
        assert (change.old.verdict, change.new.verdict) == (verdict(decided), verdict(after))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), titles=some_listings)
def test_the_same_policies_change_nothing(data, titles, assess, models, make_policy):
    policies, others = (data.draw(policy_sets(make_policy)) for _ in range(2))
    listings = [Listing(str(n), "s", title, "", language="en") for n, title in enumerate(titles)]
    replay = Replay(policies, policies, models)
    for made_under in (policies, others):
        for listing, decided in zip(listings, assess(made_under, *listings), strict=True):
            for version in (decided.versions.model, "lost-000000000000"):
                known = replace(decided, versions=replace(decided.versions, model=version))
                change = replay.change(stored(known), listing)
                assert (change.changed, change.shifted) == (False, ())
                assert change.old.verdict == change.new.verdict


@pytest.mark.parametrize(
    ("old", "new", "title", "move"),
    [
        ({}, {"review": ("fox fur",)}, "Fox fur", (APPROVE, REVIEW)),
        ({"review": ("fox fur",)}, {}, "Fox fur", (REVIEW, APPROVE)),
        ({"review": ("fox fur",)}, {"block": ("fox fur",)}, "ＦＯＸ ＦＵＲ", (REVIEW, BLOCK)),
        ({"block": ("fox fur",)}, {"evidence": ("fox fur",)}, "Fox fur", (BLOCK, APPROVE)),
        ({"review": ("fox fur",)}, {"review": ("mink",)}, "Fox fur and mink", (REVIEW, REVIEW)),
    ],
)
def test_a_changed_rule_moves_what_it_finds(changed, make_policy, old, new, title, move):
    change = changed([make_policy(FUR, **old)], [make_policy(FUR, **new)], title)
    assert change.move == move
    assert change.shifted == (() if move[0] is move[1] else (FUR,))


def test_a_retired_policy_finds_nothing_and_its_score_counts_for_nothing(changed, make_policy):
    drugs, weapons = make_policy(DRUGS), make_policy(WEAPONS)
    assert changed([drugs, weapons], [drugs], "A pistol").move == (REVIEW, APPROVE)
    assert changed([weapons], [drugs, weapons], "Pure heroin").move == (APPROVE, BLOCK)


def test_a_stricter_target_takes_the_block_from_the_model_and_leaves_that_of_a_rule(changed, make_policy):
    lax, strict = make_policy(DRUGS), make_policy(DRUGS, precision=0.995)
    assert changed([lax], [strict], "Pure heroin").move == (BLOCK, REVIEW)
    by_rule = {"block": ("heroin",)}
    change = changed([make_policy(DRUGS, **by_rule)], [make_policy(DRUGS, **by_rule, precision=0.995)], "Pure heroin")
    assert change.move == (BLOCK, BLOCK)


def test_a_doubt_stays_whatever_the_policies_say(changed, make_policy):
    change = changed([make_policy(FUR, review=("стул",))], [make_policy(FUR)], "Деревянный стул ручной работы")
    assert change.move == (REVIEW, REVIEW)
    assert change.new.verdict.doubts


def test_a_decision_of_a_bundle_that_is_gone_uses_the_thresholds_in_force_on_both_sides(assess, make_policy, models):
    old, new = (PolicySet.named(name, (make_policy(DRUGS),)) for name in ("old", "new"))
    listing = Listing("l", "s", "cannabis", "", language="en")
    [decided] = assess(old, listing)
    lost = replace(decided, outcome=APPROVE, findings=(), versions=Versions("lost-000000000000", old.version))
    change = Replay(old, new, models).change(stored(lost), listing)
    assert (change.move, change.other_model, change.other_policies) == ((REVIEW, REVIEW), True, False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), title=texts)
def test_what_resembled_a_blocked_listing_still_does_as_long_as_the_policy_exists(
    data, title, assess, models, make_policy
):
    old, new = (data.draw(policy_sets(make_policy)) for _ in range(2))
    alike = [code for code in old.codes if data.draw(st.booleans())]
    listing = Listing("l", "s", title, LONG_ENOUGH, language="en")
    [decided], [wanted] = assess(old, listing, alike=alike), assess(new, listing, alike=alike)
    assert [one.policy for one in decided.findings if one.resembles] == [
        f.policy for f in decided.findings if f.policy in alike
    ]
    change = Replay(old, new, models).change(stored(decided), listing)
    assert change.new.verdict == verdict(wanted)
    assert change.old.verdict == verdict(decided)


def test_a_near_duplicate_outlives_the_rule_that_spoke_beside_it(assess, models, make_policy):
    old, new = (PolicySet.named("test", (make_policy(FUR, **rules),)) for rules in ({"review": ("fox fur",)}, {}))
    listing = Listing("l", "s", "Fox fur", LONG_ENOUGH, language="en")
    [decided] = assess(old, listing, alike=[FUR])
    after = Replay(old, new, models).change(stored(decided), listing).new
    assert (decided.findings[0].source, after.verdict.findings[0].source) == (Source.RULE, Source.NEAR_DUPLICATE)
    assert (after.outcome, after.effect(FUR)) == (REVIEW, REVIEW)
