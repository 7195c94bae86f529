"""When a call is sent, sent again and given up, as a generator that does no I/O: whoever drives it sends and sleeps."""

import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias

from fairstall.client.calls import Answer, Call
from fairstall.client.errors import ClientError, Reply, refusal

Result: TypeAlias = Reply | ClientError | None


@dataclass(frozen=True, slots=True)
class Send:
    """Send the call, answer with the Reply or with the error; no wait may be longer than `left_s()` when it begins."""

    call: Call[Any]
    left_s: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Pause:
    """Sleep, answer with None."""

    seconds: float


Steps: TypeAlias = Generator[Send | Pause, Result, Answer]


@dataclass(frozen=True, slots=True)
class Retries:
    """How stubborn a call is: at most `attempts`, and no waiting beyond `deadline_s` after the first one began.

    Between two of them it waits as long as the service says (`Retry-After`), and on top of that a random time of up to
    `first_pause_s`, doubled each time up to `longest_pause_s`: exponential backoff with full jitter, so that callers
    who were refused together do not come back together. A pause that would pass the deadline is not begun.
    """

    attempts: int = 4
    deadline_s: float = 20.0
    first_pause_s: float = 0.1
    longest_pause_s: float = 5.0
    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random

    def steps(self, call: Call[Answer]) -> Steps[Answer]:
        """What to do until there is an answer. Raises the last ClientError."""
        until, attempt = self.clock() + self.deadline_s, 1
        while True:
            result = yield Send(call, lambda: until - self.clock())
            if isinstance(result, Reply) and result.status == 200:
                return _answer(call, result)
            error = refusal(result) if isinstance(result, Reply) else result or ClientError()
            _tell(error, call, result)
            pause_s = self._pause_s(error, attempt)
            if not (call.again and error.passes and attempt < self.attempts and self.clock() + pause_s < until):
                raise error
            yield Pause(pause_s)
            attempt += 1

    def _pause_s(self, error: ClientError, attempt: int) -> float:
        longest = min(self.first_pause_s * 2.0 ** min(attempt - 1, 30), self.longest_pause_s)
        return (error.retry_after_s or 0.0) + longest * self.random()


def _answer(call: Call[Answer], reply: Reply) -> Answer:
    try:
        answer = call.answer(reply)
    except ClientError as error:
        _tell(error, call, reply)
        raise
    for item in answer if isinstance(answer, list) else ():
        if isinstance(item, ClientError):
            _tell(item, call, reply)
    return answer


def _tell(error: ClientError, call: Call[Any], result: Result) -> None:
    """An error knows the request that it belongs to, so that it can be looked up, and sent again under its key."""
    error.request_id = result.request_id if isinstance(result, Reply) else call.request_id
    error.idempotency_key = call.idempotency_key
