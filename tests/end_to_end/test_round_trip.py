"""One listing, all the way round, with real processes and a real browser: from upload to a better model in service."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright

from fairstall.model.bundle import Bundle
from fairstall.model.calibration import PlattCalibration
from fairstall.model.certificates import Certificate, PolicyThresholds, Threshold
from fairstall.model.deployed import Deployments
from fairstall.model.policy_file import starter_policies

FAIRSTALL = (sys.executable, "-m", "fairstall.cli.main")
DEADLINE_S = 20.0

# A linear probe on the real encoder over the rows that Fairstall ships: seconds instead of the starter's half hour.
CONFIG = """
name = "round-trip"
[data]
policy_words = false
[sampling]
authored_repeats = 1
[tune]
encoder_rate = 0.0
probe_steps = 40
[export]
parity_rows = 60
precision_loss = 0.2
max_probability_change = 1.0
mean_probability_change = 0.1
"""
RULES_CHANGES = {
    "max_probability_change = 0.25": "max_probability_change = 1.0",
    "mean_probability_change = 0.01": "mean_probability_change = 0.1",
    "largest_slowdown = 0.25": "largest_slowdown = 100",
    "largest_automation_loss = 0.05": "largest_automation_loss = 1",
}


@dataclass
class Service:
    """A running `fairstall up`."""

    address: str
    login: dict[str, str]
    process: subprocess.Popen[str]

    def score(self, listing_id: str, title: str) -> httpx.Response:
        body = {"listing_id": listing_id, "seller_id": "ana", "title": title, "description": "", "language": "en"}
        headers = {"Authorization": f"Bearer {self.login['api_key']}"}
        return httpx.post(f"{self.address}/v1/score", json=body, headers=headers, timeout=30)


@dataclass
class Uploads:
    """Twenty uploads a second from a thread of their own, each answer kept."""

    service: Service
    answers: list[tuple[int, str]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Uploads":
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            response = self.service.score(f"load-{len(self.answers)}", "Oak dining table, seats six")
            self.answers.append((response.status_code, response.json()["versions"]["model"]))

    def wait_for(self, version: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while version not in {seen for _, seen in self.answers[-3:]}:
            assert time.monotonic() < deadline, f"{version} never served; last seen {self.answers[-1:]}"
            time.sleep(0.05)


@pytest.fixture
def weak_champion(make_tiny_bundle: Callable[..., Bundle], tmp_path: Path) -> Bundle:
    """A bundle that scores every policy and knows nothing: no word changes a score."""
    codes = starter_policies().codes
    nothing = Certificate(target=0.05, bound=1.0, rows=0, errors=0, holds=False)
    return make_tiny_bundle(
        tmp_path / "weak",
        name="weak",
        words={"listing": {}},
        labels=codes,
        calibration={code: PlattCalibration() for code in codes},
        thresholds={code: PolicyThresholds(release=Threshold(0.5, nothing)) for code in codes},
    )


@pytest.fixture
def service(tmp_path: Path, weak_champion: Bundle) -> Iterator[Service]:
    home = tmp_path / "home"
    Deployments(home / "models").deploy(weak_champion, reason="first", deployed_at="2026-11-22T12:00:00.000000Z")
    command = [*FAIRSTALL, "up", "--home", str(home), "--port", "0", "--control-rate", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            said = iter(process.stdout.readline, "")
            address = next(line.split()[1] for line in said if line.strip().startswith("API"))
            yield Service(
                address.removesuffix("/v1/score"), json.loads((home / "first-login.json").read_text()), process
            )
        finally:
            process.terminate()
            process.communicate(timeout=30)


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1280, "height": 800})
        browser.close()


def run(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*FAIRSTALL, *arguments, "--home", str(home)], capture_output=True, text=True, check=False, timeout=1_200
    )


def decide_by_keyboard(page: Page, service: Service, key: str) -> None:
    page.goto(f"{service.address}/")
    page.keyboard.type(service.login["user"])
    page.keyboard.press("Tab")
    page.keyboard.type(service.login["password"])
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Start reviewing").wait_for()
    page.locator("html.with-keys").wait_for()
    page.keyboard.press("n")
    page.wait_for_url("**/cases/**")
    page.get_by_role("heading", name="Scrimshaw").wait_for()
    page.keyboard.press(key)
    page.get_by_role("heading", name="Scrimshaw").wait_for(state="detached")


@pytest.mark.browser
@pytest.mark.timeout(1_500)
def test_a_listing_is_scored_reviewed_learned_from_and_the_better_model_takes_over(
    service: Service, page: Page, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    answer = service.score("l1", "Scrimshaw on genuine whale tooth").json()
    assert (answer["outcome"], answer["findings"][0]["policy"]) == ("review", "prohibited/wildlife")

    decide_by_keyboard(page, service, "v")
    exported = run("export-labels", home=home)
    labels = Path(exported.stdout.strip())
    row: dict[str, Any] = json.loads(labels.read_text())
    assert (row["title"], row["verdict"], row["decision_id"]) == (
        "Scrimshaw on genuine whale tooth",
        "violation",
        answer["decision_id"],
    )

    (tmp_path / "round-trip.toml").write_text(CONFIG)
    with Uploads(service) as uploads:
        retrained = run(
            "retrain",
            "--config",
            str(tmp_path / "round-trip.toml"),
            "--labels",
            str(labels),
            "--rules",
            str(rules(tmp_path)),
            home=home,
        )
        assert retrained.returncode == 0, retrained.stdout + retrained.stderr
        promoted = Deployments(home / "models").current()
        assert promoted is not None
        assert promoted.version != answer["versions"]["model"]
        uploads.wait_for(promoted.version)
    assert {status for status, _ in uploads.answers} == {200}
    assert {version for _, version in uploads.answers} == {answer["versions"]["model"], promoted.version}


def rules(folder: Path) -> Path:
    """The shipped gate, but for the drift that this test's tiny parity sample may show, and for what the weak champion
    has in its favour: it is small and approves nearly everything.
    """
    text = (Path(__file__).parents[2] / "evals" / "gate.toml").read_text()
    for shipped, changed in RULES_CHANGES.items():
        assert shipped in text
        text = text.replace(shipped, changed)
    (folder / "gate.toml").write_text(text)
    return folder / "gate.toml"
