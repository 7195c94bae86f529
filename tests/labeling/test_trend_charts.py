"""Charts are well-formed SVG that carries its words, whatever library of XML pygal finds."""

import sys
from xml.etree import ElementTree

import pytest

from fairstall.labeling.trends.charts import (
    Interval,
    Series,
    draw_area,
    draw_columns,
    draw_intervals,
    draw_lines,
    draw_rows,
)
from fairstall.labeling.trends.drawing import Words

SVG = "{http://www.w3.org/2000/svg}"
WORDS = Words("Blocks & <more>", 'Few of them: "3"')
LABELS = ("1 Jun", "2 Jun", "3 Jun")
SERIES = (Series("One <b>", "one", (1, 2, 3)), Series("Two", "two", (0, 0, 5)))
FEW = Interval("Too few", None, 0.0, 1.0, "too few to say (3)")

CHARTS = {
    "columns": lambda: draw_columns(WORDS, LABELS, SERIES),
    "area": lambda: draw_area(WORDS, LABELS, SERIES[0]),
    "area of one": lambda: draw_area(WORDS, LABELS[:1], Series("One", "one", (4,))),
    "lines": lambda: draw_lines(WORDS, LABELS, SERIES),
    "shares with a gap": lambda: draw_lines(WORDS, LABELS, [Series("Share", "accent", (0.5, None, 1.0))], percent=True),
    "rows": lambda: draw_rows(WORDS, LABELS, SERIES[:1], pressing=LABELS[:1]),
    "rows with notes": lambda: draw_rows(WORDS, LABELS, SERIES, notes=("1 of 1", "2 of 2", "3 of 8")),
    "a row": lambda: draw_rows(WORDS, LABELS[:1], [Series("One", "one", (1_234_567,))]),
    "intervals": lambda: draw_intervals(WORDS, [Interval("All", 0.97, 0.9, 0.99, "97 %"), FEW], low=0.9, high=1.0),
    "nothing to say": lambda: draw_intervals(WORDS, [FEW], low=0.9, high=1.0),
}


@pytest.fixture(params=["to_etree", "to_lxml"], autouse=True)
def xml_library(request, monkeypatch):
    from pygal.etree import etree

    if request.param == "to_lxml":
        pytest.importorskip("lxml")
    before = etree.to_lxml if etree.lxml else etree.to_etree
    getattr(etree, request.param)()
    yield
    before()


@pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)
def test_a_chart_is_an_image_with_a_title_and_a_description(draw):
    drawing = ElementTree.fromstring(draw())
    assert drawing.tag == f"{SVG}svg"
    assert [(node.tag, node.text) for node in drawing[:2]] == [
        (f"{SVG}title", WORDS.title),
        (f"{SVG}desc", WORDS.description),
    ]
    assert drawing.get("aria-labelledby").split() == [node.get("id") for node in drawing[:2]]
    assert drawing.get("role") == "img"


@pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)
def test_a_chart_runs_and_loads_nothing(draw):
    drawing = ElementTree.fromstring(draw())
    assert {node.tag for node in drawing.iter()} & {f"{SVG}script", f"{SVG}a", f"{SVG}image", f"{SVG}use"} == set()
    assert "url(" not in draw()
    names = {name for node in drawing.iter() for name in node.attrib}
    assert {name for name in names if "href" in name or name.startswith("on")} == set()


def test_numbers_and_notes_stand_in_the_chart():
    texts = {node.text for node in ElementTree.fromstring(CHARTS["a row"]()).iter(f"{SVG}text")}
    assert {"1 Jun", "1,234,567"} <= texts
    assert "too few to say (3)" in CHARTS["intervals"]()


def test_importing_charts_leaves_no_finder_behind_that_warns():
    CHARTS["area"]()
    assert [finder for finder in sys.meta_path if type(finder).__module__ == "pygal"] == []
