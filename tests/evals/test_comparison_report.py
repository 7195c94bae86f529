"""A comparison as names, JSON, a figure and a page, whatever the policies and bundles are called."""

import json
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.compare import Comparison, Contender, compare
from fairstall.evals.comparison_report import FIGURE, answer, comparison_page, comparison_report
from fairstall.evals.tracking import RunTags

ORIGIN = RunTags("candidate", "policies-1", "rows-1", "code-1")


@pytest.fixture(scope="module")
def comparison(synthetic) -> Comparison:
    first, second = synthetic(1, rows=1500), synthetic(1, rows=1500, edge=1.0)
    return compare(Contender("champion", first), Contender("candidate", second), bootstrap=Bootstrap(draws=150))


def test_every_difference_has_its_interval_and_the_labels_that_would_tell(comparison):
    metrics = comparison_report(comparison).metrics
    for found in comparison.differences:
        name = f"difference/{found.scope}/{found.metric}"
        assert metrics[f"{name}.low"] <= metrics[name] <= metrics[f"{name}.high"]
    assert metrics["labels_needed/macro/average_precision"] == 0


def test_the_facts_have_all_of_it_and_are_the_same_twice(comparison):
    report = comparison_report(comparison)
    assert len(json.loads(report.facts)["differences"]) == len(comparison.differences)
    assert (report.facts, report.plots) == ((again := comparison_report(comparison)).facts, again.plots)


def test_the_figure_has_a_line_for_each_policy_and_source(comparison):
    image = Image.open(BytesIO(comparison_report(comparison).plots[FIGURE]))
    assert image.width > image.height > 100


def test_the_answer_is_one_sentence_with_the_numbers(comparison, synthetic):
    assert answer(comparison).startswith("candidate is better than champion: mean average precision 0.")
    same = compare(Contender("a", synthetic(2)), Contender("b", synthetic(2, noise=1)), bootstrap=Bootstrap(draws=150))
    assert answer(same).startswith("These rows cannot tell b from a: ")
    assert "labels more would tell" in answer(same)


def test_the_page_needs_nothing_beside_it_and_names_its_origin(comparison):
    page = comparison_page(comparison, comparison_report(comparison), ORIGIN)
    assert page.count("data:image/png;base64,") == 1
    assert not [address for address in ("http:", "https:", "<script", "<link") if address in page]
    assert all(word in page for word in ("policies-1", "rows-1", "code-1", "prohibited.p1", "150 draws"))


def test_names_from_outside_are_text_on_the_page(comparison):
    hostile = replace(comparison, second="<script>alert(1)</script>")
    page = comparison_page(hostile, comparison_report(hostile), ORIGIN)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
