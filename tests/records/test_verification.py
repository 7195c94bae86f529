"""Whoever alters, deletes or adds a single row behind the ledger's back is found, on both databases."""

import copy
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, delete, insert, select, text, update

from fairstall.model.decide import Outcome
from fairstall.model.wire import iso_utc
from fairstall.records import verification as module
from fairstall.records.engine import writing
from fairstall.records.seals import add_act, head, seal_all
from fairstall.records.tables import audit_acts, audit_leaves, audit_seals, cases, decisions, listings, reviews
from fairstall.records.verification import ChainBroken, Verification


@pytest.fixture
def sealed(books):
    """Two seals: a decision that was reviewed and overridden, an act, and another decision."""
    [first] = books.decide(books.entry())
    books.review(first, note="She told me so.", outcome=Outcome.BLOCK)
    with writing(books.engine) as connection:
        add_act(connection, "late_seal", "operator:kim", {"reason": "to have one"}, books.at)
    seal_all(books.engine, books.now)
    books.pass_by(hours=1)
    books.decide(books.entry("ben", outcome=Outcome.APPROVE))
    seal_all(books.engine, books.now)
    return books


@contextmanager
def tampering(books):
    """A connection of somebody who needs to ask neither Fairstall nor the constraints of the database."""
    engine = create_engine(books.engine.url)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield connection
    engine.dispose()


def other(value, name):
    """Another value of the same kind."""
    if name == "outcome":
        return "approve" if value == "block" else "block"
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 100
    if isinstance(value, bytes):
        return value[::-1]
    if isinstance(value, dict):
        return {**value, "more": 1}
    if isinstance(value, list):
        return [*value, "more"]
    return ("0" if value[0] != "0" else "1") + value[1:] if value else "0"


def key_of(table, row):
    return [column == row._mapping[column.name] for column in table.primary_key.columns]


def refused(books, match=None) -> str:
    with pytest.raises(ChainBroken, match=match) as error:
        Verification(books.engine).run()
    return str(error.value)


def test_what_nobody_touched_is_as_it_was_sealed(sealed):
    found = Verification(sealed.engine).run()
    assert (found.seals, found.rows, found.unsealed, found.erased) == (2, 5, 0, {})
    assert found.head == head(sealed.engine)


def test_rows_younger_than_the_last_seal_are_counted(sealed):
    sealed.decide(sealed.entry(), sealed.entry())
    assert Verification(sealed.engine).run().unsealed == 2


@pytest.mark.parametrize("table", [decisions, reviews, audit_acts, audit_leaves, audit_seals], ids=lambda one: one.name)
def test_any_value_of_any_row_that_is_altered_is_found(sealed, table):
    free = {"kind"} if table is audit_acts or table is audit_leaves else {"verdict"}  # the database has few words here
    free |= {"batch_id", "decided_together"}  # how a review came about is not sealed
    for row in sealed.rows(table):
        for column in table.columns:
            if column.name in free | {"erased_by", "archived"} or (table is audit_seals and column.name == "number"):
                continue
            value = row._mapping[column.name]
            with tampering(sealed) as connection:
                new = {column.name: other(value, column.name)}
                connection.execute(update(table).where(*key_of(table, row)).values(new))
            assert refused(sealed), column.name
            with tampering(sealed) as connection:
                changed = [
                    c == (new[c.name] if c.name in new else row._mapping[c.name]) for c in table.primary_key.columns
                ]
                connection.execute(update(table).where(*changed).values({column.name: value}))
    assert Verification(sealed.engine).run().rows == 5


@pytest.mark.parametrize("table", [decisions, reviews, audit_acts, audit_leaves, audit_seals], ids=lambda one: one.name)
def test_any_row_that_is_taken_away_is_found(sealed, table):
    for row in sealed.rows(table)[: None if table is not audit_seals else 1]:
        with tampering(sealed) as connection:
            connection.execute(delete(table).where(*key_of(table, row)))
        assert refused(sealed)
        with tampering(sealed) as connection:
            connection.execute(insert(table), [dict(row._mapping)])
    assert Verification(sealed.engine).run().rows == 5


@pytest.mark.parametrize("table", [decisions, reviews, audit_acts], ids=lambda one: one.name)
def test_a_row_that_is_added_to_what_was_sealed_is_found(sealed, table):
    sealed.pass_by(hours=1)
    sealed.decide(sealed.entry())
    seal_all(sealed.engine, sealed.now)
    row = dict(sealed.rows(table)[0]._mapping)
    key = next(iter(table.primary_key.columns)).name
    row |= {key: other(row[key][::-1], key)[::-1]} | ({"overrides": None} if table is decisions else {})
    with tampering(sealed) as connection:
        connection.execute(insert(table), [row])
    assert row[key] in refused(sealed, "was added")


