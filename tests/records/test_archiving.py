"""Old months go into files and out of the database, nothing twice and nothing lost, whatever interrupts it."""

from dataclasses import replace
from datetime import UTC, datetime

import pyarrow.parquet
import pytest
from sqlalchemy import func, select, update

from fairstall.model.decide import Outcome
from fairstall.model.errors import InputError, NotFound, SetupError
from fairstall.model.wire import iso_utc
from fairstall.records import archive_deletion, archiving
from fairstall.records.archive import Archive, ArchiveDamaged
from fairstall.records.archive_erasure import ErasableArchive
from fairstall.records.archive_tables import DECISIONS, FINDINGS, REVIEWS, SCORES
from fairstall.records.archiving import Archiving, archived_months
from fairstall.records.engine import writing
from fairstall.records.erasure import Erasure
from fairstall.records.ledger import Ledger
from fairstall.records.months import ids_of, month_of, months_before
from fairstall.records.seals import seal_all
from fairstall.records.tables import (
    audit_acts,
    audit_leaves,
    blocked_prints,
    cases,
    decisions,
    deliveries,
    events,
    listings,
    reviews,
)
from fairstall.records.verification import ChainBroken, Verification
from fairstall.records.webhooks import add_endpoint

APRIL = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def archive(tmp_path) -> Archive:
    return Archive(tmp_path / "archive")


@pytest.fixture
def past(books):
    """Decisions of February and of March, some reviewed, overridden or in the queue; it is the tenth of April."""
    books.at = datetime(2026, 2, 20, tzinfo=UTC)
    old = [books.entry(seller, outcome=Outcome.APPROVE) for seller in ("ana", "ben", "ana")]
    books.february = books.decide(*old)
    [books.reviewed] = books.decide(books.entry("ana"))
    books.pass_by(days=20)
    books.review(books.reviewed, note="ana says so", outcome=Outcome.APPROVE)
    books.march = books.decide(books.entry("ben", outcome=Outcome.APPROVE))
    [books.queued] = books.decide(books.entry("ben"))
    books.at = datetime(2026, 4, 10, tzinfo=UTC)
    books.april = books.decide(books.entry("ana", outcome=Outcome.APPROVE))
    return books


def run(books, archive, before=APRIL):
    return Archiving(books.engine, archive, books.now).run(before, actor="operator:kim")


def verified(books, archive):
    return Verification(books.engine, archive.reader()).run()


def ids_in(archive, month) -> list[str]:
    return [row["decision_id"] for row in archive.rows(month, DECISIONS)]


def everywhere(books, archive) -> list[str]:
    """The ids of all decisions, in the database and in files."""
    filed = [one for month in ("2026-02", "2026-03") for one in ids_in(archive, month)]
    return sorted([*filed, *(row.decision_id for row in books.rows(decisions))])


def test_old_months_are_in_files_and_what_is_needed_stays(past, archive):
    seal_all(past.engine, past.now)
    before = everywhere(past, archive)
    written = run(past, archive)
    assert [(one.month, one.decisions, one.reviews) for one in written] == [("2026-02", 4, 1), ("2026-03", 2, 0)]
    assert [row.decision_id for row in past.rows(decisions)] == sorted([past.queued, *past.april])
    assert everywhere(past, archive) == before
    assert [row.decision_id for row in past.rows(cases)] == [past.queued]
    assert len(past.rows(listings)) == len(past.rows(events)) == 2
    assert not past.rows(reviews)
    assert archived_months(past.engine) == ["2026-02", "2026-03"]


def test_an_archived_row_has_the_values_that_the_database_had(past, archive):
    stored = {row.decision_id: row for row in past.rows(decisions)}
    bodies = {row.digest: row.body for row in past.rows(listings)}
    [note] = past.rows(reviews)
    run(past, archive)
    for row in archive.rows("2026-02", DECISIONS):
        before = stored[row["decision_id"]]._mapping
        assert {name: row[name] for name in before} == dict(before)
        assert row["listing"] == bodies[row["listing_digest"]]
    [row] = archive.rows("2026-02", REVIEWS)
    assert {name: row[name] for name in note._mapping} == dict(note._mapping)
    assert row["reviewed"] == past.reviewed


