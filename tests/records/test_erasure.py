"""A seller's data go wherever they lie, statistics stay, and the chain tells erased from altered."""

import json
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from fairstall.model.decide import Outcome
from fairstall.model.errors import NotFound
from fairstall.model.wire import assessment_body, iso_utc
from fairstall.records import erasure as module
from fairstall.records.blocked import BlockedPrints
from fairstall.records.blocked_rebuild import rebuild_prints
from fairstall.records.engine import PATIENT_S, open_engine, reading, writing
from fairstall.records.erasure import Erasure
from fairstall.records.history import History, Span
from fairstall.records.idempotency import KeyedAnswer
from fairstall.records.keys import Scope, create_key
from fairstall.records.ledger import Ledger, Submission
from fairstall.records.seals import seal_all
from fairstall.records.shadow import Comparison, record_comparisons
from fairstall.records.tables import (
    audit_acts,
    audit_leaves,
    blocked_prints,
    cases,
    decisions,
    deliveries,
    erasures,
    events,
    idempotency_keys,
    listings,
    metadata,
    reviews,
    shadow_disagreements,
)
from fairstall.records.verification import ChainBroken, Verification
from fairstall.records.webhooks import add_endpoint

SELLER = "anabel-quist"


@pytest.fixture
def past(books):
    """The seller in every table: blocked, reviewed with a note, in the queue, with an answer, an event and a shadow."""
    add_endpoint(books.engine, "https://shop.example/hooks", now=books.at)
    shop = create_key(books.engine, "shop", Scope.SCORE, now=books.at).key_id
    blocked, queued = books.entry(SELLER, outcome=Outcome.BLOCK), books.entry(SELLER)
    reviewed, other = books.entry(SELLER, market="Quist & Co"), books.entry("ben")
    for number, entry in enumerate((blocked, queued, reviewed, other)):
        answer = json.dumps(
            {"decision_id": entry.decision.decision_id, "seller": entry.listing.seller_id}
            | assessment_body(entry.decision.assessment)
        )
        kept = KeyedAnswer(shop, f"k-{number}", "d" * 64, answer.encode(), books.at)
        Ledger(books.engine).submit([Submission((entry,), kept)])
    books.review(reviewed.decision.decision_id, note=f"{SELLER} says so", outcome=Outcome.APPROVE)
    books.review(other.decision.decision_id, note="Ben says so")
    record_comparisons(books.engine, [a_comparison(queued, books.at), a_comparison(other, books.at)])
    return books


def a_comparison(entry, at) -> Comparison:
    """With a shadow that would have blocked for the same evidence."""
    return Comparison(entry.decision, replace(entry.decision.assessment, outcome=Outcome.BLOCK), at)


def erase(books, seller=SELLER, **options):
    return Erasure(books.engine, seller, books.now, **options).run(actor="operator:kim", reason="ticket 7")


def told(books, word: str) -> list[str]:
    """The tables in which a word stands."""

    def says(value) -> bool:
        return word in (value.decode("latin-1") if isinstance(value, bytes) else str(value))

    with reading(books.engine) as connection:
        return [
            table.name
            for table in metadata.sorted_tables
            if any(says(value) for row in connection.execute(select(table)) for value in row)
        ]


def test_the_seller_is_in_many_tables_before(past):
    tables = {"listings", "decisions", "reviews", "shadow_disagreements", "idempotency_keys"}
    assert set(told(past, SELLER)) == tables
    assert {"events", "blocked_prints"} < set(told(past, "l-1"))


def test_nothing_of_the_seller_is_left_in_any_table(past):
    mine = past.rows(listings, listings.c.seller_id == SELLER)
    secrets = [
        SELLER,
        *(row.digest for row in mine),
        *(row.listing_id for row in mine),
        "Quist & Co",
        "Ivory figure number 2",
    ]
    seal_all(past.engine, past.now)
    erase(past)
    assert [told(past, secret) for secret in secrets] == [[]] * len(secrets)
    assert told(past, "ben at home") == ["listings"]


def test_nothing_is_left_in_the_files_of_the_database_either(past):
    if past.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL keeps its own house")
    seal_all(past.engine, past.now)
    erase(past)
    path = past.engine.url.database
    with open(path, "rb") as file, open(f"{path}-wal", "rb") as log:
        assert SELLER.encode() not in file.read() + log.read()


