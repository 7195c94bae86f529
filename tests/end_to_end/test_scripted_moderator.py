"""A moderator who decides real cases by keyboard alone, in a real browser, against `fairstall up` with its model."""

import gzip
import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from fairstall.client import Decision, Fairstall, Retries

FAIRSTALL = (sys.executable, "-m", "fairstall.cli.main")
PASSWORD = "three blind moderators"
SEED = 20261122
ROWS_AT_ONCE = 10
PATIENT = Retries(attempts=20, deadline_s=300.0)
SAME_KEY_MS = 250  # the console takes the same key within 200 ms for a bounce
DEADLINE_MS = 30_000

# From the press of a key to the first frame that shows another case than before, in milliseconds.
STOPWATCH = """
  let pressed = null, shown = null;
  window.keyToNext = [];
  const onScreen = () => document.querySelector("main.case")?.dataset.case ?? null;
  addEventListener("keydown", () => { pressed = performance.now(); shown = onScreen(); }, true);
  addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
    if (pressed === null || onScreen() === shown) return;
    const since = pressed;
    pressed = null;
    requestAnimationFrame(() => setTimeout(() => window.keyToNext.push(performance.now() - since)));
  }).observe(document.body, { childList: true }));
"""


@dataclass
class Moderator:
    """Presses keys as `rng` has it, and remembers what that must have stored."""

    page: Page
    rng: random.Random
    decided: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    passed_on: set[str] = field(default_factory=set)
    served: list[str] = field(default_factory=list)
    given_back: set[str] = field(default_factory=set)
    undone: int = 0

    def start(self) -> None:
        self.page.keyboard.press("n")
        self._arrive(None)

    def decide_one(self) -> None:
        """Act on the case on the screen, in one of the ways that a moderator does, until another one is there."""
        act = self.rng.choices((self.judge, self.escalate, self.skip, self.judge_twice), (80, 5, 6, 9))[0]
        act()

    def judge(self) -> None:
        case_id, policies = self._case_id(), self._ticked()
        if self.rng.random() < 0.4:
            self._press("c")
            self.decided[case_id] = ("compliant", frozenset())
        else:
            self._press(*self._tick(policies))
            self._give_reason()
            self._press("v")
            self.decided[case_id] = ("violation", frozenset(policies))
        self._arrive(case_id)

    def judge_twice(self) -> None:
        """Decide, take it back, and decide again. The case that was there meanwhile comes after that."""
        case_id = self._case_id()
        self.judge()
        self.given_back.add(self._case_id())
        self._press("u")
        self.page.wait_for_function("id => document.querySelector('main').dataset.case === id", arg=case_id)
        del self.decided[case_id]
        self.undone += 1
        self._wait()
        self.judge()

    def escalate(self) -> None:
        case_id = self._case_id()
        self._press("e")
        self.page.keyboard.type("Is this one ours?")
        self.page.keyboard.press("Enter")
        self.passed_on.add(case_id)
        self._arrive(case_id)

    def skip(self) -> None:
        case_id = self._case_id()
        self._press("s", self.rng.choice("123456"))
        self.passed_on.add(case_id)
        self._arrive(case_id)

    def _give_reason(self) -> None:
        """Where a ticked policy asks for one."""
        if self.page.locator(".picker input[data-reason]:checked").count():
            self._press("n")
            self.page.keyboard.type("It says so in the text.")
            self._press("Escape")

    def _tick(self, policies: set[str]) -> list[str]:
        """The digits that change what is ticked, some at random, and `policies` with it: one is left at least."""
        boxes = self.page.locator(".picker input[data-key]:not(:disabled)")
        by_digit = dict(boxes.evaluate_all("all => all.map((box) => [box.dataset.key, box.value])"))
        digits = self.rng.sample(sorted(by_digit), self.rng.choice((0, 0, 1, 2)))
        for digit in digits:
            policies ^= {by_digit[digit]}
        if not policies:
            spare = next(digit for digit in sorted(by_digit) if digit not in digits)
            policies.add(by_digit[spare])
            digits.append(spare)
        return digits

    def _press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def _arrive(self, left: str | None) -> None:
        self.page.wait_for_function(
            "left => (document.querySelector('main.case')?.dataset.case ?? left) !== left",
            arg=left,
            timeout=DEADLINE_MS,
        )
        case_id = self._case_id()
        if case_id in self.given_back:
            self.given_back.remove(case_id)
        else:
            self.served.append(case_id)
        self._wait()

    def _wait(self) -> None:
        self.page.wait_for_timeout(SAME_KEY_MS)

    def _case_id(self) -> str:
        return str(self.page.locator("main.case").get_attribute("data-case"))

    def _ticked(self) -> set[str]:
        return set(self.page.locator(".picker input:checked").evaluate_all("all => all.map((box) => box.value)"))