def test_a_file_from_before_there_was_a_column_is_read_and_verified(past, archive):
    run(past, archive)
    file = archive.file("2026-02", REVIEWS)
    older = pyarrow.parquet.read_table(file, partitioning=None).drop_columns(["batch_id", "decided_together"])
    pyarrow.parquet.write_table(older, file)
    [row] = archive.rows("2026-02", REVIEWS)
    assert (row["batch_id"], row["decided_together"]) == (None, None)
    assert verified(past, archive).archived == 7


def test_files_are_read_as_partitions_by_others(past, archive):
    run(past, archive)
    table = pyarrow.parquet.read_table(archive.folder / "decisions", partitioning="hive")
    assert sorted(set(table.column("month").to_pylist())) == ["2026-02", "2026-03"]
    scores = list(archive.rows("2026-02", SCORES))
    assert [(row["policy"], row["probability"]) for row in scores] == [("prohibited/wildlife", 0.5)] * 4
    found = list(archive.rows("2026-02", FINDINGS))
    assert [(row["band"], row["evidence"], row["resembles"]) for row in found] == [("medium", 2, None)] * 4


def test_the_chain_is_verified_from_the_files(past, archive):
    run(past, archive)
    found = verified(past, archive)
    assert (found.archived, found.passed_over, found.unsealed) == (7, 0, 0)
    assert Verification(past.engine).run().passed_over == 7
    acts = past.rows(audit_acts, audit_acts.c.actor == "operator:kim", audit_acts.c.kind == "archive")
    assert {"month": "2026-02", "decisions": 4, "reviews": 1} in [act.body for act in acts]


def test_an_archived_decision_is_told_from_one_that_never_was(past, archive):
    run(past, archive)
    with pytest.raises(NotFound, match=f"the decision {past.reviewed} is in the archive of 2026-02"):
        Ledger(past.engine).find(past.reviewed)


def test_running_again_changes_nothing(past, archive):
    run(past, archive)
    before = {path: path.read_bytes() for path in archive.folder.rglob("*.parquet")}
    assert run(past, archive) == []
    assert {path: path.read_bytes() for path in archive.folder.rglob("*.parquet")} == before


def test_what_had_to_stay_joins_its_month_later(past, archive):
    run(past, archive)
    early = ids_in(archive, "2026-03")
    past.review(past.queued, outcome=Outcome.BLOCK)
    past.pass_by(days=70)
    assert run(past, archive, datetime(2026, 5, 1, tzinfo=UTC))[0].month == "2026-04"
    with writing(past.engine) as connection:
        connection.execute(update(blocked_prints).values(withdrawn=True))
    written = run(past, archive, datetime(2026, 5, 1, tzinfo=UTC))
    assert [(one.month, one.decisions) for one in written] == [("2026-03", len(early) + 1), ("2026-04", 2)]
    assert set(ids_in(archive, "2026-03")) == {*early, past.queued}
    assert not past.rows(decisions)
    assert verified(past, archive).unsealed == 0


def test_a_chain_of_overrides_goes_as_a_whole_or_not_at_all(past, archive):
    run(past, archive, datetime(2026, 3, 1, tzinfo=UTC))
    assert past.reviewed in {row.decision_id for row in past.rows(decisions)}
    assert past.reviewed not in ids_in(archive, "2026-02")


def test_an_event_that_was_not_delivered_keeps_its_decision(past, archive):
    past.at = datetime(2026, 3, 20, tzinfo=UTC)
    add_endpoint(past.engine, "https://shop.example/hooks", now=past.at)
    told = past.decide(*(past.entry("cleo", outcome=Outcome.APPROVE) for _ in range(2)))
    past.at = datetime(2026, 4, 10, tzinfo=UTC)
    waiting = next(row for row in past.rows(events) if row.body["decision_id"] == told[0]).event_id
    with writing(past.engine) as connection:
        connection.execute(update(deliveries).where(deliveries.c.event_id != waiting).values(state="delivered"))
    run(past, archive)
    assert [told[0] in ids_in(archive, "2026-03"), told[1] in ids_in(archive, "2026-03")] == [False, True]
    assert [row.event_id for row in past.rows(deliveries)] == [waiting]


