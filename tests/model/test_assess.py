from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fairstall.model.assess import Assessor, assess_listings
from fairstall.model.bundle import Bundle, open_bundle
from fairstall.model.control import ControlSample
from fairstall.model.decide import Doubt, Outcome
from fairstall.model.decision import Assessment
from fairstall.model.errors import BundleError, NoScore
from fairstall.model.listing import Listing
from fairstall.model.policy_file import starter_policies
from fairstall.model.scorer import OnnxScorer


@pytest.fixture(scope="module")
def assessor(tiny_bundle: Bundle) -> Assessor:
    return Assessor(tiny_bundle, starter_policies())


def assess(assessor: Assessor, title: str, description: str = "", **fields: str) -> Assessment:
    listing = Listing("l1", "s1", title, description, **fields)  # type: ignore[arg-type]
    return assess_listings(assessor, [OnnxScorer(assessor.bundle)], [listing])[0]


def test_an_ordinary_listing_is_approved(assessor: Assessor) -> None:
    found = assess(assessor, "Oak dining table, seats six", "Buyer collects from Leeds, cash on collection.")
    assert (found.outcome, found.findings, found.doubts) == (Outcome.APPROVE, (), ())


@pytest.mark.parametrize(("title", "description"), [("\u200b \u200b", "\u2060"), (" ", "\u3164"), ("\u00ad", "")])
def test_a_text_that_nobody_can_see_goes_to_a_person(assessor: Assessor, title: str, description: str) -> None:
    found = assess(assessor, title, description)
    assert found.outcome is Outcome.REVIEW
    assert Doubt.EVASION in found.doubts


def test_a_certain_violation_is_blocked_under_the_versions_in_force(assessor: Assessor) -> None:
    found = assess(assessor, "pure cocaine heroin mdma")
    assert found.outcome is Outcome.BLOCK
    assert found.findings[0].policy == "prohibited/drugs"
    assert (found.versions.model, found.versions.policies) == (assessor.bundle.version, assessor.policies.version)


def test_a_violation_deep_in_a_long_description_is_found(assessor: Assessor) -> None:
    innocent = "This sturdy shelf came from my grandmother. " * 40
    found = assess(assessor, "Shelf", innocent + "Also heroin cocaine. " + innocent[:200])
    assert found.probabilities["prohibited/drugs"] > 0.9


def test_disguised_words_score_as_plain_ones(assessor: Assessor) -> None:
    plain, disguised = (
        assess(assessor, "fresh cocaine for sale"),
        assess(assessor, "fresh с\u200bос\u200baine for sale"),
    )
    assert disguised.probabilities["prohibited/drugs"] == plain.probabilities["prohibited/drugs"]
    assert sum(disguised.evasion.values()) > 0


def test_evidence_is_a_slice_of_the_raw_text(assessor: Assessor) -> None:
    title = "🎁 ｃｏｃａｉｎｅ bricks"
    evidence = [e for finding in assess(assessor, title).findings for e in finding.evidence]
    assert evidence
    assert all(title[e.start : e.end] == e.text for e in evidence)


def test_a_language_that_the_model_does_not_read_goes_to_review_and_says_so(assessor: Assessor) -> None:
    found = assess(assessor, "手工編織羊毛圍巾 全新", language="zh")
    assert (found.outcome, found.doubts) == (Outcome.REVIEW, (Doubt.LANGUAGE,))


def test_text_beyond_what_the_model_reads_goes_to_review_and_says_so(assessor: Assessor) -> None:
    found = assess(assessor, "Shelf", "A sturdy shelf from my grandmother. " * 1_000)
    assert Doubt.TOO_LONG in found.doubts
    assert found.outcome is Outcome.REVIEW


def test_the_control_sample_stores_with_which_probability_a_listing_gets_a_label(tiny_bundle: Bundle) -> None:
    always = Assessor(tiny_bundle, starter_policies(), ControlSample(b"key", 1.0))
    rarely = Assessor(tiny_bundle, starter_policies(), ControlSample(b"key", 1e-9))
    assert assess(always, "Oak table").sampling.control
    assert assess(rarely, "Oak table").sampling.inclusion_probability == 1e-9
    assert assess(rarely, "cannabis cannabis").sampling.inclusion_probability in (1.0, 1e-9)


def test_listings_keep_their_order_whatever_their_length(assessor: Assessor) -> None:
    texts = ["heroin", "book " * 300, "ivory", "", "pistol " * 60]
    listings = [Listing(str(n), "s", "Listing", text) for n, text in enumerate(texts)]
    scorers = [OnnxScorer(assessor.bundle) for _ in range(2)]
    together = assess_listings(assessor, scorers, listings)
    alone = [assess_listings(assessor, scorers, [listing])[0] for listing in listings]
    assert [a.outcome for a in together] == [a.outcome for a in alone]
    assert assess_listings(assessor, scorers, []) == []


def test_a_policy_that_the_model_does_not_score_is_still_held_by_its_rules(
    make_tiny_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    only_drugs = make_tiny_bundle(tmp_path, labels=("prohibited/drugs",))
    found = assess(Assessor(only_drugs, starter_policies()), "message me on whatsapp +44 7700 900123 to pay direct")
    finding = next(f for f in found.findings if f.policy == "misleading/off_platform")
    assert (found.outcome, finding.probability) == (Outcome.REVIEW, None)


def test_bundles_prepare_alike_when_they_read_alike(
    assessor: Assessor,
    make_tiny_bundle: Callable[..., Bundle],
    tiny_words: Mapping[str, Mapping[str, float]],
    tmp_path: Path,
) -> None:
    policies = assessor.policies
    assert assessor.prepares_like(Assessor(make_tiny_bundle(tmp_path / "alike", name="other"), policies))
    other_readings: dict[str, dict[str, Any]] = {
        "window": {"max_tokens": 32},
        "language": {"languages": ("en", "de")},
        "word": {"words": {**tiny_words, "unheard": {}}},
    }
    for name, changes in other_readings.items():
        assert not assessor.prepares_like(Assessor(make_tiny_bundle(tmp_path / name, **changes), policies)), name


def test_a_listing_for_which_the_model_has_no_number_is_not_decided(
    make_tiny_bundle: Callable[..., Bundle], tiny_words: Mapping[str, Mapping[str, float]], tmp_path: Path
) -> None:
    words = {**tiny_words, "book": {"prohibited/drugs": float("nan")}}
    assessor = Assessor(make_tiny_bundle(tmp_path, words=words), starter_policies())
    with pytest.raises(NoScore):
        assess(assessor, "An old book")
    assert assess(assessor, "Oak dining table").outcome is Outcome.APPROVE


@pytest.mark.parametrize("how", ["gives no numbers", "another's tokenizer"])
def test_a_bundle_that_cannot_score_its_own_tokens_proves_nothing(
    make_broken_bundle: Callable[[Path, str], None], tmp_path: Path, how: str
) -> None:
    make_broken_bundle(tmp_path, how)
    bundle = open_bundle(tmp_path)
    with pytest.raises(BundleError, match="scores nothing that its tokenizer reads"):
        Assessor(bundle, starter_policies()).prove(OnnxScorer(bundle))
