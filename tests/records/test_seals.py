"""Sealing takes every row once, late ones too, without holding up those who store decisions."""

import hashlib
import threading

import pytest

from fairstall.model.errors import NotFound
from fairstall.records import seals as module
from fairstall.records.leaves import merkle_root
from fairstall.records.seals import NOTHING_BEFORE, Sealing, head, seal_all, seal_late
from fairstall.records.tables import audit_acts, audit_leaves, audit_seals, decisions
from fairstall.records.verification import ChainBroken, Verification


def sealed(books) -> set[str]:
    return {row.row_id for row in books.rows(audit_leaves)}


def test_a_store_without_a_seal_has_no_head(books):
    assert seal_all(books.engine, books.now) == 0
    with pytest.raises(NotFound, match="nothing is sealed yet"):
        head(books.engine)


def test_decisions_and_reviews_are_sealed_once_and_seals_are_chained(books):
    [first] = books.decide(books.entry())
    review = books.review(first)
    assert seal_all(books.engine, books.now) == 2
    [second] = books.decide(books.entry())
    assert seal_all(books.engine, books.now) == 1
    assert seal_all(books.engine, books.now) == 0
    assert sealed(books) == {first, review, second}
    one, two = books.rows(audit_seals)
    assert (one.previous, two.previous) == (NOTHING_BEFORE, one.hash)
    assert (one.leaves, two.leaves) == (2, 1)
    assert head(books.engine).hash == two.hash


def test_a_pass_takes_a_store_of_any_size_in_seals_of_a_few_rows(books, monkeypatch):
    monkeypatch.setattr(module, "ROWS_A_SEAL", 3)
    ids = books.decide(*(books.entry() for _ in range(7)))
    review = books.review(ids[0])
    sealing = Sealing(books.engine, books.now)
    counts = []
    while seal := sealing.next():
        counts.append(seal.leaves)
    assert counts == [3, 3, 2]
    assert sealed(books) == {*ids, review}
    settled = [row.settled_at for row in books.rows(audit_seals)]
    assert settled[:2] == [None, None]
    assert settled[2] is not None


def test_a_first_pass_that_was_broken_off_is_taken_up_where_it_was(books, monkeypatch):
    monkeypatch.setattr(module, "ROWS_A_SEAL", 2)
    ids = books.decide(*(books.entry() for _ in range(5)))
    books.pass_by(days=400)
    Sealing(books.engine, books.now).next()
    assert seal_all(books.engine, books.now) == 3
    assert sealed(books) == set(ids)


def test_rows_that_are_seen_late_are_sealed_up_to_ten_minutes(books):
    early, late = books.entry(), books.entry()
    books.pass_by(minutes=9)
    books.decide(books.entry())
    seal_all(books.engine, books.now)
    books.decide(early)
    assert seal_all(books.engine, books.now) == 1
    books.pass_by(minutes=9)
    books.decide(books.entry())
    seal_all(books.engine, books.now)
    [added] = books.decide(late)
    assert seal_all(books.engine, books.now) == 0
    with pytest.raises(ChainBroken, match=f"decision {added} was added"):
        Verification(books.engine).run()


def test_rows_later_than_that_are_sealed_by_an_act_that_says_so(books):
    late = books.entry()
    books.pass_by(hours=1)
    books.decide(books.entry())
    seal_all(books.engine, books.now)
    [added] = books.decide(late)
    assert seal_late(books.engine, books.now, actor="operator:kim", reason="a clock stood wrong") == 2
    assert added in sealed(books)
    [act] = books.rows(audit_acts)
    assert (act.kind, act.actor, act.body) == ("late_seal", "operator:kim", {"reason": "a clock stood wrong"})
    assert Verification(books.engine).run().unsealed == 0


def test_a_clock_that_is_set_back_hides_nothing(books):
    books.decide(books.entry())
    seal_all(books.engine, books.now)
    books.pass_by(days=-300)
    [after] = books.decide(books.entry())
    seal_all(books.engine, books.now)
    assert after in sealed(books)
    assert Verification(books.engine).run().unsealed == 0


def test_two_who_seal_at_once_seal_each_row_once(books, monkeypatch):
    monkeypatch.setattr(module, "ROWS_A_SEAL", 2)
    ids = books.decide(*(books.entry() for _ in range(12)))
    failures = []

    def seal() -> None:
        try:
            seal_all(books.engine, books.now)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=seal) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sealed(books) == set(ids)
    assert Verification(books.engine).run().rows == 12


def test_decisions_are_stored_while_others_are_sealed(books, monkeypatch):
    monkeypatch.setattr(module, "ROWS_A_SEAL", 5)
    entries = [[books.entry(f"s-{writer}") for _ in range(20)] for writer in range(3)]
    failures = []

    def store(mine) -> None:
        try:
            for entry in mine:
                books.decide(entry)
        except Exception as error:
            failures.append(error)

    writers = [threading.Thread(target=store, args=(mine,)) for mine in entries]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        seal_all(books.engine, books.now)
    seal_all(books.engine, books.now)
    assert not failures
    assert sealed(books) == {row.decision_id for row in books.rows(decisions)}
    assert Verification(books.engine).run().rows == 60


def test_a_seal_that_fails_halfway_leaves_nothing(books, monkeypatch):
    books.decide(books.entry())
    monkeypatch.setattr(module, "_unchanged", lambda *_arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        seal_all(books.engine, books.now)
    assert not books.rows(audit_seals)


@pytest.mark.parametrize("count", range(1, 18))
def test_the_tree_is_that_of_rfc_6962(count):
    def root(leaves):
        if len(leaves) == 1:
            return leaves[0]
        split = 1 << (len(leaves) - 1).bit_length() - 1
        return hashlib.sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()

    leaves = [hashlib.sha256(bytes([number])).digest() for number in range(count)]
    assert merkle_root(leaves) == root(leaves)
