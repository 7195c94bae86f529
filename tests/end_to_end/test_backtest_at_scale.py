"""A policy backtest over a million decisions: all are counted, and memory does not grow with them."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from fairstall.model.assess import Assessor, assess_listings
from fairstall.model.control import ControlSample
from fairstall.model.decide import Outcome
from fairstall.model.decision import Assessment
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.model.policy_file import starter_policies
from fairstall.model.scorer import OnnxScorer
from fairstall.model.starter_bundle import starter_bundle
from fairstall.model.wire import assessment_body, iso_utc, listing_body
from fairstall.records.engine import open_engine, writing
from fairstall.records.ledger import listing_digest
from fairstall.records.schema import migrate
from fairstall.records.tables import cases, decisions, listings, reviews, users

pytestmark = pytest.mark.nightly

DECISIONS = 1_000_000
TEXTS = 3_000  # different ones, which the shipped model decides
AT_ONCE = 5_000
MOST_MB = 250  # of the largest process
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = (
    "a the of with and in for as oak garden chair table lamp steel vintage original used new box shipped collect buyer",
    "size large small blue red wool cotton leather phone case charger works condition scratches battery hours free set",
    "delivery house smoke pet pieces old kitchen children toy train book signed edition camera lens bike wheel drill",
    "mountain road frame handmade silver ring necklace glass bottle painting print café größe 5€ — ✨ heavy tool",
)
RISKY = ("pressed pills", "ivory carving", "airsoft pistol", "pure mdma", "replica watch", "miracle cure", "fox fur")


def test_a_million_decisions_are_replayed_in_bounded_memory(tmp_path):
    url, new = f"sqlite:///{tmp_path / 'records.sqlite'}", changed_policies(tmp_path / "new.yaml")
    write_ledger(url, DECISIONS)
    command = [sys.executable, "-m", "fairstall.cli.main", "policy", "backtest", str(new), "--database", url]
    largest_mb = run_and_measure([*command, "--home", str(tmp_path), "--out", str(tmp_path)])
    found = json.loads((tmp_path / "backtest.json").read_text())
    assert found["decisions"] == DECISIONS
    assert 0 < found["changed"] < DECISIONS
    assert largest_mb < MOST_MB


def run_and_measure(command: list[str]) -> float:
    """Run a command; the most memory that it or one of its processes had, in MB.

    By way of a small process, since what is started here counts this one's memory until it is its own.
    """
    between = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)"
    told = f"{between}; print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    done = subprocess.run([sys.executable, "-c", told, *command], check=True, capture_output=True, text=True)
    return float(done.stdout)


def changed_policies(path: Path) -> Path:
    """The starter policies with a term less in one policy and a term more in another."""
    text = Path("policies/starter.yaml").read_text(encoding="utf-8").replace("        - pressed pills\n", "", 1)
    place = text.index("      review:\n", text.index("code: prohibited/weapons")) + len("      review:\n")
    path.write_text(text[:place] + "        - airsoft pistol\n" + text[place:], encoding="utf-8")
    return path


def write_ledger(url: str, count: int, *, seed: int = 0) -> None:
    """So many decisions of the starter bundle in a new store: one a second, by sellers of very different size."""
    engine, draw = open_engine(url), random.Random(seed)
    migrate(engine)
    decided = list(decide(draw))
    with writing(engine) as connection:
        connection.execute(insert(users), [PERSON])
    rows = (ledger_row(number, draw, *draw.choice(decided)) for number in range(count))
    while chunk := list(islice(rows, AT_ONCE)):
        with writing(engine) as connection:
            for table in (listings, decisions, cases, reviews):
                if some := [row[table.name] for row in chunk if table.name in row]:
                    connection.execute(insert(table), some)
    engine.dispose()


PERSON = {"user_id": "u-1", "name": "mira", "role": "moderator", "password_hash": "-", "created_at": iso_utc(BEGIN)}


def decide(draw: random.Random) -> Iterator[tuple[Listing, Assessment]]:
    bundle = starter_bundle()
    assessor = Assessor(bundle, starter_policies(), ControlSample(b"k", 0.01))
    texts = [Listing(str(n), "", text(draw, 3, 10), text(draw, 10, 90), language="en") for n in range(TEXTS)]
    yield from zip(texts, assess_listings(assessor, [OnnxScorer(bundle)] * 2, texts), strict=True)


def text(draw: random.Random, fewest: int, most: int) -> str:
    words = draw.choices(" ".join(WORDS).split(), k=draw.randint(fewest, most))
    if draw.random() < 0.05:
        words.insert(draw.randrange(len(words)), draw.choice(RISKY))
    return " ".join(words)


def ledger_row(number: int, draw: random.Random, of: Listing, found: Assessment) -> dict[str, dict[str, Any]]:
    """One row of each table that a decision has a row in; two thirds of the cases are reviewed."""
    at = BEGIN + timedelta(seconds=number)
    seller, market = f"s-{int(draw.paretovariate(0.5)) % 200_000}", draw.choice(("DE", "FR", "US", None))
    listing = Listing(f"l-{number}", seller, of.title, of.description, language="en", market=market)
    decision_id, control = time_ordered_id(at), draw.random() < 0.01
    body = assessment_body(found)
    body["sampling"]["control"] = control
    row = {
        "listings": {
            "digest": listing_digest(listing),
            "listing_id": listing.listing_id,
            "seller_id": seller,
            "body": listing_body(listing),
            "received_at": iso_utc(at),
        },
        "decisions": {
            "decision_id": decision_id,
            "listing_id": listing.listing_id,
            "seller_id": seller,
            "listing_digest": listing_digest(listing),
            "decided_at": iso_utc(at),
            "outcome": str(found.outcome),
            "actor": "model",
            "model_version": found.versions.model,
            "policies_version": found.versions.policies,
            "assessment": body,
        },
    }
    if not control and found.outcome is not Outcome.REVIEW:
        return row
    case_id, reason = time_ordered_id(at), "control" if found.outcome is not Outcome.REVIEW else "uncertain"
    row["cases"] = {"case_id": case_id, "decision_id": decision_id, "reason": reason, "priority": 0.5}
    row["cases"] |= {"policy": None, "opened_at": iso_utc(at)}
    if draw.random() < 2 / 3:
        row["reviews"] = review(case_id, at, [f.policy for f in found.findings[:1] if draw.random() < 0.7])
    return row


def review(case_id: str, at: datetime, broken: list[str]) -> dict[str, Any]:
    times = {"claimed_at": iso_utc(at), "decided_at": iso_utc(at)}
    verdict = "violation" if broken else "compliant"
    return times | {
        "review_id": time_ordered_id(at),
        "case_id": case_id,
        "user_id": PERSON["user_id"],
        "verdict": verdict,
        "policies": broken,
    }
