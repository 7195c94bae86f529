"""The courier: takes what is due from the queue and delivers it, in rounds of one endpoint each.

Rounds are independent, so an endpoint that is slow or dead holds up no other one.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from fairstall.model.errors import StoreUnavailable
from fairstall.records.deliveries import Batch, Delivery, DeliveryQueue, DeliveryState, Health, Outcome, Target
from fairstall.serving.metrics import Telemetry
from fairstall.serving.tracing import Facts, Tracing
from fairstall.serving.webhooks.message import sign_message
from fairstall.serving.webhooks.retries import Attempt, judge_attempt, judge_endpoint
from fairstall.serving.webhooks.sender import Answer, Sender

log = logging.getLogger("fairstall.webhooks")

LOOK_EVERY_S = 0.5
TIDY_EVERY_S = 15.0
LEASE = timedelta(seconds=60)  # four times what an attempt may take
ENDPOINTS_AT_ONCE = 16
DELIVERIES_AT_ONCE = 16  # to one endpoint
REST_S = 0.05  # between two batches, so that a long queue leaves store and processor to the scoring
BATCHES_A_ROUND = 20  # then another endpoint may have the turn
END_WITHIN_S = 3.0

T = TypeVar("T")


class Courier:
    """Delivers from one queue, on the event loop that runs it; the store is asked in a thread of its own.

    With a `tracing` each attempt is a trace, which the receiver can go on with.
    """

    def __init__(
        self,
        queue: DeliveryQueue,
        sender: Sender,
        telemetry: Telemetry,
        clock: Callable[[], datetime],
        *,
        chance: Callable[[], float] = random.random,
        tracing: Tracing | None = None,
    ) -> None:
        self._queue = queue
        self._sender = sender
        self._telemetry = telemetry
        self._clock = clock
        self._chance = chance
        self._tracing = tracing
        self._rounds: dict[str, asyncio.Task[None]] = {}
        self._served: dict[str, int] = {}
        self._store = ThreadPoolExecutor(1, thread_name_prefix="webhook-store")

    async def run(self, ended: asyncio.Event) -> None:
        """Deliver until `ended`; then rounds under way have a moment to finish, and what they did not is due again."""
        tidy_at, loop = 0.0, asyncio.get_running_loop()
        while not ended.is_set():
            await _logged(self.look())
            if loop.time() >= tidy_at:
                tidy_at = loop.time() + TIDY_EVERY_S
                await _logged(self.tidy())
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), LOOK_EVERY_S)
        await self.close()

    async def look(self) -> None:
        """Begin a round for each endpoint that something is due for, those first that were served longest ago."""
        due = [one for one in await self._ask(self._queue.due, self._clock()) if one not in self._rounds]
        due.sort(key=lambda one: self._served.get(one, 0))
        for endpoint_id in due[: ENDPOINTS_AT_ONCE - len(self._rounds)]:
            self._served[endpoint_id] = max(self._served.values(), default=0) + 1
            task = asyncio.create_task(_logged(self._round(endpoint_id)))
            self._rounds[endpoint_id] = task
            task.add_done_callback(partial(self._ended, endpoint_id))

    async def finish(self) -> None:
        """Wait for the rounds under way."""
        await asyncio.gather(*self._rounds.values(), return_exceptions=True)

    async def tidy(self) -> None:
        """Tell how the queue stands, and delete what is past keeping."""
        backlog, now = await self._ask(self._queue.backlog), self._clock()
        age = now - backlog.oldest_queued_at if backlog.oldest_queued_at else timedelta()
        self._telemetry.webhooks_stand(age.total_seconds(), enabled=backlog.enabled, disabled=backlog.disabled)
        await self._ask(self._queue.prune, now)

    async def close(self) -> None:
        """End the rounds under way, within END_WITHIN_S, and the connections."""
        if self._rounds:
            await asyncio.wait(self._rounds.values(), timeout=END_WITHIN_S)
        for task in [*self._rounds.values()]:
            task.cancel()
        await self.finish()
        self._sender.close()
        self._store.shutdown()

    async def _round(self, endpoint_id: str) -> None:
        for _ in range(BATCHES_A_ROUND):
            batch = await self._ask(
                lambda: self._queue.claim(endpoint_id, now=self._clock(), lease=LEASE, at_most=DELIVERIES_AT_ONCE)
            )
            if batch is None or not await self._deliver(batch):
                return
            await asyncio.sleep(REST_S)

    async def _deliver(self, batch: Batch) -> bool:
        """Send a batch and record what came of it; whether all was accepted and more may be due."""
        tasks = [asyncio.create_task(self._attempt(batch, one)) for one in batch.deliveries]
        try:
            await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            made = [one for one in found if isinstance(one, Attempt)]
            await self._settle(batch, made)
        full = len(tasks) == DELIVERIES_AT_ONCE or batch.target.failing_since is not None
        return full and all(one.answer.accepted for one in made)

    async def _attempt(self, batch: Batch, delivery: Delivery) -> Attempt:
        span = self._tracing.attempt(_facts(batch.target, delivery)) if self._tracing else None
        answer = Answer(None, "broken off")
        try:
            message = sign_message(delivery, batch.target.secrets, now=self._clock())
            answer = await self._sender.post(batch.target.url, message.traced(span.traceparent) if span else message)
        except Exception:
            log.exception("the event %s could not be sent", delivery.event_id)
            answer = Answer(None, "a fault of the sender")
        finally:
            if span:
                span.end(answer.status, error=answer.kind_of_fault)
        return Attempt(delivery, answer)

    async def _settle(self, batch: Batch, made: Sequence[Attempt]) -> None:
        """Record what was answered; an attempt that was broken off is due again at once and does not count."""
        now = self._clock()
        outcomes = [judge_attempt(one, now=now, chance=self._chance()) for one in made]
        answered = {one.delivery.event_id for one in made}
        outcomes += [
            Outcome(one, DeliveryState.WAITING, now, "broken off", counts=False)
            for one in batch.deliveries
            if one.event_id not in answered
        ]
        health = judge_endpoint(batch.target, made, now=now)
        await self._ask(lambda: self._queue.settle(batch.target.endpoint_id, outcomes, health, now=now))
        self._tell(batch, outcomes, health)

    def _tell(self, batch: Batch, outcomes: Sequence[Outcome], health: Health) -> None:
        for one in outcomes:
            if one.counts:
                self._telemetry.webhook(_RESULTS[one.state])
            if one.state is not DeliveryState.DELIVERED:
                facts = {
                    "endpoint_id": batch.target.endpoint_id,
                    "event_id": one.delivery.event_id,
                    "answer": one.result,
                }
                log.info("a webhook was not delivered", extra={"facts": facts})
        if health.disabled_because:
            log.error("webhook endpoint %s is disabled: %s", batch.target.endpoint_id, health.disabled_because)

    def _ended(self, endpoint_id: str, _task: asyncio.Task[None]) -> None:
        del self._rounds[endpoint_id]

    async def _ask(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._store, work, *arguments)


def _facts(target: Target, delivery: Delivery) -> Facts:
    """Ids alone: an address may have a secret in it, and a listing is nobody's business."""
    facts: dict[str, str | int | float | bool] = {
        "fairstall.event_id": delivery.event_id,
        "fairstall.endpoint_id": target.endpoint_id,
        "fairstall.attempt": delivery.attempt,
    }
    decision_id = delivery.body.get("decision_id")
    return facts | {"fairstall.decision_id": decision_id} if decision_id else facts


_RESULTS = {DeliveryState.DELIVERED: "delivered", DeliveryState.WAITING: "retry", DeliveryState.FAILED: "failed"}


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    """Whatever goes wrong is told, and the courier goes on."""
    try:
        await work
    except StoreUnavailable as error:
        log.warning("webhooks wait: %s", error)
    except Exception:
        log.exception("delivering webhooks failed; it is tried again")
