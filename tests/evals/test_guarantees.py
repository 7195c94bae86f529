"""Certificates keep their word on scores that mean what they say, and the suite sees it when they do not."""

from dataclasses import replace

import numpy as np
import pytest

from fairstall.evals.bootstrap import Estimate
from fairstall.evals.certify import CertifyConfig
from fairstall.evals.guarantees import BLOCK, RELEASE, Guarantee, guarantee_metrics, measure_guarantees
from fairstall.evals.scored import BY_CELL, BY_ROW, ScoredRows
from fairstall.model.policies import PolicySet, Targets
from fairstall.model.policy_file import starter_policies

CODE = "prohibited/drugs"
CONFIG = CertifyConfig(wrong_blocks=1.0, block_floor=0.5, release_stops=1.0)


@pytest.fixture(scope="module")
def policies() -> PolicySet:
    drugs = replace(starter_policies()[CODE], targets=Targets(precision=0.9, missed=0.1))
    return PolicySet.named("loose", (drugs,))


def rows(seed: int, *, count: int = 4000) -> ScoredRows:
    """Probabilities that are the odds of a violation."""
    draw = np.random.default_rng(seed)
    probabilities = draw.beta(0.08, 0.12, size=(count, 1))
    truth = draw.random((count, 1)) < probabilities
    return ScoredRows(
        labels=(CODE,),
        probabilities=probabilities,
        truth=truth,
        known=np.ones((count, 1), dtype=bool),
        weights=np.ones(count),
        groups=np.arange(count).astype(str),
        sources=np.full(count, "shop"),
        ids=np.arange(count).astype(str),
        violating=truth.any(axis=1),
    )


def measured(scored: ScoredRows, policies: PolicySet, **more):
    return measure_guarantees(scored, policies, CONFIG, resamples=60, progress=lambda _: None, **more)


def test_thresholds_are_certified_and_hardly_ever_miss(policies):
    found = measured(rows(1), policies)
    assert set(found) == {BLOCK, RELEASE}
    for one in (found[BLOCK][CODE], found[RELEASE][CODE]):
        assert one.certified >= 30
        assert one.share.value <= one.promised


def test_certificates_that_promise_less_are_seen_to_miss_more(policies):
    careless = replace(CONFIG, confidence=0.2)
    found = measure_guarantees(rows(1), policies, careless, resamples=60, progress=lambda _: None)
    assert found[RELEASE][CODE].promised == pytest.approx(0.8)
    assert found[RELEASE][CODE].share.value > 0.3


def test_reposts_are_no_evidence(policies):
    few = rows(2, count=400)
    twice = {name: np.repeat(getattr(few, name), 2, axis=0) for name in (*BY_CELL, *BY_ROW) if name != "outcomes"}
    reposted = replace(few, **twice | {"ids": np.arange(800).astype(str)})
    assert measured(reposted, policies) == measured(few, policies)


def test_the_worst_policy_speaks_for_its_kind():
    one, other = (Guarantee(100, 80, above, 0.05, Estimate(above / 100, 0.0, 0.1)) for above in (4, 1))
    metrics = guarantee_metrics({BLOCK: {"a/b": one, "a/c": other}})
    assert metrics["guarantees/block/exceeded"] == metrics["guarantees/block/a.b/exceeded"] == 0.04
    assert metrics["guarantees/block/exceeded_of_certified"] == 5 / 160


def test_the_same_seed_gives_the_same_numbers(policies):
    assert measured(rows(3), policies, seed=4) == measured(rows(3), policies, seed=4)


def test_every_draw_is_reported(policies):
    done: list[int] = []
    measure_guarantees(rows(1, count=400), policies, CONFIG, resamples=7, progress=done.append)
    assert sum(done) == 7
