"""Every decision is counted once, by hour, market, outcome and policy."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from fairstall.model.decide import Outcome
from fairstall.records.engine import reading
from fairstall.records.erasure import Erasure
from fairstall.records.tables import decision_tallies, decisions
from fairstall.records.tallies import (
    ALL_POLICIES,
    MARKETS_AT_ONCE,
    OTHER_MARKETS,
    Tallying,
    counted_until,
    names_policy,
)

WILDLIFE = "prohibited/wildlife"


def count_all(books, **sizes) -> int:
    """How many pieces it took."""
    tallying = Tallying(books.engine, books.now, **sizes)
    pieces = 0
    while tallying.next():
        pieces += 1
    return pieces


def how_far(books) -> datetime | None:
    with reading(books.engine) as connection:
        return counted_until(connection)


def tallies(books, policy=ALL_POLICIES) -> dict[tuple[str, str, bool, str], int]:
    rows = books.rows(decision_tallies, decision_tallies.c.policy == policy)
    return {(row.hour[11:], row.market, row.by_model, row.outcome): row.decisions for row in rows}


def test_decisions_are_counted_by_hour_market_outcome_and_who_decided(books):
    first, *_ = books.decide(books.entry(market="uk"), books.entry(market="uk"), books.entry(outcome=Outcome.APPROVE))
    books.pass_by(hours=1)
    books.decide(books.entry(market="de", outcome=Outcome.BLOCK))
    books.review(first, outcome=Outcome.BLOCK)
    books.pass_by(minutes=5)
    count_all(books)
    assert tallies(books) == {
        ("12", "uk", True, "review"): 2,
        ("12", "", True, "approve"): 1,
        ("13", "de", True, "block"): 1,
        ("13", "uk", False, "block"): 1,
    }
    assert sum(tallies(books, WILDLIFE).values()) == 5, "each of them has a finding on it"
    assert tallies(books, "prohibited/joy") == {}


def test_what_was_counted_is_not_counted_again_and_what_is_new_is(books):
    books.decide(*(books.entry() for _ in range(3)))
    books.pass_by(minutes=5)
    assert [count_all(books), count_all(books)] == [1, 0]
    books.decide(books.entry())
    books.pass_by(minutes=5)
    count_all(books)
    assert tallies(books) == {("12", "", True, "review"): 4}


def test_a_large_store_is_counted_in_pieces(books):
    for _ in range(7):
        books.pass_by(seconds=1)
        books.decide(books.entry())
    books.pass_by(minutes=5)
    assert count_all(books, rows_at_once=3) == 3
    assert tallies(books) == {("12", "", True, "review"): 7}


def test_two_that_count_the_same_piece_count_it_once(books):
    books.decide(books.entry())
    books.pass_by(minutes=5)
    one, other = Tallying(books.engine, books.now), Tallying(books.engine, books.now)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda tallying: tallying.next(), (one, other)))
    assert tallies(books) == {("12", "", True, "review"): 1}


def test_the_newest_decisions_wait_until_none_can_come_before_them(books):
    books.decide(books.entry())
    books.pass_by(seconds=60)
    count_all(books)
    assert (tallies(books), how_far(books)) == ({}, None)
    books.pass_by(seconds=61)
    count_all(books)
    assert how_far(books) == datetime(2026, 3, 2, 12, 0, 0, 1_000, tzinfo=UTC)


def test_a_clock_that_was_ahead_for_a_while_leaves_no_gap(books):
    books.decide(books.entry())
    books.pass_by(hours=3)
    count_all(books)
    books.pass_by(hours=-2)
    books.decide(books.entry())
    books.pass_by(hours=3)
    count_all(books)
    assert sum(tallies(books).values()) == 2


def test_callers_cannot_fill_the_store_with_names_of_markets(books):
    books.decide(*(books.entry(market=f"market-{number}-{'x' * 100}") for number in range(MARKETS_AT_ONCE + 5)))
    books.pass_by(minutes=5)
    count_all(books)
    markets = {market: number for (_, market, *_), number in tallies(books).items()}
    assert (len(markets), markets[OTHER_MARKETS]) == (MARKETS_AT_ONCE + 1, 5)
    assert max(map(len, markets)) == 64


def test_an_erased_seller_is_counted_as_before(books):
    books.decide(books.entry("ana", market="uk"))
    Erasure(books.engine, "ana", books.now).run(actor="operator:kim", reason="ticket 7")
    books.pass_by(minutes=5)
    count_all(books)
    assert sum(tallies(books).values()) == 1


@pytest.mark.parametrize(("code", "found"), [(WILDLIFE, 1), ("prohibited", 0)])
def test_decisions_are_found_by_the_policy_of_a_finding(books, code, found):
    books.decide(books.entry())
    with reading(books.engine) as connection:
        rows = connection.execute(select(decisions.c.decision_id).where(names_policy(connection, code))).all()
    assert len(rows) == found