def test_a_block_that_is_compared_with_stays(past, archive):
    past.at = datetime(2026, 2, 21, tzinfo=UTC)
    [blocked] = past.decide(past.entry(outcome=Outcome.BLOCK))
    past.at = datetime(2026, 4, 10, tzinfo=UTC)
    run(past, archive)
    assert blocked in {row.decision_id for row in past.rows(decisions)}


def test_a_month_is_archived_two_days_after_its_end_at_the_earliest(past, archive):
    past.at = datetime(2026, 4, 2, tzinfo=UTC)
    with pytest.raises(InputError, match="not all before 2026-04 can go yet"):
        run(past, archive)


STEPS = ("stage", "publish", "act", "delete", "listings")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [0, 1])
def test_interrupted_at_any_step_and_repeated_it_loses_and_duplicates_nothing(past, archive, monkeypatch, step, after):
    monkeypatch.setattr(archiving, "DECISIONS_AT_ONCE", 1)
    monkeypatch.setattr(archive_deletion, "DECISIONS_AT_ONCE", 1)
    seal_all(past.engine, past.now)
    before = everywhere(past, archive)
    owner, name = {
        "stage": (Archive, "stage"),
        "publish": (Archive, "publish"),
        "act": (archiving, "add_act"),
        "delete": (archive_deletion, "delete_decisions"),
        "listings": (archive_deletion, "lock_listings"),
    }[step]
    real, calls = getattr(owner, name), []

    def broken(*arguments, **named):
        calls.append(name)
        if len(calls) > after:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    monkeypatch.setattr(owner, name, broken)
    with pytest.raises(KeyboardInterrupt):
        run(past, archive)
    assert {*everywhere(past, archive)} == {*before}
    assert verified(past, archive).rows
    monkeypatch.setattr(owner, name, real)
    run(past, archive)
    assert everywhere(past, archive) == before
    assert len(past.rows(listings)) == 2
    assert verified(past, archive).archived == 7


def test_a_file_that_is_not_what_was_sealed_deletes_nothing(past, archive, monkeypatch):
    seal_all(past.engine, past.now)
    with writing(past.engine) as connection:
        mine = update(decisions).where(decisions.c.decision_id == past.february[1])
        connection.execute(mine.values(outcome="block"))
    with pytest.raises(ArchiveDamaged, match=f"decision {past.february[1]} of 2026-02 is not what was sealed"):
        run(past, archive)
    assert not list(archive.folder.rglob("*.parquet"))
    assert len(past.rows(decisions)) == 8


@pytest.mark.parametrize("change", ["altered", "taken away", "added"])
def test_whoever_changes_a_file_is_found(past, archive, change):
    run(past, archive)
    rows = list(archive.rows("2026-02", DECISIONS))
    if change == "altered":
        rows[1]["outcome"] = "block"
    if change == "taken away":
        del rows[1]
    if change == "added":
        rows.insert(1, rows[1] | {"decision_id": rows[1]["decision_id"][:-1] + "x"})
    archive.stage_one("2026-02", DECISIONS, rows)
    archive.publish("2026-02", [DECISIONS])
    told = {"altered": "was altered", "taken away": "is missing", "added": "was added to the archive of 2026-02"}
    with pytest.raises(ChainBroken, match=told[change]):
        verified(past, archive)


def test_a_month_that_is_not_at_hand_is_named(past, archive, tmp_path):
    run(past, archive)
    elsewhere = Archive(tmp_path / "elsewhere")
    for ask in (
        lambda: verified(past, elsewhere),
        lambda: run(past, elsewhere),
        lambda: Erasure(past.engine, "ana", past.now, ErasableArchive(past.engine, elsewhere)).held(),
    ):
        with pytest.raises(SetupError, match=r"2026-02/decisions\.parquet is missing"):
            ask()


def erase(books, archive, seller="ana"):
    months = ErasableArchive(books.engine, archive)
    return Erasure(books.engine, seller, books.now, months).run(actor="operator:kim", reason="ticket 7")


def test_a_seller_is_erased_from_archived_months_too(past, archive):
    run(past, archive)
    erased = erase(past, archive)
    assert (erased.decisions, erased.reviews, erased.sealed) == (5, 1, 6)
    for table in (DECISIONS, REVIEWS, SCORES, FINDINGS):
        for month in ("2026-02", "2026-03"):
            assert "ana" not in str(list(archive.rows(month, table)))
    assert "ben at home" in str(list(archive.rows("2026-02", DECISIONS)))
    mine = [row for month in ("2026-02", "2026-03") for row in archive.rows(month, DECISIONS) if row["erased_at"]]
    assert {row["seller_id"] for row in mine} == {erased.pseudonym}
    assert {row["outcome"] for row in mine} == {"approve", "review"}
    found = verified(past, archive)
    assert found.erased == {iso_utc(past.at)[:10]: 6}
    assert found.unsealed == 0


