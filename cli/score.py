"""`fairstall score`: listings in on standard input, decisions out on standard output. No server and no database."""

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, Any, BinaryIO, TypeAlias

import typer

from fairstall.cli.settings import BundleSetting, PoliciesSetting
from fairstall.model.assess import Assessor, assess_listings
from fairstall.model.bundle import open_bundle
from fairstall.model.errors import ListingError
from fairstall.model.listing import Listing
from fairstall.model.policy_file import load_policies, starter_policies
from fairstall.model.scorer import OnnxScorer, Scorer
from fairstall.model.starter_bundle import starter_bundle
from fairstall.model.wire import answer_body, json_line, parse_listing

LISTINGS_AT_ONCE = 256
MAX_LINE_BYTES = 1_000_000
SESSIONS = 2

Line: TypeAlias = Listing | ListingError


def score(
    bundle: BundleSetting = None,
    policies: PoliciesSetting = None,
    scores: Annotated[bool, typer.Option("--scores", help="Add every policy's probability.")] = False,
) -> None:
    """Read one listing a line as JSON, write one decision a line, in order.

    A line that is no listing becomes {"error": ...} in its place, and the exit status is 1 at the end.
    """
    opened = open_bundle(bundle) if bundle else starter_bundle()
    assessor = Assessor(opened, load_policies(policies) if policies else starter_policies())
    scorers: list[Scorer] = [OnnxScorer(opened) for _ in range(SESSIONS)]
    all_well = True
    lines = (_read(line) for line in _lines(sys.stdin.buffer))
    while chunk := list(islice(lines, LISTINGS_AT_ONCE)):
        for body in _answers(assessor, scorers, chunk, with_scores=scores):
            all_well = all_well and "error" not in body
            sys.stdout.write(json_line(body) + "\n")
        sys.stdout.flush()
    raise typer.Exit(0 if all_well else 1)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines of a stream; of a line that is too long only the beginning is kept."""
    while line := stream.readline(MAX_LINE_BYTES + 1):
        whole = line.endswith(b"\n") or len(line) <= MAX_LINE_BYTES
        while not whole:
            rest = stream.readline(MAX_LINE_BYTES)
            whole = rest.endswith(b"\n") or not rest
        if line.strip():
            yield line


def _read(line: bytes) -> Line:
    if len(line) > MAX_LINE_BYTES:
        return ListingError("listing", f"the line is longer than {MAX_LINE_BYTES} bytes")
    try:
        return parse_listing(line)
    except ListingError as error:
        return error


def _answers(
    assessor: Assessor, scorers: list[Scorer], lines: Iterable[Line], *, with_scores: bool
) -> Iterator[dict[str, Any]]:
    lines = list(lines)
    listings = [line for line in lines if isinstance(line, Listing)]
    assessments = iter(assess_listings(assessor, scorers, listings))
    for line in lines:
        if isinstance(line, ListingError):
            yield {"error": {"detail": str(line), "errors": [{"field": f, "problem": p} for f, p in line.problems]}}
        else:
            yield answer_body(next(assessments), listing_id=line.listing_id, with_scores=with_scores)
