"""The waiting room is bounded and fair, and hands out batches of similar length."""

import queue
import threading
import time

import pytest

from fairstall.model.assess import Prepared
from fairstall.model.encoding import Windows
from fairstall.model.errors import Overloaded
from fairstall.model.listing import Listing
from fairstall.model.view import view_listing
from fairstall.serving.waiting import LISTINGS_IN_SIGHT, Batch, Ticket, WaitingRoom, Work

LISTING = Listing("l-1", "s-1", "Chair", "A chair.")


class OneLane:
    """A room with a single lane, this thread: what it takes next it takes after what it took before."""

    def __init__(self, *, most_tokens: int) -> None:
        self._room = WaitingRoom(most_tokens=most_tokens)
        self._taken: Work | None = None

    def take(self) -> Work | None:
        self._taken = self._room.take(done=self._taken)
        return self._taken

    def __getattr__(self, name: str) -> object:
        return getattr(self._room, name)


class Lanes:
    """Threads that take from a room what `taken` then holds, each going on when it is let."""

    def __init__(self, room: WaitingRoom, *, names: str) -> None:
        self.room = room
        self.taken: queue.SimpleQueue = queue.SimpleQueue()
        self.go_on = {name: threading.Semaphore(0) for name in names}
        self.threads = [threading.Thread(target=self._work, args=(name,)) for name in names]

    def __enter__(self) -> "Lanes":
        for thread in self.threads:
            thread.start()
        self.wait_until_free(len(self.threads))
        return self

    def __exit__(self, *_: object) -> None:
        self.room.close()
        for name, thread in zip(self.go_on, self.threads, strict=True):
            self.go_on[name].release(100)
            thread.join()

    def wait_until_free(self, count: int) -> None:
        while self.room.free_lanes < count:
            time.sleep(0.001)

    def _work(self, name: str) -> None:
        work = None
        while work := self.room.take(done=work):
            self.taken.put((name, work))
            self.go_on[name].acquire()


def a_ticket(tokens: int = 10) -> Ticket:
    return Ticket(LISTING, tokens, 0.0, lambda _result: None)


def prepared(*lengths: int) -> Prepared:
    windows = Windows(tuple((0,) * length for length in lengths), complete=True)
    return Prepared(LISTING, view_listing(LISTING), (), windows, ())


def arrive(room: OneLane, *lengths: int) -> Ticket:
    """A ticket that is admitted, taken for preparation, and ready with windows of these lengths."""
    ticket = a_ticket(sum(lengths))
    room.admit(ticket)
    assert room.take() is ticket
    room.ready(ticket, prepared(*lengths))
    return ticket


def take_batch(room: OneLane) -> list[tuple[Ticket, int]]:
    work = room.take()
    assert isinstance(work, Batch)
    return [(window.ticket, window.index) for window in work.windows]


def test_a_full_room_refuses_and_lets_in_again_when_somebody_leaves():
    room, first = OneLane(most_tokens=100), a_ticket(60)
    room.admit(first)
    with pytest.raises(Overloaded, match="60 tokens"):
        room.admit(a_ticket(41))
    room.admit(a_ticket(40))
    room.leave(first)
    room.leave(first)
    assert room.tokens == 40
    room.admit(a_ticket(60))


def test_an_empty_room_takes_even_what_is_larger_than_it():
    room = OneLane(most_tokens=100)
    room.admit(a_ticket(1_000))
    with pytest.raises(Overloaded):
        room.admit(a_ticket(1))


def test_tokens_are_counted_once_they_are_known():
    room = OneLane(most_tokens=100)
    ticket = a_ticket(10)
    room.admit(ticket)
    room.take()
    room.ready(ticket, prepared(30, 30))
    assert room.tokens == 60
    room.leave(ticket)
    assert room.tokens == 0


def test_batches_hold_four_windows_of_similar_length_at_most():
    room = OneLane(most_tokens=10_000)
    tickets = {length: arrive(room, length) for length in (100, 50, 105, 54, 110, 111, 92, 101)}
    batches = [[len(ticket.prepared.windows.ids[0]) for ticket, _ in take_batch(room)] for _ in range(3)]
    assert batches == [[100, 101, 105, 110], [50, 54], [111]]
    assert take_batch(room) == [(tickets[92], 0)]


def test_a_batch_takes_the_nearest_in_length_first():
    room = OneLane(most_tokens=10_000)
    tickets = [arrive(room, length) for length in (100, 109, 108, 101, 102, 103)]
    assert take_batch(room) == [(tickets[0], 0), (tickets[3], 0), (tickets[4], 0), (tickets[5], 0)]


def test_a_lane_is_alone_when_no_other_works_and_nothing_else_waits():
    room = OneLane(most_tokens=10_000)
    arrive(room, 50)
    arrive(room, 100)
    assert [room.take().alone for _ in range(2)] == [False, True]


