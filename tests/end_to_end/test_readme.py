"""What the README shows is what a newcomer gets: its curl line, its answer, and its table of six listings."""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fairstall.model.starter_bundle import starter_bundle

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FAIRSTALL = (sys.executable, "-m", "fairstall.cli.main")
SIX = re.findall(r"^\| `(\w+):(\w+)` \| (\S+) \| (\w+)(?:, `([\w/]+)`)? \|", README, re.MULTILINE)
VOLATILE = ("decision_id", "case_id", "timings_ms", "versions")


def fenced(language: str, containing: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return next(block for block in blocks if containing in block)


def test_the_curl_line_gives_the_answer_printed_below_it(running: Any) -> None:
    line = fenced("bash", "curl").replace(":8000/", f":{running.port}/")
    done = subprocess.run(
        ["bash", "-c", line], env={**os.environ, "KEY": running.key}, capture_output=True, check=True, timeout=60
    )
    answer, printed = json.loads(done.stdout), json.loads(fenced("json", '"outcome"'))
    assert printed["versions"]["model"] == starter_bundle().version
    assert steady(answer) == steady(printed)


def steady(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without ids and times; int8 probabilities differ a little between processors."""
    findings = [{**finding, "probability": round(finding["probability"], 1)} for finding in answer["findings"]]
    return {**{name: value for name, value in answer.items() if name not in VOLATILE}, "findings": findings}


def test_the_readme_shows_six_listings_from_six_corpora() -> None:
    assert len({corpus for corpus, *_ in SIX}) == len(SIX) == 6


@pytest.mark.skipif("FAIRSTALL_CORPORA" not in os.environ, reason="FAIRSTALL_CORPORA names no folder with the corpora")
def test_the_six_listings_come_out_as_the_readme_says() -> None:
    lines = "".join(listing_line(corpus, digest) for corpus, digest, *_ in SIX)
    done = subprocess.run([*FAIRSTALL, "score"], input=lines, capture_output=True, text=True, check=True, timeout=120)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    got = [(a["outcome"], a["findings"][0]["policy"] if a["findings"] else "") for a in answers]
    assert got == [(outcome, policy) for _, _, _, outcome, policy in SIX]


def listing_line(corpus: str, digest: str) -> str:
    mirror = Path(os.environ["FAIRSTALL_CORPORA"])
    folder = mirror / "corpora" if (mirror / "corpora").is_dir() else mirror
    with gzip.open(folder / f"{corpus}.jsonl.gz", "rt", encoding="utf-8") as rows:
        row = next(row for row in map(json.loads, rows) if row["id"] == f"{corpus}:{digest}")
    listing = {"listing_id": row["id"], "seller_id": "s", "title": row["title"], "description": row["description"]}
    return json.dumps(listing) + "\n"