@pytest.mark.browser
@pytest.mark.parametrize("cases", [20, pytest.param(200, marks=pytest.mark.nightly)])
@pytest.mark.timeout(3600)
def test_cases_are_decided_by_keyboard_none_twice_and_the_labels_are_what_was_pressed(running, cases, capfd):
    address = f"http://127.0.0.1:{running.port}"
    name, earlier = f"mira{cases}", set(labels(running.home))
    run("user", "create", name, "--home", str(running.home), input=PASSWORD)
    open_cases(address, running.key, cases + cases // 2)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(DEADLINE_MS)
        page.add_init_script(STOPWATCH)
        log_in(page, address, name)
        moderator = Moderator(page, random.Random(SEED))
        moderator.start()
        while len(moderator.decided) + len(moderator.passed_on) < cases:
            moderator.decide_one()
        times = page.evaluate("keyToNext")
        browser.close()
    assert len(moderator.served) == len(set(moderator.served)), "a case was served twice"
    assert {case: label for case, label in labels(running.home).items() if case not in earlier} == moderator.decided
    tell(capfd, moderator, times)


def run(*command: str, **options: Any) -> str:
    done = subprocess.run([*FAIRSTALL, *command], check=True, capture_output=True, text=True, **options)
    return done.stdout.strip()


def log_in(page: Page, address: str, name: str) -> None:
    page.goto(f"{address}/console/login")
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue")


def open_cases(address: str, key: str, wanted: int) -> None:
    """Score listings until so many of them wait for a person."""
    opened, rows = 0, listings()
    with Fairstall(address, key=key, retries=PATIENT) as client:
        while opened < wanted:
            answers = client.score_batch([next(rows) for _ in range(ROWS_AT_ONCE)])
            opened += sum(isinstance(one, Decision) and one.case_id is not None for one in answers)


def listings() -> Iterator[dict[str, Any]]:
    """Real listings where `FAIRSTALL_CORPORA` names their folder, and otherwise those of the seed corpus, shuffled."""
    rows = list(
        corpus_rows(Path(os.environ["FAIRSTALL_CORPORA"])) if "FAIRSTALL_CORPORA" in os.environ else seed_rows()
    )
    random.Random(SEED).shuffle(rows)
    for row in rows:
        yield {
            "listing_id": row["id"],
            "seller_id": f"seller-{len(row['title']) % 40}",
            "title": row["title"],
            "description": row["description"],
        }


def corpus_rows(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def seed_rows() -> Iterator[dict[str, Any]]:
    folder = resources.files("fairstall.training").joinpath("seed")
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".jsonl"):
            yield from map(json.loads, file.read_text("utf-8").splitlines())


def labels(home: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """What `export-labels` says of each case."""
    file = Path(run("export-labels", "--home", str(home)))
    rows = map(json.loads, file.read_text("utf-8").splitlines())
    return {row["case_id"]: (row["verdict"], frozenset(row["policies"])) for row in rows}


def tell(capfd: pytest.CaptureFixture[str], moderator: Moderator, times: list[float]) -> None:
    median, p95 = statistics.median(times), statistics.quantiles(times, n=20)[-1]
    with capfd.disabled():
        sys.stdout.write(
            f"\n{len(moderator.decided)} decided, {len(moderator.passed_on)} passed on, {moderator.undone} undone; "
            f"key to next case: median {median:.0f} ms, p95 {p95:.0f} ms of {len(times)}\n"
        )
