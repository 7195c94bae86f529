"""Evidence is held to the model: what is left of a score without it and of it alone, beside random words."""

import pytest

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.faithfulness import LEAST_FINDINGS, measure_faithfulness
from fairstall.evals.progress import unwatched
from fairstall.model.assess import Assessor
from fairstall.model.listing import Listing
from fairstall.model.policy_file import starter_policies
from fairstall.model.scorer import OnnxScorer

WEAPONS, WILDLIFE = "prohibited/weapons", "prohibited/wildlife"
FILLING = "Found on the attic of my aunt and kept in a dry place since then, collect it from us"


def listings(words: str, count: int = 20) -> list[Listing]:
    return [Listing(f"l-{number}", "s", f"Lot {number}", f"{FILLING}. {words}.") for number in range(count)]


@pytest.fixture(scope="module")
def measured(tiny_bundle):
    """A function: what is measured of findings on the tiny bundle, whose words weigh what we know."""

    def measure(findings):
        assessor, scorer = Assessor(tiny_bundle, starter_policies()), OnnxScorer(tiny_bundle)
        progress = unwatched("evidence", 0)
        return measure_faithfulness(assessor, scorer, findings, bootstrap=Bootstrap(draws=50), progress=progress)

    return measure


def test_a_model_of_single_words_is_explained_by_them_and_random_words_explain_nothing(measured):
    found = measured({WILDLIFE: listings("real ivory")})["policy/prohibited.wildlife"]
    assert (found.findings, found.explained.value, found.undone.value, found.random_undone.value) == (20, 1, 1, 0)
    assert found.marked.value == pytest.approx(1 / 23)
    assert found.comprehensiveness.value == pytest.approx(0.9526 - 0.0067, abs=1e-3)
    assert found.sufficiency.value == pytest.approx(0, abs=1e-3)
    assert found.random_comprehensiveness.value == pytest.approx(0, abs=1e-3)
    assert found.random_sufficiency.value == pytest.approx(0.9526 - 0.0067, abs=1e-3)
    assert found.explained.low < 1


def test_macro_is_the_mean_over_policies_with_enough_findings(measured):
    few = listings("heroin", LEAST_FINDINGS - 1)
    found = measured({WILDLIFE: listings("ivory"), WEAPONS: listings("pistol"), "prohibited/drugs": few})
    assert set(found) == {"policy/prohibited.wildlife", "policy/prohibited.weapons", "macro"}
    values = [found[scope].comprehensiveness.value for scope in found]
    assert values[2] == pytest.approx((values[0] + values[1]) / 2)
    assert found["macro"].metrics("macro")["evidence/macro/findings"] == 40.0


def test_where_nothing_is_explained_nothing_is_measured(measured):
    assert measured({WILDLIFE: listings("oak chair")}) == {}