def test_what_is_added_to_the_leaves_is_found(sealed):
    row = dict(sealed.rows(audit_leaves)[0]._mapping)
    with tampering(sealed) as connection:
        connection.execute(insert(audit_leaves), [row | {"position": 9, "row_id": "x"}])
    refused(sealed, "leaves of seal 1 were added or taken away")


def test_the_row_is_named(sealed):
    row = sealed.rows(decisions)[0]
    with tampering(sealed) as connection:
        connection.execute(
            update(decisions).where(decisions.c.decision_id == row.decision_id).values(outcome="approve")
        )
    assert refused(sealed) == f"decision {row.decision_id} in seal 1 was altered"


@pytest.mark.parametrize("part", ["text", "score", "seller"])
def test_evidence_scores_and_seller_are_held_too(sealed, part):
    row = sealed.rows(decisions)[0]
    changed = copy.deepcopy(row.assessment)
    if part == "text":
        changed["findings"][0]["evidence"][0]["text"] = "Resin"
    if part == "score":
        changed["scores"] = {name: score / 2 for name, score in changed["scores"].items()}
    values = {"assessment": changed} | ({"seller_id": "ben"} if part == "seller" else {})
    with tampering(sealed) as connection:
        connection.execute(update(decisions).where(decisions.c.decision_id == row.decision_id).values(values))
    assert ("seller, listing or text" in refused(sealed)) == (part != "score")


def test_the_text_of_a_listing_is_held_too(sealed):
    row = sealed.rows(listings)[0]
    with tampering(sealed) as connection:
        connection.execute(
            update(listings).where(listings.c.digest == row.digest).values(body={**row.body, "title": ""})
        )
    refused(sealed, "the listing of decision")


def test_a_review_cannot_be_moved_to_another_decision(sealed):
    stranger = sealed.rows(decisions)[-1].decision_id
    with tampering(sealed) as connection:
        connection.execute(update(cases).values(decision_id=stranger))
    refused(sealed, "review .* was altered")


def test_a_row_is_not_erased_by_saying_so(sealed):
    row = sealed.rows(decisions)[0]
    with tampering(sealed) as connection:
        connection.execute(
            update(audit_leaves).where(audit_leaves.c.row_id == row.decision_id).values(erased_by="x", salt=None)
        )
        connection.execute(
            update(decisions).where(decisions.c.decision_id == row.decision_id).values(seller_id="erased-x")
        )
    refused(sealed, "1 rows are marked as erased by act x, which has no")


def test_seals_that_were_cut_off_are_found_by_an_anchor_kept_elsewhere(sealed):
    anchor = head(sealed.engine).hash
    assert Verification(sealed.engine).run(anchor=anchor).seals == 2
    last = sealed.rows(decisions)[-1]
    with tampering(sealed) as connection:
        connection.execute(delete(decisions).where(decisions.c.decision_id == last.decision_id))
        connection.execute(delete(audit_leaves).where(audit_leaves.c.seal == 2))
        connection.execute(delete(audit_seals).where(audit_seals.c.number == 2))
    assert Verification(sealed.engine).run().seals == 1
    with pytest.raises(ChainBroken, match=f"the head {anchor} is not in the chain"):
        Verification(sealed.engine).run(anchor=anchor)


def test_the_latest_seals_alone_can_be_verified(sealed):
    with tampering(sealed) as connection:
        first = select(audit_leaves.c.row_id).where(audit_leaves.c.seal == 1, audit_leaves.c.kind == "decision")
        connection.execute(update(decisions).where(decisions.c.decision_id.in_(first)).values(actor="user:x"))
    since = sealed.at - timedelta(minutes=1)
    assert Verification(sealed.engine).run(since=since).seals == 1
    refused(sealed)
    assert Verification(sealed.engine).run(since=sealed.at + timedelta(days=1)).seals == 0


def test_pages_of_any_size_are_gone_through(sealed, monkeypatch):
    told = []
    for size in (1, 2, 5, 100):
        monkeypatch.setattr(module, "ROWS_A_SEAL", size)
        assert Verification(sealed.engine, advance=told.append).run().rows == 5
    assert told == [4, 1] * 4


def test_an_empty_store_is_as_it_was(books):
    found = Verification(books.engine).run()
    assert (found.head, found.seals, found.unsealed) == (None, 0, 0)
    books.decide(books.entry())
    assert Verification(books.engine).run().unsealed == 1


def test_a_seal_knows_its_time(sealed):
    assert [row.made_at for row in sealed.rows(audit_seals)][1] == iso_utc(sealed.at)
