"""What a request leaves for later is done after it, whatever becomes of it, and what fails harms nothing."""

import pytest

from fairstall.serving.afterwards import afterwards, answering


def test_what_is_left_is_done_at_the_end_in_order_even_when_the_request_fails(caplog):
    done = []

    def fail():
        raise ValueError("broken work")

    def request():
        with answering():
            for work in (lambda: done.append(1), fail, lambda: done.append(2)):
                afterwards(work)
            assert done == []
            raise KeyError

    with pytest.raises(KeyError):
        request()
    assert done == [1, 2]
    assert "broken work" in caplog.text


def test_outside_a_request_it_is_done_at_once():
    done = []
    afterwards(lambda: done.append(1))
    assert done == [1]
