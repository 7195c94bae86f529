"""Connections to PostgreSQL that are cut when their deadline passes in silence. It is imported when one is opened."""

import math
from collections.abc import Generator
from time import monotonic
from traceback import clear_frames
from typing import Any, Self, TypeVar

import psycopg

from fairstall.records.deadline import due_at

Found = TypeVar("Found")

TOLD = "the server gave no answer in time"


class TimedConnection(psycopg.Connection[Any]):
    """A connection that waits for its server until `due_at`, and is closed then: what it was about can no longer be
    known, and nothing that a client can ask of a stopped server ends the wait."""

    @classmethod
    def in_time(cls, *arguments: Any, **parameters: Any) -> Self:
        """A new connection. Raises OperationalError at `due_at`, or a second later, as psycopg counts them."""
        if (due := due_at()) is not None:
            if (left_s := due - monotonic()) <= 0:
                raise psycopg.OperationalError(TOLD)
            parameters["connect_timeout"] = min(parameters["connect_timeout"], math.ceil(left_s))
        try:
            return cls.connect(*arguments, **parameters)
        except psycopg.Error as error:
            # Whoever keeps the error keeps psycopg's half-open connection, which a server that goes on would let in.
            clear_frames(error.__traceback__)
            raise

    def wait(self, gen: Generator[Any, Any, Found], *arguments: Any, **options: Any) -> Found:
        due = due_at()
        return super().wait(gen if due is None else self._in_time(gen, due), *arguments, **options)

    def _in_time(self, gen: Generator[Any, Any, Found], due: float) -> Generator[Any, Any, Found]:
        """The same, which psycopg resumes ten times a second when nothing comes."""
        try:
            wanted = next(gen)
            while True:
                something_came = yield wanted
                if not something_came and monotonic() >= due:
                    self.close()
                    raise psycopg.OperationalError(f"{TOLD}, and the connection was cut")
                wanted = gen.send(something_came)
        except StopIteration as done:
            found: Found = done.value
            return found
