"""Group commit: whoever waits is stored together, and told the truth."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from fairstall.model.errors import Overloaded, StoreUnavailable
from fairstall.records.ledger import Submission
from fairstall.serving.writer import Commit, GroupCommit


class SlowStore:
    """A store whose transactions wait behind a gate; `failing` submissions cannot be stored."""

    def __init__(self) -> None:
        self.entered, self.gate = threading.Event(), threading.Event()
        self.groups: list[list[Submission]] = []
        self.failing: dict[int, Exception] = {}

    def submit(self, submissions: Sequence[Submission]) -> list[bool]:
        self.entered.set()
        self.gate.wait()
        self.groups.append(list(submissions))
        for submission in submissions:
            if error := self.failing.get(id(submission)):
                raise error
        return [True] * len(submissions)


@pytest.fixture
def store():
    return SlowStore()


@pytest.fixture
def writer(store):
    writer = GroupCommit(store, most_waiting=8)
    yield writer
    store.gate.set()
    writer.close()


async def commit_all(store, writer, submissions):
    """Commit the first, then the others while it is being stored, then open the gate."""
    first = asyncio.create_task(writer.commit(submissions[0]))
    await asyncio.to_thread(store.entered.wait)
    others = [asyncio.create_task(writer.commit(submission)) for submission in submissions[1:]]
    await asyncio.sleep(0)
    store.gate.set()
    return await asyncio.gather(first, *others, return_exceptions=True)


def submissions(count: int) -> list[Submission]:
    return [Submission(()) for _ in range(count)]


def test_what_came_meanwhile_is_stored_in_one_transaction(store, writer):
    assert asyncio.run(commit_all(store, writer, submissions(6))) == [Commit(True, 1), *[Commit(True, 5)] * 5]
    assert [len(group) for group in store.groups] == [1, 5]


def test_nobody_is_answered_when_the_store_is_unavailable(store, writer):
    wanted = submissions(4)
    store.failing[id(wanted[2])] = StoreUnavailable("locked")
    results = asyncio.run(commit_all(store, writer, wanted))
    assert results[0] == Commit(True, 1)
    assert all(isinstance(result, StoreUnavailable) for result in results[1:])
    assert len(store.groups) == 2


def test_who_came_meanwhile_does_not_wait_for_an_unavailable_store_as_long_again(store, writer):
    wanted = submissions(4)
    store.failing[id(wanted[0])] = StoreUnavailable("stopped")
    results = asyncio.run(commit_all(store, writer, wanted))
    assert all(isinstance(result, StoreUnavailable) for result in results)
    assert len(store.groups) == 1
    assert asyncio.run(writer.commit(wanted[1])) == Commit(True, 1)


def test_a_submission_that_the_store_cannot_take_fails_alone(store, writer):
    wanted = submissions(4)
    store.failing[id(wanted[2])] = ValueError("no such number")
    results = asyncio.run(commit_all(store, writer, wanted))
    assert results[:2] + results[3:] == [Commit(True, 1), Commit(True, 2), Commit(True, 2)]
    assert isinstance(results[2], ValueError)


def test_a_full_writer_refuses(store, writer):
    results = asyncio.run(commit_all(store, writer, submissions(12)))
    assert [isinstance(result, Overloaded) for result in results] == [False] * 9 + [True] * 3


def test_a_closed_writer_stores_what_waits_and_takes_no_more(store):
    writer = GroupCommit(store, most_waiting=8)
    store.gate.set()

    async def close():
        waiting = asyncio.create_task(writer.commit(Submission(())))
        await asyncio.sleep(0)
        writer.close()
        return await waiting

    assert asyncio.run(close()) == Commit(True, 1)
    with pytest.raises(StoreUnavailable, match="shutting down"):
        asyncio.run(writer.commit(Submission(())))
