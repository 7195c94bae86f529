"""Until when the database is waited for, as this side measures it: a server that is stopped says nothing, for ever."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic

_DUE_AT: ContextVar[float | None] = ContextVar("due_at", default=None)


@contextmanager
def due_within(seconds: float | None) -> Iterator[None]:
    """Whatever waits for the database inside has so many seconds in all; None: as long as it takes."""
    before = _DUE_AT.get()
    _DUE_AT.set(None if seconds is None else monotonic() + seconds)
    try:
        yield
    finally:
        _DUE_AT.set(before)  # and no token: a generator may end in another context than it began in


def due_at() -> float | None:
    """A moment of `monotonic`, or None."""
    return _DUE_AT.get()
