"""`fairstall audit` and `fairstall erase`, as somebody runs them who has to answer for the ledger."""

import re
import sys
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from fairstall.cli.main import app
from fairstall.model.decide import Outcome
from fairstall.model.decision import Assessment, Decision, Sampling, Versions
from fairstall.model.errors import InputError, MissingExtra, NotFound
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.records.engine import open_engine, writing
from fairstall.records.ledger import Ledger, LedgerEntry
from fairstall.records.schema import migrate
from fairstall.records.verification import ChainBroken


@pytest.fixture
def engine(tmp_path):
    """The store of a home folder, with two decisions of one seller and one of another."""
    opened = open_engine(f"sqlite:///{tmp_path / 'fairstall.sqlite'}")
    migrate(opened)
    for number, seller in enumerate(("ana", "ana", "ben")):
        at = datetime.now(UTC)
        assessment = Assessment(Outcome.APPROVE, (), (), {}, {}, Sampling(False, 0.0), Versions("m-1", "p-1"))
        listing = Listing(f"l-{number}", seller, f"A chair of {seller}", "As new.")
        decision = Decision(time_ordered_id(at), listing.listing_id, seller, at, assessment)
        Ledger(opened).append([LedgerEntry(listing, decision)])
    yield opened
    opened.dispose()


@pytest.fixture
def run(engine, tmp_path):
    """Run a command; what it printed. Its errors are raised."""

    def fairstall(*words: str) -> str:
        done = CliRunner().invoke(app, [*words, "--home", str(tmp_path)], catch_exceptions=False, standalone_mode=False)
        if done.exception:
            raise done.exception
        return done.stdout

    return fairstall


def test_what_is_sealed_is_verified_against_a_head_that_was_kept(run):
    assert run("audit", "seal") == "3 rows sealed\n"
    head = run("audit", "head")
    kept, number, made_at = head.strip().split("\t")
    assert (number, made_at[-1]) == ("1", "Z")
    told = run("audit", "verify", "--head", kept).splitlines()
    assert told == ["3 rows in 1 seal are as they were sealed; 0 wait for a seal", f"head {kept}"]
    assert run("audit", "verify", "--since", "2030-01-01").startswith("0 rows in 0 seals")


def test_what_was_altered_is_named(run, engine):
    run("audit", "seal")
    with writing(engine) as connection:
        connection.execute(text("UPDATE decisions SET outcome = 'block' WHERE seller_id = 'ben'"))
    with pytest.raises(ChainBroken, match=r"decision [0-9a-f-]{36} in seal 1 was altered"):
        run("audit", "verify")


def test_nothing_sealed_is_no_error_but_has_no_head(run):
    assert run("audit", "verify") == "nothing is sealed yet; 3 rows wait for a seal\n"
    with pytest.raises(NotFound, match="nothing is sealed yet"):
        run("audit", "head")


def test_one_is_told_of_in_the_singular(run):
    assert run("erase", "--seller", "ben", "--dry-run").startswith("1 decision on 1 text, 0 notes")
    assert run("erase", "--seller", "ben", "--reason", "ticket 8").startswith("1 decision and 0 notes erased")
    assert f"\n1 of them was erased on {datetime.now(UTC):%Y-%m-%d}\n" in run("audit", "verify")


def test_a_late_seal_keeps_its_reason(run):
    run("audit", "seal")
    assert run("audit", "seal", "--late", "a clock stood wrong") == "1 row sealed\n"


def test_a_seller_is_counted_then_erased_and_the_chain_says_when(run):
    assert run("erase", "--seller", "ana", "--dry-run") == (
        "2 decisions on 2 texts, 0 notes, 0 open cases; 0 archived decisions\n"
    )
    told = run("erase", "--seller", "ana", "--reason", "ticket 7")
    assert re.fullmatch(r"2 decisions and 0 notes erased; the seller is erased-[0-9a-f]{32} now\n", told)
    assert f"2 of them were erased on {datetime.now(UTC):%Y-%m-%d}" in run("audit", "verify")
    with pytest.raises(NotFound, match="nothing is stored of the seller 'ana'"):
        run("erase", "--seller", "ana", "--reason", "ticket 7")


def test_months_to_archive_have_to_be_named_or_kept(run):
    with pytest.raises(InputError, match="--before 2026-01, or --keep-months"):
        run("archive")
    with pytest.raises(InputError, match="'January' is no month"):
        run("archive", "--before", "January")
    assert run("archive", "--keep-months", "3") == run("archive", "--before", "2020-01") == ""


def test_archiving_without_its_extra_names_it(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pip install 'fairstall\[archive\]'"):
        run("archive", "--before", "2020-01")
    assert run("audit", "verify").startswith("nothing is sealed yet")


def test_an_erasure_without_a_reason_is_refused(run):
    with pytest.raises(InputError, match="needs a --reason"):
        run("erase", "--seller", "ana")
