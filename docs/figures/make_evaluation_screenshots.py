"""Takes the pictures of MLflow's pages in the docs: `python docs/figures/make_evaluation_screenshots.py BUNDLE`.

It evaluates the shipped bundle and BUNDLE, the folder of another, on authored rows of the test side: no row of a corpus
is in them. It needs the `training` extra, which knows the sides, and Chromium.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pictures import chromium, save
from playwright.sync_api import Page

from fairstall.evals.tracking import EVALUATIONS
from fairstall.model.policy_file import starter_policies
from fairstall.model.starter_bundle import starter_bundle
from fairstall.model.wire import json_line
from fairstall.training.config import shipped_config
from fairstall.training.material import gather
from fairstall.training.retrain import comparison_rows

WIDE = {"width": 1920, "height": 1000}  # two figures side by side; the picture is scaled down to 1280
METRIC, ROW_PIXELS = "macro/average_precision", 45


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        rows = comparison_rows(gather(starter_policies(), shipped_config("starter")))
        (home / "rows.jsonl").write_text("".join(json_line(row) + "\n" for row in rows), encoding="utf-8")
        for bundle in (sys.argv[1], "starter"):
            evaluate(bundle, home)
        with mlflow_ui(f"sqlite:///{home / 'mlflow.sqlite'}") as address, chromium() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 420})
            open_runs(page, address)
            take_run_picture(page)
            take_comparison_pictures(page)
            state = page.context.storage_state()
            wide = browser.new_context(viewport=WIDE, device_scale_factor=2 / 3, storage_state=state).new_page()
            take_figure_picture(wide, page.url)


def evaluate(bundle: str, home: Path) -> None:
    command = (sys.executable, "-m", "fairstall.cli.main", "evaluate", bundle, "--suite", "held_out")
    subprocess.run([*command, "--data", str(home / "rows.jsonl"), "--home", str(home)], check=True)


@contextmanager
def mlflow_ui(store: str) -> Iterator[str]:
    """MLflow's pages on a free port; they ask nothing of other machines."""
    command = (sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store, "--port", "0", "--workers", "1")
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with subprocess.Popen(
        [*command, "--uvicorn-opts=--no-access-log"], env={**os.environ, **quiet}, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr
            said = iter(process.stderr.readline, "")
            yield next(found[0] for line in said if (found := re.findall(r"running on (http://\S+)", line)))
        finally:
            process.terminate()


def open_runs(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_text("Model training", exact=True).click()
    page.get_by_role("link", name="Experiments").first.click()
    page.get_by_role("link", name=EVALUATIONS).click()
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_role("checkbox", name="Select all runs").wait_for()


def take_run_picture(page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    page.get_by_role("link", name=starter_bundle().version).click()
    page.get_by_placeholder("Search metrics").fill("macro/")
    page.get_by_role("link", name=METRIC, exact=True).wait_for()
    save(page, "evaluation-run.png")
    page.go_back()


def take_comparison_pictures(page: Page) -> None:
    """The list with both runs selected, and their metrics on the page where `page` is left."""
    page.set_viewport_size({"width": 1280, "height": 420})
    page.get_by_role("checkbox", name="Select all runs").check()
    page.get_by_role("button", name="Compare").wait_for()
    save(page, "evaluation-runs.png")
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("switch", name="Metrics - Show diff only").click()
    values = page.locator(".ReactVirtualized__Grid").last
    name = page.get_by_role("link", name=METRIC, exact=True)
    while not name.is_visible():  # the table draws only the rows in view and a few more
        values.evaluate("(grid, row) => { grid.scrollTop += row }", ROW_PIXELS)
        page.wait_for_timeout(50)
    top = name.locator("..").evaluate("cell => cell.offsetTop")
    for place in (top, top - 1, top):  # the names move one step behind the values
        values.evaluate("(grid, place) => { grid.scrollTop = place }", place)
        page.wait_for_timeout(100)
    page.wait_for_timeout(300)
    page.get_by_role("button", name="Metrics", exact=True).evaluate("one => one.scrollIntoView()")
    page.mouse.move(640, 40)
    save(page, "evaluation-compare-metrics.png")


def take_figure_picture(page: Page, comparison: str) -> None:
    page.goto(comparison)
    page.get_by_text("precision_recall.png").click()
    page.get_by_alt_text("precision_recall.png").last.wait_for()
    page.get_by_role("button", name="Artifacts", exact=True).evaluate("one => one.scrollIntoView()")
    save(page, "evaluation-compare-figures.png")


if __name__ == "__main__":
    main()