def test_an_erasure_that_stops_in_the_archive_is_finished_by_the_next(past, archive, monkeypatch):
    run(past, archive)
    real, calls = Archive.publish, []

    def broken(self, *arguments):
        if len(calls) > 1:
            raise KeyboardInterrupt
        calls.append(arguments)
        return real(self, *arguments)

    monkeypatch.setattr(Archive, "publish", broken)
    with pytest.raises(KeyboardInterrupt):
        erase(past, archive)
    assert verified(past, archive).rows
    monkeypatch.setattr(Archive, "publish", real)
    assert erase(past, archive).decisions == 5
    assert "ana" not in str([list(archive.rows(month, DECISIONS)) for month in ("2026-02", "2026-03")])
    assert verified(past, archive).unsealed == 0


def test_what_was_erased_is_archived_two_days_later(past, archive):
    erase(past, archive)
    run(past, archive)
    assert not [row for row in archive.rows("2026-02", DECISIONS) if row["erased_at"]]
    past.pass_by(days=3)
    run(past, archive)
    assert len([row for row in archive.rows("2026-02", DECISIONS) if row["erased_at"]]) == 3
    assert verified(past, archive).erased == {"2026-04-10": 6}


def test_decisions_are_stored_while_a_month_is_archived(past, archive, monkeypatch):
    """The same listing as one that goes: its text must not be taken away from the new decision."""
    old, drop, stored = Ledger(past.engine).listing_of(past.february[0]), archiving.drop_listings, []

    def dropping(engine):
        entry = past.entry("ana", outcome=Outcome.APPROVE)
        decision = replace(entry.decision, listing_id=old.listing_id)
        stored.extend(past.decide(replace(entry, listing=old, decision=decision)))
        drop(engine)

    monkeypatch.setattr(archiving, "drop_listings", dropping)
    run(past, archive)
    assert Ledger(past.engine).listing_of(stored[0]) == old


def test_a_decision_whose_review_is_not_in_the_files_stays(past, archive, monkeypatch):
    monkeypatch.setattr(Archiving, "_reviews", lambda *_arguments: iter(()))
    run(past, archive)
    assert past.reviewed in ids_in(archive, "2026-02")
    assert past.reviewed in {row.decision_id for row in past.rows(decisions)}
    monkeypatch.undo()
    run(past, archive)
    assert past.reviewed not in {row.decision_id for row in past.rows(decisions)}
    assert verified(past, archive).archived == 7


def test_a_month_that_somebody_made_up_is_found(past, archive):
    run(past, archive)
    rows = [row | {"decision_id": row["decision_id"][:-1] + "x"} for row in archive.rows("2026-02", DECISIONS)]
    archive.stage("2025-01", rows, [])
    archive.publish("2025-01")
    with pytest.raises(ChainBroken, match="was added to the archive of 2025-01"):
        verified(past, archive)


def test_months_are_counted_across_years():
    january = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert months_before(january, 0) == datetime(2026, 1, 1, tzinfo=UTC)
    assert months_before(january, 13) == datetime(2024, 12, 1, tzinfo=UTC)
    assert months_before(datetime(2025, 12, 31, tzinfo=UTC), -1) == datetime(2026, 1, 1, tzinfo=UTC)


def test_an_id_belongs_to_the_month_that_it_was_made_in():
    first, after = ids_of("2025-12")
    assert (month_of(first), month_of(after)) == ("2025-12", "2026-01")
    with pytest.raises(InputError, match="'12/2025' is no month"):
        ids_of("12/2025")


def test_leaves_say_where_a_row_is(past, archive):
    run(past, archive)
    query = select(audit_leaves.c.archived, func.count()).group_by(audit_leaves.c.archived)
    with past.engine.connect() as connection:
        assert dict(connection.execute(query).all()) == {None: 4, "2026-02": 5, "2026-03": 2}
