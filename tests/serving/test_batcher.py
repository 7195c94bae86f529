"""Lanes score what the model alone would score, one bad listing fails alone, and overload is told at once."""

import asyncio

import pytest

from fairstall.model.assess import Assessor, assess_listings
from fairstall.model.control import NO_CONTROL
from fairstall.model.errors import DeadlineExceeded, Overloaded
from fairstall.model.listing import Listing
from fairstall.model.scorer import OnnxScorer
from fairstall.serving.batcher import open_batcher
from fairstall.serving.limits import Limits

WORDS = ("chair", "pistol", "heroin", "toy ivory", "miracle cures")


def listings(count: int) -> list[Listing]:
    return [Listing(f"l-{n}", "s-1", WORDS[n % 5], "good as new " * (n * 7 % 60)) for n in range(count)]


async def score_all(batcher, wanted):
    return await asyncio.gather(*(batcher.score(listing) for listing in wanted), return_exceptions=True)


def test_lanes_score_as_the_model_alone_does(tiny_bundle, gated):
    wanted = listings(60)
    batcher, scorer = gated()
    scorer.gate.set()
    alone = assess_listings(batcher.assessor, [OnnxScorer(tiny_bundle)], wanted)
    together = asyncio.run(score_all(batcher, wanted))
    assert [scored.assessment for scored in together] == alone
    assert all(len(batch) <= 4 and max(batch) <= 1.1 * min(batch) for batch in scorer.batches)
    assert max(map(len, scorer.batches)) == 4


def test_two_lanes_share_the_work_and_say_how_long_each_stage_took(tiny_bundle, gated):
    batcher, _ = gated()
    sizes: list[int] = []
    pair = open_batcher(tiny_bundle, batcher.assessor.policies, NO_CONTROL, Limits(), sizes.append)
    scored = asyncio.run(score_all(pair, listings(40)))
    pair.close()
    pair.join()
    assert sum(sizes) == sum(len(batcher.assessor.prepare(listing).windows.ids) for listing in listings(40))
    assert all(set(one.timings_ms) == {"prepare", "queue", "score"} for one in scored)
    assert pair.waiting_tokens == 0


def test_a_full_queue_refuses_new_listings_at_once_and_serves_those_it_has(gated):
    batcher, scorer = gated(Limits(waiting_tokens=60))

    async def overload():
        tasks = [asyncio.create_task(batcher.score(listing)) for listing in listings(40)]
        refused, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        scorer.gate.set()
        assert all(isinstance(task.exception(), Overloaded) for task in refused)
        return len(refused), await asyncio.gather(*tasks, return_exceptions=True)

    refused, results = asyncio.run(overload())
    assert 0 < refused == sum(isinstance(result, Overloaded) for result in results) < 40
    assert batcher.waiting_tokens == 0


def test_an_answer_that_would_come_too_late_is_not_waited_for(gated):
    batcher, scorer = gated(Limits(deadline_s=0.01))
    results = asyncio.run(score_all(batcher, listings(5)))
    assert all(isinstance(result, DeadlineExceeded) for result in results)
    assert batcher.waiting_tokens == 0
    scorer.gate.set()
    assert len(scorer.batches) <= 1


def test_a_caller_who_left_is_not_scored(gated):
    batcher, scorer = gated()

    async def leave():
        first = asyncio.create_task(batcher.score(Listing("l-1", "s-1", "chair", "")))
        await asyncio.to_thread(scorer.entered.wait)
        left = asyncio.create_task(batcher.score(Listing("l-2", "s-1", "pistol", "a " * 30)))
        await asyncio.sleep(0)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        scorer.gate.set()
        await first

    asyncio.run(leave())
    assert len(scorer.batches) == 1


def test_a_poison_listing_fails_alone(tiny_bundle, gated):
    token = Assessor(tiny_bundle, gated()[0].assessor.policies).prepare(Listing("l", "s", "taxidermy", ""))
    batcher, scorer = gated(poison=token.windows.ids[0][1])
    scorer.gate.set()
    wanted = [Listing(f"l-{n}", "s-1", "taxidermy" if n == 5 else "chair", "") for n in range(12)]
    results = asyncio.run(score_all(batcher, wanted))
    assert [n for n, result in enumerate(results) if isinstance(result, FloatingPointError)] == [5]
    assert asyncio.run(batcher.score(wanted[0])).assessment == results[0].assessment


def test_a_listing_that_cannot_be_prepared_fails_alone(gated):
    batcher, scorer = gated()
    scorer.gate.set()
    impossible = Listing("l-1", "s-1", b"bytes", "")  # what no checked listing can be
    results = asyncio.run(score_all(batcher, [*listings(3), impossible]))
    assert [isinstance(result, Exception) for result in results] == [False, False, False, True]


def test_a_closed_batcher_finishes_what_it_has(gated):
    batcher, scorer = gated()

    async def close():
        tasks = [asyncio.create_task(batcher.score(listing)) for listing in listings(10)]
        await asyncio.to_thread(scorer.entered.wait)
        batcher.close()
        scorer.gate.set()
        return await asyncio.gather(*tasks)

    assert len(asyncio.run(close())) == 10
    batcher.join()
    with pytest.raises(Overloaded):
        asyncio.run(batcher.score(listings(1)[0]))
