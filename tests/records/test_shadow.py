"""What a shadow would have decided: counted, and kept where it disagrees; the same on SQLite and on PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fairstall.model.decide import Band, Finding, Outcome, Source
from fairstall.model.decision import Assessment, Decision, Sampling, Versions
from fairstall.model.errors import NotFound
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.records import shadow as shadow_module
from fairstall.records.ledger import Ledger, LedgerEntry
from fairstall.records.shadow import (
    Comparison,
    disagreements,
    latest_shadow,
    moved_bands,
    pair_counts,
    record_comparisons,
)

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
DRUGS, WEAPONS = "prohibited/drugs", "prohibited/weapons"


def a_finding(policy: str, band: Band) -> Finding:
    return Finding(policy, 0.5, band, Source.MODEL, (), "Not allowed.")


def an_assessment(model: str, outcome: Outcome, *findings: Finding) -> Assessment:
    return Assessment(outcome, findings, (), {DRUGS: 0.5}, {}, Sampling(False, 1.0), Versions(model, "p-1"))


APPROVED, BLOCKED = an_assessment("m-1", Outcome.APPROVE), an_assessment("m-1", Outcome.BLOCK)
REVIEWED = an_assessment("m-1", Outcome.REVIEW, a_finding(DRUGS, Band.MEDIUM))


@pytest.fixture
def decided(engine):
    """A factory of comparisons whose decisions are stored: `decided(answered, shadow, seconds)`."""

    def make(answered: Assessment, shadow: Assessment, seconds: int = 0) -> Comparison:
        at = NOW + timedelta(seconds=seconds)
        decision = Decision(time_ordered_id(at), "l-1", "s-1", at, answered)
        Ledger(engine).append([LedgerEntry(Listing("l-1", "s-1", "Chair", f"number {seconds}"), decision)])
        return Comparison(decision, replace(shadow, versions=Versions("s-2", "p-1")), at)

    return make


def test_pairs_of_outcomes_are_counted_over_many_transactions(engine, decided):
    record_comparisons(engine, [decided(APPROVED, APPROVED), decided(APPROVED, BLOCKED), decided(BLOCKED, BLOCKED)])
    record_comparisons(engine, [decided(APPROVED, APPROVED, 60)])
    record_comparisons(engine, [])
    counted = pair_counts(engine, "s-2")
    assert [(str(one.before), str(one.after), one.compared, one.disagreed) for one in counted] == [
        ("approve", "approve", 2, 0),
        ("approve", "block", 1, 1),
        ("block", "block", 1, 0),
    ]
    assert (counted[0].first_at, counted[0].last_at) == (NOW, NOW + timedelta(seconds=60))
    assert pair_counts(engine, "another") == []


def test_counts_are_apart_for_each_bundle_that_answered(engine, decided):
    promoted = replace(APPROVED, versions=Versions("m-2", "p-1"))
    record_comparisons(engine, [decided(APPROVED, APPROVED), decided(promoted, APPROVED)])
    assert [(one.model_version, one.compared) for one in pair_counts(engine, "s-2")] == [("m-1", 1), ("m-2", 1)]


def test_a_disagreement_is_kept_with_all_that_the_shadow_said(engine, decided, monkeypatch):
    monkeypatch.setattr(shadow_module, "ROWS_AT_ONCE", 2)
    pairs = [(APPROVED, REVIEWED), (REVIEWED, REVIEWED), (BLOCKED, APPROVED), (APPROVED, BLOCKED), (REVIEWED, BLOCKED)]
    made = [decided(*pair, seconds) for seconds, pair in enumerate(pairs)]
    record_comparisons(engine, made)
    found = list(disagreements(engine, "s-2", "m-1"))
    differing = [one for one in reversed(made) if not one.agrees]
    assert [one.decision_id for one in found] == [one.decision.decision_id for one in differing]
    assert not list(disagreements(engine, "s-2", "m-2"))
    assert [(one.before, one.after) for one in found] == [(one.decision.assessment, one.shadow) for one in differing]


def test_a_comparison_that_comes_twice_is_kept_once(engine, decided):
    one = decided(APPROVED, BLOCKED)
    record_comparisons(engine, [one])
    record_comparisons(engine, [one])
    assert len(list(disagreements(engine, "s-2", "m-1"))) == 1


def test_another_band_is_a_disagreement_even_with_the_same_outcome():
    other = an_assessment("s-2", Outcome.REVIEW, a_finding(WEAPONS, Band.MEDIUM), a_finding(DRUGS, Band.HIGH))
    assert moved_bands(REVIEWED, other) == {
        DRUGS: (Band.MEDIUM, Band.HIGH),
        WEAPONS: (Band.LOW, Band.MEDIUM),
    }
    decision = Decision("d", "l", "s", NOW, REVIEWED)
    assert not Comparison(decision, other, NOW).agrees
    assert Comparison(decision, REVIEWED, NOW).agrees


def test_a_finding_of_a_rule_alone_is_no_other_band():
    by_rule = an_assessment("m-1", Outcome.REVIEW, Finding(DRUGS, 0.01, Band.LOW, Source.RULE, (), ""))
    assert moved_bands(by_rule, an_assessment("s-2", Outcome.REVIEW)) == {}


def test_the_shadow_that_was_compared_last_is_found(engine, decided):
    with pytest.raises(NotFound, match="fairstall shadow set"):
        latest_shadow(engine)
    record_comparisons(engine, [decided(APPROVED, BLOCKED, 5)])
    older = decided(APPROVED, APPROVED)
    record_comparisons(engine, [replace(older, shadow=replace(APPROVED, versions=Versions("s-1", "p-1")))])
    assert latest_shadow(engine) == "s-2"
