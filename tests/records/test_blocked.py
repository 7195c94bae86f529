"""Fingerprints of blocked listings are kept with the decision and withdrawn with it, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from fairstall.model.decide import Band, Finding, Outcome, Source
from fairstall.model.decision import Assessment, Decision, Sampling, Versions
from fairstall.model.fingerprint import fingerprint
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.model.view import view_listing
from fairstall.model.wire import iso_utc
from fairstall.records.blocked import BlockedPrints
from fairstall.records.blocked_rebuild import ROWS_AT_ONCE, rebuild_prints
from fairstall.records.engine import reading, writing
from fairstall.records.ledger import Ledger, LedgerEntry
from fairstall.records.tables import blocked_prints

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LISTING = Listing("l-1", "s-1", "Old carved ivory figure", "From the estate of my grandfather, with a small crack.")
PRINT = fingerprint(view_listing(LISTING))
DRUGS, IVORY, FUR = "prohibited/drugs", "prohibited/wildlife", "prohibited/fur"


def finding(code: str, band: Band = Band.LOW, source: Source = Source.RULE) -> Finding:
    return Finding(code, None, band, source, (), "No.")


def an_entry(seconds: int = 0, outcome: Outcome = Outcome.BLOCK, *findings: Finding) -> LedgerEntry:
    at = NOW + timedelta(seconds=seconds)
    found = findings or (finding(IVORY),)
    assessment = Assessment(outcome, found, (), {}, {}, Sampling(False, 1.0), Versions("m-1", "p-1"))
    return LedgerEntry(LISTING, Decision(time_ordered_id(at), "l-1", "s-1", at, assessment), fingerprint=PRINT)


def stand(engine) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.decision_id, one.policies) for one in BlockedPrints(engine).newest(1_000)]


def overturn(engine, decision_id: str, outcome: Outcome, seconds: int, policies=()) -> str:
    with writing(engine) as connection:
        at = NOW + timedelta(seconds=seconds)
        return Ledger.override(connection, decision_id, outcome, "user:mara", at, policies).decision_id


@pytest.mark.parametrize(
    ("findings", "policies"),
    [
        ((finding(IVORY), finding(FUR)), (IVORY, FUR)),
        ((finding(DRUGS, Band.HIGH, Source.MODEL), finding(IVORY, Band.MEDIUM, Source.MODEL)), (DRUGS,)),
        ((finding(IVORY, Band.MEDIUM, Source.MODEL), finding(FUR)), (FUR,)),
    ],
)
def test_a_block_is_kept_for_the_policies_that_blocked(engine, findings, policies):
    entry = an_entry(0, Outcome.BLOCK, *findings)
    Ledger(engine).append([entry])
    [kept] = BlockedPrints(engine).newest(10)
    assert (kept.decision_id, kept.policies, kept.fingerprint) == (entry.decision.decision_id, policies, PRINT)


@pytest.mark.parametrize("outcome", [Outcome.APPROVE, Outcome.REVIEW])
def test_nothing_is_kept_of_another_outcome(engine, outcome):
    Ledger(engine).append([an_entry(0, outcome)])
    Ledger(engine).append([replace(an_entry(1), fingerprint=None)])
    assert stand(engine) == []


def test_a_persons_block_is_kept_for_the_policies_that_he_named(engine):
    entry = an_entry(0, Outcome.REVIEW)
    Ledger(engine).append([entry])
    new = overturn(engine, entry.decision.decision_id, Outcome.BLOCK, 5, (FUR,))
    assert stand(engine) == [(new, (FUR,))]
    assert BlockedPrints(engine).newest(1)[0].fingerprint == PRINT


def test_an_overturned_block_no_longer_stands_and_a_restored_one_does_for_what_it_was(engine):
    entry = an_entry(0, Outcome.REVIEW)
    Ledger(engine).append([entry])
    first = overturn(engine, entry.decision.decision_id, Outcome.BLOCK, 5, (FUR,))
    lifted = overturn(engine, first, Outcome.APPROVE, 10)
    assert stand(engine) == []
    restored = overturn(engine, lifted, Outcome.BLOCK, 15)
    assert stand(engine) == [(restored, (FUR,))]


def test_changes_are_read_from_a_moment_on_withdrawals_among_them(engine):
    entries = [an_entry(0), an_entry(30)]
    Ledger(engine).append(entries)
    prints, first = BlockedPrints(engine), entries[0].decision.decision_id
    overturn(engine, first, Outcome.APPROVE, 60)
    since = iso_utc(NOW + timedelta(seconds=30))
    changes = [(one.decision_id, one.withdrawn) for one in prints.changed_since(since)]
    assert changes == [(entries[1].decision.decision_id, False), (first, True)]
    assert prints.last_change() == iso_utc(NOW + timedelta(seconds=60))


def test_the_newest_come_oldest_first_and_other_versions_not_at_all(engine):
    entries = [an_entry(number) for number in range(4)]
    Ledger(engine).append(entries)
    ids = [entry.decision.decision_id for entry in entries]
    assert [decision_id for decision_id, _ in stand(engine)] == ids
    assert [one.decision_id for one in BlockedPrints(engine).newest(2)] == ids[2:]
    with writing(engine) as connection:
        connection.execute(update(blocked_prints).where(blocked_prints.c.decision_id == ids[3]).values(version=0))
    assert [one.decision_id for one in BlockedPrints(engine).newest(2)] == ids[1:3]


def test_a_transaction_that_fails_keeps_no_fingerprint(engine):
    entry = an_entry()
    with pytest.raises(Exception, match=r"UNIQUE|unique"):
        Ledger(engine).append([entry, entry])
    with reading(engine) as connection:
        assert connection.execute(select(blocked_prints)).all() == []
    assert BlockedPrints(engine).last_change() is None


def test_blocks_without_a_fingerprint_get_one_and_those_that_do_not_stand_or_are_too_short_none(engine):
    entries = [replace(an_entry(number), fingerprint=None) for number in range(ROWS_AT_ONCE + 2)]
    review, short = an_entry(200, Outcome.REVIEW), an_entry(300)
    short = replace(short, listing=Listing("l-9", "s-1", "Ivory", ""), fingerprint=None)
    Ledger(engine).append([*entries, review, short])
    ids = [entry.decision.decision_id for entry in entries]
    overturn(engine, ids[0], Outcome.APPROVE, 400)
    person = overturn(engine, review.decision.decision_id, Outcome.BLOCK, 500, (FUR,))
    with writing(engine) as connection:
        connection.execute(update(blocked_prints).values(version=0))
    steps = list(rebuild_prints(engine, lambda: NOW + timedelta(days=1)))
    assert (sum(step.looked_at for step in steps), sum(step.made for step in steps)) == (
        ROWS_AT_ONCE + 3,
        ROWS_AT_ONCE + 2,
    )
    assert set(stand(engine)) == {*((one, (IVORY,)) for one in ids[1:]), (person, (FUR,))}
    assert [step.made for step in rebuild_prints(engine, lambda: NOW)] == [0, 0]