def test_a_lane_is_not_alone_beside_another_one():
    with Lanes(WaitingRoom(most_tokens=10_000, lanes=2), names="ab") as lanes:
        first, second = a_ticket(), a_ticket()
        for ticket in (first, second):
            lanes.room.admit(ticket)
        (one, _), (other, _) = lanes.taken.get(), lanes.taken.get()
        for ticket, lane in ((first, one), (second, other)):
            lanes.room.ready(ticket, prepared(50 if ticket is first else 100))
            lanes.go_on[lane].release()
        assert [lanes.taken.get()[1].alone for _ in range(2)] == [False, False]


def test_the_lane_that_worked_last_is_woken_first():
    with Lanes(WaitingRoom(most_tokens=10_000, lanes=3), names="abc") as lanes:
        woken = []
        for _ in range(5):
            ticket = a_ticket()
            lanes.room.admit(ticket)
            name, work = lanes.taken.get()
            assert work is ticket
            woken.append(name)
            lanes.room.leave(ticket)
            lanes.go_on[name].release()
            lanes.wait_until_free(3)
        assert len(set(woken)) == 1


def test_while_one_lane_prepares_another_runs_what_is_ready_and_prepares_only_where_nothing_is():
    with Lanes(WaitingRoom(most_tokens=10_000, lanes=2), names="ab") as lanes:
        first, second, third = (a_ticket() for _ in range(3))
        lanes.room.admit(first)
        one, _ = lanes.taken.get()
        lanes.room.admit(second)
        other, work = lanes.taken.get()
        assert work is second
        lanes.room.admit(third)
        lanes.room.ready(first, prepared(50))
        lanes.go_on[one].release()
        _, work = lanes.taken.get()
        assert [window.ticket for window in work.windows] == [first]
        lanes.go_on[other].release()
        assert lanes.taken.get() == (other, third)


def test_who_leaves_work_behind_wakes_another_lane():
    with Lanes(WaitingRoom(most_tokens=10_000, lanes=2), names="ab") as lanes:
        ticket = a_ticket()
        lanes.room.admit(ticket)
        name, _ = lanes.taken.get()
        lanes.room.ready(ticket, prepared(50, 100))
        lanes.go_on[name].release()
        batches = [lanes.taken.get() for _ in range(2)]
        assert {lane for lane, _ in batches} == {"a", "b"}
        assert [len(work.windows) for _, work in batches] == [1, 1]


def test_a_long_listing_neither_blocks_short_ones_nor_waits_for_ever():
    room = OneLane(most_tokens=10_000)
    long = arrive(room, *[100] * 8)
    short = [arrive(room, 20) for _ in range(3)]
    order = [take_batch(room) for _ in range(3)]
    assert order[0] == [(long, 0), (long, 1), (long, 2), (long, 3)]
    assert order[1] == [(ticket, 0) for ticket in short]
    assert order[2] == [(long, 4), (long, 5), (long, 6), (long, 7)]


def test_windows_of_who_came_first_go_first_even_in_another_length():
    room = OneLane(most_tokens=10_000)
    first, second = arrive(room, 50), arrive(room, 100)
    third = arrive(room, 50)
    assert take_batch(room) == [(first, 0), (third, 0)]
    assert take_batch(room) == [(second, 0)]


def test_who_left_is_not_run():
    room = OneLane(most_tokens=10_000)
    gone, here, unprepared = arrive(room, 50, 50), arrive(room, 50), a_ticket()
    room.admit(unprepared)
    room.leave(gone)
    room.leave(unprepared)
    assert take_batch(room) == [(here, 0)]
    room.close()
    assert room.take() is None


def test_who_leaves_while_being_prepared_is_not_run():
    room, ticket = OneLane(most_tokens=100), a_ticket()
    room.admit(ticket)
    room.take()
    room.leave(ticket)
    room.ready(ticket, prepared(50))
    room.close()
    assert (room.take(), room.tokens) == (None, 0)


def test_only_so_many_are_prepared_ahead():
    room = OneLane(most_tokens=100_000)
    for _ in range(LISTINGS_IN_SIGHT):
        arrive(room, 50)
    room.admit(a_ticket())
    assert len(take_batch(room)) == 4
    assert isinstance(room.take(), Ticket)


def test_a_closed_room_refuses_and_hands_out_what_is_left():
    room = OneLane(most_tokens=100)
    ticket, waiting = arrive(room, 10), a_ticket()
    room.admit(waiting)
    room.close()
    with pytest.raises(Overloaded, match="out of service"):
        room.admit(a_ticket())
    assert room.take() is waiting
    room.ready(waiting, prepared(10))
    assert take_batch(room) == [(ticket, 0), (waiting, 0)]
    assert room.take() is None
