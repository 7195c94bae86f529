"""When a delivery is tried again, when it is given up, and when an endpoint is left alone: pure, in one place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fairstall.records.deliveries import Delivery, DeliveryState, Health, Outcome, Target
from fairstall.serving.webhooks.sender import Answer

# The schedule that the specification gives as its example: ten attempts in a little over three days.
DELAYS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
SPAN = timedelta(seconds=sum(DELAYS_S))
JITTER = 0.1  # a delay is up to a tenth longer, never shorter
MOST_RETRY_AFTER_S = 3_600.0

# How long a failing endpoint as a whole is left alone: a tenth of the time that it has been failing, within these.
PAUSE_S = 5.0
MOST_PAUSE_S = 300.0
THROTTLE = (429, 502, 503, 504)
GONE = 410


@dataclass(frozen=True, slots=True)
class Attempt:
    """A delivery and what its endpoint answered."""

    delivery: Delivery
    answer: Answer


def judge_attempt(attempt: Attempt, *, now: datetime, chance: float) -> Outcome:
    """Delivered, to be tried again, or failed for good; `chance` in [0, 1) draws the jitter."""
    delivery, answer = attempt.delivery, attempt.answer
    if answer.accepted:
        return Outcome(delivery, DeliveryState.DELIVERED, now, answer.told)
    if answer.status == GONE or delivery.attempt > len(DELAYS_S):
        return Outcome(delivery, DeliveryState.FAILED, now, answer.told)
    delay_s = DELAYS_S[delivery.attempt - 1] * (1 + JITTER * chance)
    wait = timedelta(seconds=max(delay_s, _asked_for_s(answer)))
    return Outcome(delivery, DeliveryState.WAITING, now + wait, answer.told)


def judge_endpoint(target: Target, attempts: Sequence[Attempt], *, now: datetime) -> Health:
    """What a batch tells of its endpoint. One success shows that it works; it may ask for a pause all the same."""
    answers = [attempt.answer for attempt in attempts]
    if any(answer.status == GONE for answer in answers):
        return Health(disabled_because="it answered 410 Gone")
    asked_s = max((_asked_for_s(answer) for answer in answers), default=0.0)
    if any(answer.accepted for answer in answers):
        pause_s = max(asked_s, PAUSE_S if any(answer.status in THROTTLE for answer in answers) else 0.0)
        return Health(works=True, paused_until=now + timedelta(seconds=pause_s) if pause_s else None)
    if not answers:
        return Health()
    failing_since = target.failing_since or now
    failing_for = now - failing_since
    if failing_for >= SPAN:
        hours = round(SPAN.total_seconds() / 3_600)
        return Health(disabled_because=f"no delivery succeeded for {hours} hours; the last answer: {answers[-1].told}")
    pause_s = min(MOST_PAUSE_S, max(PAUSE_S, failing_for.total_seconds() / 10))
    return Health(False, failing_since, paused_until=now + timedelta(seconds=max(pause_s, asked_s)))


def _asked_for_s(answer: Answer) -> float:
    return 0.0 if answer.accepted else min(answer.retry_after_s, MOST_RETRY_AFTER_S)
