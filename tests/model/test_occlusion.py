"""What made the model find a policy: on a tiny bundle whose words weigh what we know, and on the one that ships."""

import numpy as np
import pytest

from fairstall.model.assess import Assessor
from fairstall.model.listing import Listing
from fairstall.model.model_evidence import Weight
from fairstall.model.occlusion import MOST_RUNS, explain
from fairstall.model.policy_file import starter_policies
from fairstall.model.scorer import OnnxScorer
from fairstall.model.starter_bundle import starter_bundle

DRUGS, WEAPONS, WILDLIFE = "prohibited/drugs", "prohibited/weapons", "prohibited/wildlife"
POLICIES = (DRUGS, WEAPONS, WILDLIFE, "misleading/health_claim")


class Counted:
    """Runs one window at a time and remembers them."""

    def __init__(self, scorer):
        self.scorer, self.windows = scorer, []

    def __call__(self, window):
        self.windows.append(tuple(window))
        return self.scorer.run([window])


@pytest.fixture(scope="module")
def assessor(tiny_bundle):
    return Assessor(tiny_bundle, starter_policies())


@pytest.fixture
def run(tiny_bundle):
    return Counted(OnnxScorer(tiny_bundle))


@pytest.fixture
def found(assessor, run):
    """A function: the words found for each policy with their weight, by title, description and policies."""

    def find(title, description="", policies=POLICIES):
        listing = Listing("l", "s", title, description)
        spans = explain(assessor, listing, policies, run)
        return [(one.policy, listing.text(one.field)[one.start : one.end], str(one.weight)) for one in spans]

    return find


def test_the_word_that_made_the_model_think_so_is_found_in_its_field(found):
    assert found("Old statue", "It is real ivory, from my aunt.") == [(WILDLIFE, "ivory", "high")]
    assert found("Pistol, hardly used") == [(WEAPONS, "Pistol", "high")]


def test_each_policy_has_its_own_words_and_only_those_that_are_asked_for(found):
    both = [(WILDLIFE, "ivory", "high"), (WEAPONS, "pistol", "high")]
    assert found("ivory and pistol", policies=(WILDLIFE, WEAPONS)) == both
    assert found("ivory and pistol", policies=(WEAPONS, "unknown/policy")) == both[1:]


@pytest.mark.parametrize("title", ["Garden chair", "toy pistol, book", "toy"])
def test_a_policy_that_the_model_does_not_find_has_no_words(found, title):
    """A toy and a book take back what a pistol weighs."""
    assert found(title) == []


def test_what_takes_back_is_no_evidence(found):
    assert found("ammunition pistol toy", policies=(WEAPONS,)) == [(WEAPONS, "ammunition pistol", "high")]


def test_all_occurrences_of_a_word_are_left_out_at_once_and_all_are_told(found):
    assert found("ivory", "good ivory and more ivory") == [(WILDLIFE, "ivory", "high")] * 3


def test_neighbouring_words_are_one_phrase(found):
    assert found("A miracle that cures all", "", ("misleading/health_claim",)) == [
        ("misleading/health_claim", "cures", "high"),
        ("misleading/health_claim", "miracle", "high"),
    ]
    assert found("miracle cures", "", ("misleading/health_claim",)) == [
        ("misleading/health_claim", "miracle cures", "high")
    ]


def test_words_are_found_as_the_seller_disguised_them(found):
    assert found("i\u200bvory st\u0430tue") == [(WILDLIFE, "i\u200bvory", "high")]
    assert found("p 1 s t o l") == [(WEAPONS, "p 1 s t o l", "high")]


def test_a_long_text_is_explained_where_it_says_so_with_a_bounded_number_of_runs(assessor, run, found):
    said = "good as new and hardly used by us " * 14
    assert found("Chair", f"{said} ivory {said} heroin {said}", (DRUGS, WILDLIFE)) == [
        (DRUGS, "heroin", "high"),
        (WILDLIFE, "ivory", "high"),
    ]
    windows = assessor.prepare(Listing("l", "s", "Chair", f"{said} ivory {said} heroin {said}")).windows.ids
    assert len(run.windows) <= len(windows) + 2 * MOST_RUNS
    assert max(map(len, run.windows)) <= assessor.bundle.facts.max_tokens


def test_each_part_of_a_long_text_that_would_be_found_alone_is_explained(found):
    said = "good as new and hardly used by us " * 15
    assert found("Chair", f"{said} pistol {said} ammunition {said}", (WEAPONS,)) == [
        (WEAPONS, "pistol", "high"),
        (WEAPONS, "ammunition", "high"),
    ]


def test_what_was_run_is_not_run_again(run, found):
    found("ivory pistol heroin", "A statue with a book", (DRUGS, WEAPONS, WILDLIFE))
    assert len(run.windows) == len(set(run.windows))


def test_twice_gives_the_same(found):
    text = "miracle ivory, cures pistol. A book of heroin", "toy cannabis, ammunition and mdma in it"
    assert found(*text) == found(*text)


def test_a_model_that_is_sure_of_everything_points_at_nothing(make_tiny_bundle, tmp_path):
    bundle = make_tiny_bundle(tmp_path / "sure", bias=3.0)
    scorer = OnnxScorer(bundle)
    listing = Listing("l", "s", "Garden chair", "of wood")
    assert explain(Assessor(bundle, starter_policies()), listing, (DRUGS,), lambda w: scorer.run([w])) == ()


@pytest.fixture(scope="module")
def shipped():
    bundle = starter_bundle()
    return Assessor(bundle, starter_policies()), OnnxScorer(bundle)


@pytest.mark.parametrize(
    ("title", "description", "policy", "word"),
    [
        ("Scrimshaw on genuine whale tooth", "Old piece from a family estate, 14 cm.", WILDLIFE, "whale"),
        ("Pure MDMA crystals 84%", "Stealth shipping from the Netherlands.", DRUGS, "MDMA"),
    ],
)
def test_the_shipped_model_points_at_the_words_that_a_reader_would_point_at(shipped, title, description, policy, word):
    assessor, scorer = shipped
    listing = Listing("l", "s", title, description)
    spans = explain(assessor, listing, (policy,), lambda window: scorer.run([window]))
    assert any(word in listing.text(one.field)[one.start : one.end] for one in spans)
    heaviest = next(one for one in spans if word in listing.text(one.field)[one.start : one.end])
    assert heaviest.weight is Weight.HIGH


def test_an_honest_listing_has_nothing_to_explain(shipped):
    assessor, scorer = shipped
    listing = Listing("l", "s", "Garden chair", "A sturdy wooden chair, hardly used.")
    logits = scorer.run(list(assessor.prepare(listing).windows.ids))
    assert np.isfinite(logits).all()
    assert explain(assessor, listing, POLICIES, lambda window: scorer.run([window])) == ()