def test_outcomes_scores_versions_and_times_stay(past):
    before = past.rows(decisions)
    erase(past)
    after = past.rows(decisions)
    for name in ("decision_id", "decided_at", "outcome", "actor", "model_version", "policies_version", "overrides"):
        assert [getattr(row, name) for row in after] == [getattr(row, name) for row in before]
    assert [row.assessment["scores"] for row in after] == [row.assessment["scores"] for row in before]
    assert [row.assessment["findings"][0]["evidence"][0]["start"] for row in after] == [0] * len(after)
    assert len({row.seller_id for row in after if row.erased_at}) == 1
    assert [row.verdict for row in past.rows(reviews)] == ["violation", "violation"]


def test_the_same_listing_keeps_one_name_and_others_another(past):
    past.decide(past.entry(SELLER))
    erase(past)
    erased = past.rows(decisions, decisions.c.erased_at.is_not(None))
    assert len(erased) == 5
    assert len({row.listing_id for row in erased}) == 4
    assert all(row.listing_id.startswith("erased-") for row in erased)


def test_the_act_says_who_why_and_how_much(past):
    seal_all(past.engine, past.now)
    erased = erase(past)
    [act] = past.rows(audit_acts)
    assert (act.act_id, act.kind, act.actor) == (erased.erasure_id, "erasure", "operator:kim")
    assert act.body == {
        "pseudonym": erased.pseudonym, "decisions": 4, "reviews": 1, "sealed": 5, "reason": "ticket 7",
        "begun_at": iso_utc(past.at),
    }  # fmt: skip
    assert not past.rows(erasures)


def test_the_chain_tells_erased_from_altered(past):
    seal_all(past.engine, past.now)
    erase(past)
    found = Verification(past.engine).run()
    assert (found.rows, found.erased, found.unsealed) == (8, {iso_utc(past.at)[:10]: 5}, 0)
    blocked = (decisions.c.erased_at.is_not(None), decisions.c.outcome == "block")
    erased = past.rows(decisions, *blocked)[0].decision_id
    with writing(past.engine) as connection:
        connection.execute(update(decisions).where(decisions.c.decision_id == erased).values(outcome="approve"))
    with pytest.raises(ChainBroken, match=f"decision {erased} in seal 1 was altered"):
        Verification(past.engine).run()


def test_what_was_not_sealed_yet_is_sealed_before_it_is_erased(past):
    erased = erase(past)
    assert erased.sealed == 5
    assert all(row.salt is None for row in past.rows(audit_leaves, audit_leaves.c.erased_by.is_not(None)))
    assert Verification(past.engine).run().rows == 8


def test_open_cases_are_closed_without_a_review(past):
    erase(past)
    assert not past.rows(cases, cases.c.state == "open")
    assert len(past.rows(reviews)) == 2


def test_a_dry_run_counts_and_changes_nothing(past):
    before = [past.rows(table) for table in metadata.sorted_tables]
    held = Erasure(past.engine, SELLER, past.now).held()
    assert (held.listings, held.decisions, held.reviews, held.open_cases, held.archived) == (3, 4, 1, 1, 0)
    assert [past.rows(table) for table in metadata.sorted_tables] == before


def test_a_seller_of_whom_nothing_is_stored_is_told(past):
    with pytest.raises(NotFound, match="nothing is stored of the seller 'nobody'"):
        erase(past, "nobody")
    erase(past)
    with pytest.raises(NotFound):
        erase(past)
    assert len(past.rows(audit_acts)) == 1


def test_what_is_uploaded_afterwards_is_a_new_listing(past):
    again = past.entry(SELLER)
    past.decide(again)
    erase(past)
    [new] = past.decide(past.entry(SELLER))
    assert Ledger(past.engine).find(new).seller_id == SELLER
    assert Ledger(past.engine).listing_of(again.decision.decision_id).title == ""
    assert Verification(past.engine).run().unsealed == 1


def test_an_erasure_that_was_interrupted_goes_on_with_the_same_names(past, monkeypatch):
    past.decide(*(past.entry(SELLER) for _ in range(5)))
    monkeypatch.setattr(module, "DECISIONS_AT_ONCE", 2)
    pages = Erasure._page

    def page(self, names):
        if len(past.rows(decisions, decisions.c.erased_at.is_not(None))) >= 4:
            raise KeyboardInterrupt
        return pages(self, names)

    monkeypatch.setattr(Erasure, "_page", page)
    with pytest.raises(KeyboardInterrupt):
        erase(past)
    assert Verification(past.engine).run().rows == 12
    monkeypatch.setattr(Erasure, "_page", pages)
    erased = erase(past)
    assert erased.decisions == 9
    assert {row.seller_id for row in past.rows(decisions)} == {erased.pseudonym, "ben"}
    assert told(past, SELLER) == []
    assert Verification(past.engine).run().rows == 13


