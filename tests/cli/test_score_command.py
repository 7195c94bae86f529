import json
import subprocess
import sys
from typing import Any

import pytest

from fairstall.model.bundle import Bundle


def run_score(bundle: Bundle, lines: bytes, *flags: str) -> tuple[list[dict[str, Any]], int, str]:
    command = [sys.executable, "-m", "fairstall.cli.main", "score", "--bundle", str(bundle.folder), *flags]
    done = subprocess.run(command, input=lines, capture_output=True, check=False, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode, done.stderr.decode()


def line(listing_id: str, title: str, description: str = "") -> bytes:
    body = {"listing_id": listing_id, "seller_id": "s", "title": title, "description": description}
    return json.dumps(body).encode() + b"\n"


def test_decisions_come_out_in_the_order_of_the_listings(tiny_bundle: Bundle) -> None:
    titles = ["Oak table", "cocaine heroin mdma", "book " * 150]
    bodies, status, _ = run_score(tiny_bundle, b"".join(line(str(n), t) for n, t in enumerate(titles)))
    assert [body["listing_id"] for body in bodies] == ["0", "1", "2"]
    assert [body["outcome"] for body in bodies[:2]] == ["approve", "block"]
    assert status == 0


def test_a_bad_line_becomes_an_error_in_its_place_and_the_status_is_1(tiny_bundle: Bundle) -> None:
    lines = line("0", "Oak table") + b"{broken\n" + b'{"listing_id": "2"}\n' + b"\xff\xfe\n" + line("4", "Chair")
    bodies, status, _ = run_score(tiny_bundle, lines)
    assert ["error" in body for body in bodies] == [False, True, True, True, False]
    assert {problem["field"] for problem in bodies[2]["error"]["errors"]} == {"seller_id", "title", "description"}
    assert status == 1


def test_a_line_of_two_megabytes_is_refused_without_losing_the_next(tiny_bundle: Bundle) -> None:
    bodies, status, _ = run_score(tiny_bundle, line("0", "x" * 2_000_000) + line("1", "Chair"))
    assert "longer than" in bodies[0]["error"]["detail"]
    assert (bodies[1]["outcome"], status) == ("approve", 1)


@pytest.mark.parametrize("last", [b"", b"\n", b"\n\n"])
def test_blank_lines_and_a_missing_newline_at_the_end_are_no_listings(tiny_bundle: Bundle, last: bytes) -> None:
    bodies, status, _ = run_score(tiny_bundle, line("0", "Chair").rstrip() + last)
    assert (len(bodies), status) == (1, 0)


def test_scores_adds_the_probability_of_every_policy_that_the_model_scores(tiny_bundle: Bundle) -> None:
    bodies, _, _ = run_score(tiny_bundle, line("0", "heroin"), "--scores")
    assert set(bodies[0]["scores"]) == set(tiny_bundle.facts.labels)


def test_a_missing_bundle_ends_in_one_line_without_a_traceback(tiny_bundle: Bundle) -> None:
    command = [sys.executable, "-m", "fairstall.cli.main", "score", "--bundle", "/nowhere"]
    done = subprocess.run(command, input=b"", capture_output=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.decode() == "fairstall: /nowhere is no bundle: bundle.json is missing\n"
