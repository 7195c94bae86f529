"""MLflow's own pages in a real browser: two evaluations, selected and compared, show the guide's metrics and figures.

What they show is held against the store and its files.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from fairstall.evals.tracking import EVALUATIONS, tracking_client

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),  # MLflow's own
]
GUIDE = (Path(__file__).parents[2] / "docs" / "evaluating.md").read_text(encoding="utf-8")
HEADLINES = re.findall(r"`(\w+)` \*", GUIDE.partition("| metric | meaning | better |")[2].partition("\n\n")[0])
SCOPES = ("macro", "policy/prohibited.drugs", "listing")
FIGURES = sorted(set(re.findall(r"`(\w+\.png)`", GUIDE)))
ROW_PIXELS = 45  # of MLflow's table of metrics, which draws only the rows in view

BYTES = """all => Promise.all(all.map(async picture => {
    await picture.decode();
    return (await (await fetch(picture.src)).blob()).size;
}))"""


@dataclass(frozen=True)
class Evaluations:
    """A store with one run of `fairstall evaluate` for each of two bundles; MLflow's records of them by name."""

    uri: str
    runs: Mapping[str, Any]


@pytest.fixture(scope="module")
def evaluations(tmp_path_factory, make_tiny_bundle, tiny_words, listings) -> Evaluations:
    home = tmp_path_factory.mktemp("home")
    make_tiny_bundle(home / "three", name="three-drugs")
    make_tiny_bundle(home / "two", name="two-drugs", words={w: by for w, by in tiny_words.items() if w != "mdma"})
    rows = [{"id": row.id, "title": row.title, "policies": sorted(row.policies)} for row in listings]
    (home / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("three", "two"):
        command = ("evaluate", name, "--data", "rows.jsonl", "--suite", "held_out", "--draws", "100", "--home", ".")
        subprocess.run([sys.executable, "-m", "fairstall.cli.main", *command], cwd=home, check=True, timeout=120)
    uri = f"sqlite:///{home / 'mlflow.sqlite'}"
    client = tracking_client(uri)
    runs = client.search_runs([client.get_experiment_by_name(EVALUATIONS).experiment_id])
    return Evaluations(uri, {run.info.run_name: run for run in runs})


@pytest.fixture(scope="module")
def address(evaluations) -> Iterator[str]:
    """A running `mlflow ui` on a free port."""
    options = ("--backend-store-uri", evaluations.uri, "--port", "0", "--workers", "1")
    command = [sys.executable, "-m", "mlflow", "ui", *options, "--uvicorn-opts=--no-access-log"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with subprocess.Popen(command, env={**os.environ, **quiet}, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            said = iter(process.stderr.readline, "")
            yield next(found[0] for line in said if (found := re.findall(r"running on (http://\S+)", line)))
        finally:
            process.terminate()
            process.communicate(timeout=30)


@pytest.fixture(scope="module")
def compared(address, evaluations) -> Iterator[Page]:
    """The page that compares the two runs, reached as the guide says, with nothing asked of any other machine."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 3000, "height": 1000})  # room for the list of files beside figures
        asked: set[str | None] = set()
        page.on("request", lambda request: asked.add(urlsplit(request.url).hostname))
        page.goto(address)
        page.get_by_text("Model training", exact=True).click()
        page.get_by_role("link", name="Experiments").first.click()
        page.get_by_role("link", name=EVALUATIONS).click()
        page.get_by_role("button", name="Close", exact=True).click()  # the assistant, which takes a quarter of the page
        for name in evaluations.runs:
            expect(page.get_by_role("link", name=name)).to_be_visible()
        page.get_by_role("checkbox", name="Select all runs").check()
        page.get_by_role("button", name="Compare").click()
        expect(page.get_by_role("heading", name="Comparing 2 Runs from 1 Experiment")).to_be_visible()
        yield page
        browser.close()
    assert asked <= {"127.0.0.1", None}


@pytest.fixture(scope="module")
def runs(compared, evaluations) -> list[Any]:
    """The two runs in the order of the page's columns."""
    cells = compared.get_by_role("row", name="Run Name:").get_by_role("cell").all_inner_texts()
    return [evaluations.runs[name] for name in cells]


def test_the_compare_view_has_the_headline_metrics_of_both_runs(compared, runs):
    first, second = (run.data.metrics for run in runs)
    names, values = (compared.locator(".ReactVirtualized__Grid").nth(side) for side in (0, 1))
    for name in (f"{scope}/{metric}" for scope in SCOPES for metric in HEADLINES):
        top = ROW_PIXELS * sorted(first).index(name)
        row = f"[style*='top: {top}px']"
        for place in (top - 1, top):  # MLflow moves the names one step behind the values
            values.evaluate("(grid, place) => { grid.scrollTop = place }", place)
            expect(values.locator(row)).to_have_count(2)
        expect(names.locator(row)).to_have_text(name)
        shown = [float(text) for text in values.locator(row).all_inner_texts()]
        assert shown == pytest.approx([first[name], second[name]], abs=0.0006), name
    assert first["policy/prohibited.drugs/recall"] != second["policy/prohibited.drugs/recall"]


def test_the_compare_view_shows_each_figure_of_both_runs_side_by_side(compared, runs):
    assert len(FIGURES) == 5
    earlier = ["", ""]
    for figure in FIGURES:
        compared.get_by_text(figure).click()
        pictures = compared.get_by_alt_text(figure)
        expect(pictures).to_have_count(2)
        for place, before in enumerate(earlier):  # for a moment the figure before it stands under the new name
            expect(pictures.nth(place)).not_to_have_attribute("src", before)
        files = [Path(run.info.artifact_uri.removeprefix("file://")) / figure for run in runs]
        assert pictures.evaluate_all(BYTES) == [file.stat().st_size for file in files]
        earlier = pictures.evaluate_all("all => all.map(one => one.src)")