def test_an_erased_decision_is_read_back_with_pseudonyms(past):
    decision_id = past.rows(decisions, decisions.c.seller_id == SELLER)[0].decision_id
    erased = erase(past)
    found = Ledger(past.engine).find(decision_id)
    assert (found.seller_id, found.erased_at) == (erased.pseudonym, past.at)
    assert [one.text for one in found.assessment.findings[0].evidence] == ["", ""]


def test_no_listing_is_compared_with_an_erased_one_any_more(past):
    decision_id = past.rows(blocked_prints)[0].decision_id
    erase(past)
    assert BlockedPrints(past.engine).newest(10) == []
    changed = BlockedPrints(past.engine).changed_since(iso_utc(past.at))
    assert [(one.decision_id, one.withdrawn, one.fingerprint) for one in changed] == [(decision_id, True, b"")]
    with writing(past.engine) as connection:
        connection.execute(update(blocked_prints).values(version=0))
    assert sum(step.looked_at for step in rebuild_prints(past.engine, past.now)) == 0


def test_the_past_that_a_backtest_reads_is_without_them(past):
    erase(past)
    assert [one.listing.seller_id for page in History(past.engine).read(Span()) for one in page] == ["ben"]


def test_a_delivery_that_waits_goes_on_and_names_the_decision_alone(past):
    before = past.rows(events)
    erase(past)
    after = past.rows(events)
    assert len(past.rows(deliveries, deliveries.c.state == "waiting")) == len(before) == 5
    assert [row.body["decision_id"] for row in after] == [row.body["decision_id"] for row in before]
    mine = {row.decision_id for row in past.rows(decisions, decisions.c.erased_at.is_not(None))}
    for row in after:
        assert row.body["listing_id"].startswith("erased-") == (row.body["decision_id"] in mine)


def test_an_answer_under_a_key_goes_with_the_decision_that_it_names(past):
    erase(past)
    assert [row.idempotency_key for row in past.rows(idempotency_keys)] == ["k-3"]


def test_a_shadow_that_comes_late_brings_nothing_back(past):
    late = past.entry(SELLER)
    past.decide(late)
    erase(past)
    known = len(past.rows(shadow_disagreements))
    record_comparisons(past.engine, [a_comparison(late, past.at)])
    assert len(past.rows(shadow_disagreements)) == known
    assert told(past, SELLER) == []


def test_listings_of_the_seller_are_scored_while_they_are_erased(past):
    """The same few listings over and over, so that decisions name what is being taken away."""
    failures, patient = [], open_engine(past.engine.url.render_as_string(hide_password=False), busy_timeout_s=PATIENT_S)
    same = [past.entry(SELLER).listing for _ in range(3)]

    def score() -> None:
        try:
            for number in range(30):
                made, listing = past.entry(SELLER, outcome=Outcome.APPROVE), same[number % 3]
                decision = replace(made.decision, listing_id=listing.listing_id)
                past.decide(replace(made, listing=listing, decision=decision))
        except Exception as error:
            failures.append(error)

    writers = [threading.Thread(target=score) for _ in range(1 if past.engine.dialect.name == "sqlite" else 3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        with suppress(NotFound):
            Erasure(patient, SELLER, past.now).run(actor="operator:kim", reason="ticket 7")
    for writer in writers:
        writer.join()
    past.decide(past.entry(SELLER))
    erase(past)
    patient.dispose()
    assert not failures
    assert told(past, SELLER) == []
    found = Verification(past.engine).run()
    assert found.rows == sum(len(past.rows(table)) for table in (decisions, reviews, audit_acts))


def test_a_moderator_may_override_while_the_listing_is_erased(past):
    [reviewed] = past.decide(past.entry(SELLER))
    failures = []

    def override() -> None:
        try:
            with writing(past.engine) as connection:
                Ledger.override(connection, reviewed, Outcome.BLOCK, "user:mira", past.at + timedelta(seconds=1))
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=override)
    thread.start()
    erase(past)
    thread.join()
    assert not failures
    assert Verification(past.engine).run().rows
