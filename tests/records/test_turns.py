import threading

from fairstall.records.turns import Turns


def test_turns_are_taken_in_the_order_of_arrival():
    turns, order, started = Turns(10.0), [], []
    assert turns.take()

    def wait(number) -> None:
        assert turns.take()
        order.append(number)
        turns.give()

    for number in range(5):
        thread = threading.Thread(target=wait, args=(number,))
        thread.start()
        started.append(thread)
        while turns.waiting <= number:
            thread.join(0.001)
    turns.give()
    for thread in started:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_who_waits_too_long_leaves_the_line_and_nobody_is_left_behind():
    turns = Turns(0.01)
    assert turns.take()
    assert not turns.take()
    assert turns.waiting == 0
    turns.give()
    assert turns.take()
