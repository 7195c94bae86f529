"""Work that a request leaves for the time after its answer, so that its caller waits for none of it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

log = logging.getLogger("fairstall.serving")

Work: TypeAlias = Callable[[], None]

_left: ContextVar[list[Work] | None] = ContextVar("fairstall_afterwards", default=None)


@contextmanager
def answering() -> Iterator[None]:
    """One request, to the last byte of its answer; what `afterwards` was given inside is done at the end."""
    left: list[Work] = []
    token = _left.set(left)
    try:
        yield
    finally:
        _left.reset(token)
        for work in left:
            _do(work)


def afterwards(work: Work) -> None:
    """Do it when this request is answered; at once where there is none. It is brief, and what it raises is logged."""
    left = _left.get()
    if left is None:
        _do(work)
    else:
        left.append(work)


def _do(work: Work) -> None:
    try:
        work()
    except Exception:
        log.exception("what was left for after an answer failed")
