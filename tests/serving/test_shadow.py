"""A shadow is scored after the answer: it waits its turn, is dropped, fails, and never changes an answer."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import httpx
import pytest

from fairstall.model.assess import Assessor, assess_listings
from fairstall.model.control import NO_CONTROL, ListingShare
from fairstall.model.decide import Outcome
from fairstall.model.decision import Decision
from fairstall.model.deployed import Beside, Deployments, Role
from fairstall.model.errors import StoreUnavailable
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.model.scorer import OnnxScorer
from fairstall.records.keys import Scope, create_key
from fairstall.records.shadow import disagreements, pair_counts, record_comparisons
from fairstall.serving import shadow as shadow_module
from fairstall.serving.app import create_app
from fairstall.serving.limits import Limits
from fairstall.serving.metrics import Telemetry
from fairstall.serving.shadow import Decided, Shadow, ShadowParts
from fairstall.serving.shadowing import Shadowing

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
LONG = "good as new, hardly used, " * 20
WHOLE = ListingShare(b"", "shadow", 1.0)


class Kept:
    """A store that keeps comparisons in memory, or in one behind it, and can be waited for."""

    def __init__(self, behind=lambda _comparisons: None):
        self.changed, self.comparisons, self.behind = threading.Condition(), [], behind

    def __call__(self, comparisons):
        self.behind(comparisons)
        with self.changed:
            self.comparisons += comparisons
            self.changed.notify_all()

    def wait_for(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.comparisons) >= count, timeout=20)
        return self.comparisons

    @property
    def pairs(self):
        return [(str(one.decision.outcome), str(one.shadow.outcome)) for one in self.comparisons]


@pytest.fixture(autouse=True)
def stored_at_once(monkeypatch):
    monkeypatch.setattr(shadow_module, "STORE_AFTER_S", 0.0)


@pytest.fixture(scope="module")
def strict_bundle(make_tiny_bundle, tiny_words, tmp_path_factory):
    """A bundle that blocks chairs as drugs."""
    words = {**tiny_words, "chair": {"prohibited/drugs": 9.0}}
    return make_tiny_bundle(tmp_path_factory.mktemp("strict") / "strict", name="strict", words=words)


@pytest.fixture
def policies(gated):
    return gated()[0].assessor.policies


@pytest.fixture
def make_shadow(strict_bundle, policies):
    """A factory of shadows that see every listing: `make_shadow(store, scorer=..., **changes)`."""
    made = []

    def make(store, **changes):
        parts = {
            "scorer": OnnxScorer(strict_bundle),
            "sample": WHOLE,
            "wait_until_idle": lambda: None,
            "telemetry": Telemetry(),
            "clock": lambda: NOW,
            "most_tokens": 1_000,
        } | changes
        made.append(Shadow(Assessor(strict_bundle, policies), store=store, **parts))
        return made[-1]

    yield make
    for shadow in made:
        shadow.close()
        shadow.join()


@pytest.fixture
def decided(tiny_bundle, policies):
    """A factory of decisions of the champion: `decided(title, description)`."""
    champion, scorer = Assessor(tiny_bundle, policies), OnnxScorer(tiny_bundle)

    def make(title="Garden chair", description="", listing_id="l-1"):
        listing = Listing(listing_id, "s-1", title, description)
        assessment = assess_listings(champion, [scorer], [listing])[0]
        decision = Decision(time_ordered_id(NOW), listing_id, "s-1", NOW, assessment)
        return Decided(decision, champion.prepare(listing), champion)

    return make


def metric(telemetry, name):
    lines = telemetry.text().decode().splitlines()
    return [line.rpartition(" ")[2] for line in lines if line.startswith(name)]


@pytest.fixture
def shadowed(engine, make_parts, policies, tmp_path):
    """Parts of an app with the models folder that names its shadow, and a store that can be waited for; on both."""
    parts = make_parts(engine)
    kept = Kept(partial(record_comparisons, engine))
    made_of = ShadowParts(
        policies=policies,
        control=NO_CONTROL,
        wait_until_idle=parts.model.wait_until_idle,
        store=kept,
        telemetry=parts.telemetry,
        clock=lambda: NOW,
        most_tokens=Limits().shadow_tokens,
    )
    shadowing = Shadowing(tmp_path / "models", made_of.open, parts.telemetry)
    return replace(parts, shadowing=shadowing), Deployments(tmp_path / "models"), kept


def test_what_a_shadow_would_have_decided_is_recorded_and_the_answer_is_the_champions(
    shadowed, serve_parts, strict_bundle, tiny_bundle, a_listing
):
    parts, deployments, kept = shadowed
    deployments.put_beside(Role.SHADOW, strict_bundle, share=1.0, since="2026-11-27T12:00:00Z")
    assert asyncio.run(parts.shadowing.look()) is True
    with serve_parts(parts) as served:
        one = served.score(a_listing(1)).json()
        served.client.post("/v1/score/batch", json=[a_listing(2, "Garden table", description="Of oak.")])
        kept.wait_for(2)
        metrics = served.client.get("/metrics").text
    assert (one["outcome"], one["versions"]["model"]) == ("approve", tiny_bundle.version)
    counted = pair_counts(parts.engine, strict_bundle.version)
    assert [(str(p.before), str(p.after), p.compared, p.disagreed) for p in counted] == [
        ("approve", "approve", 1, 0),
        ("approve", "block", 1, 1),
    ]
    (found,) = disagreements(parts.engine, strict_bundle.version, tiny_bundle.version)
    assert found.decision_id == one["decision_id"]
    assert [(f.policy, str(f.band)) for f in found.after.findings] == [("prohibited/drugs", "high")]
    assert 'fairstall_shadow_compared_total{after="block",before="approve"} 1.0' in metrics
    for bundle, role in ((tiny_bundle, "champion"), (strict_bundle, "shadow")):
        assert f'{{model="{bundle.version}",policies="test-000000000000",role="{role}"}} 1.0' in metrics


def test_a_request_that_is_refused_or_repeated_is_not_compared(shadowed, serve_parts, strict_bundle, a_listing):
    parts, deployments, kept = shadowed
    deployments.put_beside(Role.SHADOW, strict_bundle, share=1.0, since="2026-11-27T12:00:00Z")
    asyncio.run(parts.shadowing.look())
    with serve_parts(parts) as served:
        for _ in range(2):
            assert served.score(a_listing(1), headers={"Idempotency-Key": '"once"'}).status_code == 200
        assert served.score({}).status_code == 422
        served.score(a_listing(2))
        compared = [one.decision.listing_id for one in kept.wait_for(2)]
    assert compared == ["l-1", "l-2"]


def test_a_shadow_is_taken_up_changed_and_cleared_while_the_service_runs(
    shadowed, strict_bundle, make_tiny_bundle, tmp_path
):
    parts, deployments, _ = shadowed
    at, look = "2026-11-27T12:00:00Z", lambda: asyncio.run(parts.shadowing.look())
    assert look() is False
    other = make_tiny_bundle(tmp_path / "other", name="other")
    for bundle in (strict_bundle, other):
        deployments.put_beside(Role.SHADOW, bundle, share=1.0, since=at)
        assert [look(), look()] == [True, False]
        text = parts.telemetry.text().decode()
        assert text.count('role="shadow"') == 1
        assert f'model="{bundle.version}",policies="test-000000000000",role="shadow"' in text
    deployments.clear(Role.SHADOW)
    assert look() is False
    assert 'role="shadow"' not in parts.telemetry.text().decode()
    parts.model.close()


def test_a_broken_shadow_is_refused_and_counted_and_the_service_goes_on(
    shadowed, serve_parts, strict_bundle, a_listing, tmp_path, caplog
):
    parts, deployments, kept = shadowed
    deployments.put_beside(Role.SHADOW, strict_bundle, share=1.0, since="2026-11-27T12:00:00Z")
    (tmp_path / "models" / strict_bundle.version / "model.onnx").unlink()
    assert asyncio.run(parts.shadowing.look()) is False
    assert metric(parts.telemetry, 'fairstall_shadow_failed_total{stage="load"}') == ["1.0"]
    assert "model.onnx" in caplog.text
    with serve_parts(parts) as served:
        assert served.score(a_listing()).status_code == 200
    assert kept.comparisons == []


def test_answers_do_not_wait_for_a_shadow_that_hangs(
    sqlite_engine, make_parts, serve_parts, make_shadow, gated_strict, a_listing, tmp_path
):
    kept, parts = Kept(), make_parts(sqlite_engine)
    shadow = make_shadow(kept, scorer=gated_strict, wait_until_idle=parts.model.wait_until_idle)
    deployments = Deployments(tmp_path / "models")
    deployments.put_beside(Role.SHADOW, shadow.assessor.bundle, share=1.0, since="2026-11-27T12:00:00Z")
    shadowing = Shadowing(tmp_path / "models", lambda _bundle, _beside: shadow, parts.telemetry)
    asyncio.run(shadowing.look())
    with serve_parts(replace(parts, shadowing=shadowing)) as served:
        assert served.score(a_listing(1)).status_code == 200
        assert gated_strict.entered.wait(20)
        assert [served.score(a_listing(n)).status_code for n in (2, 3)] == [200, 200]
        assert kept.comparisons == []
        gated_strict.gate.set()
        kept.wait_for(3)


@pytest.fixture
def gated_strict(strict_bundle, gated):
    """A scorer of the strict bundle behind a gate."""
    gate_kind = type(gated()[1])
    scorer = gate_kind(strict_bundle)
    yield scorer
    scorer.gate.set()


def test_a_shadow_is_offered_a_listing_when_its_answer_is_out(
    sqlite_engine, make_parts, a_listing, strict_bundle, tmp_path
):
    """The app is called as a server calls it, to see what comes first."""
    happened, parts = [], make_parts(sqlite_engine)

    class Watched(Shadowing):
        def offer(self, decided):
            happened.append("offered")

    watched = Watched(tmp_path / "models", lambda _bundle, _beside: None, parts.telemetry)
    app = create_app(replace(parts, shadowing=watched))
    secret = create_key(sqlite_engine, "shop", Scope.SCORE, now=NOW).secret
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    async def watching(scope, receive, send):
        async def told(message):
            await send(message)
            happened.append(message["type"])

        await app(scope, receive, told)

    async def ask():
        transport = httpx.ASGITransport(watching)
        async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers) as client:
            for more in ({}, {"Idempotency-Key": '"once"'}):
                assert (await client.post("/v1/score", json=a_listing(), headers=more)).status_code == 200

    asyncio.run(ask())
    parts.model.close()
    assert happened == ["http.response.start", "http.response.body", "offered"] * 2


def test_a_shadow_waits_until_no_listing_is_under_way(gated, make_shadow, gated_strict, decided):
    batcher, champion = gated(Limits(deadline_s=60))
    gated_strict.gate.set()
    asked = threading.Event()

    def wait_until_idle():
        asked.set()
        batcher.wait_until_idle()

    shadow, kept = None, Kept()
    with ThreadPoolExecutor() as pool:
        scored = pool.submit(asyncio.run, batcher.score(Listing("l-2", "s", "pistol", "")))
        assert champion.entered.wait(20)
        shadow = make_shadow(kept, scorer=gated_strict, wait_until_idle=wait_until_idle)
        shadow.offer(decided())
        assert asked.wait(20)
        assert not gated_strict.entered.is_set()
        champion.gate.set()
        scored.result()
    kept.wait_for(1)
    assert gated_strict.entered.is_set()


def test_a_shadow_makes_way_between_the_windows_of_a_long_text(make_shadow, gated_strict, decided):
    gated_strict.gate.set()
    asked, kept, long = [], Kept(), decided(description=LONG)
    make_shadow(kept, scorer=gated_strict, wait_until_idle=lambda: asked.append(len(gated_strict.batches))).offer(long)
    kept.wait_for(1)
    windows = len(long.prepared.windows.ids)
    assert windows > 1
    assert asked[: windows + 1] == [0, *range(windows)]


def test_what_a_busy_shadow_has_no_room_for_is_dropped_and_counted(make_shadow, gated_strict, decided):
    telemetry, kept, one = Telemetry(), Kept(), decided()
    shadow = make_shadow(kept, scorer=gated_strict, telemetry=telemetry, most_tokens=2 * one.tokens)
    shadow.offer(one)
    assert gated_strict.entered.wait(20)
    for _ in range(5):
        shadow.offer(one)
    assert metric(telemetry, "fairstall_shadow_dropped_total") == ["3.0"]
    gated_strict.gate.set()
    assert len(kept.wait_for(3)) == 3


def test_a_listing_that_a_shadow_fails_on_is_counted_and_the_next_one_is_compared(
    make_shadow, gated, strict_bundle, policies, decided, caplog
):
    failing = decided("heroin")
    poison = Assessor(strict_bundle, policies).prepare(failing.prepared.listing).windows.ids[0][1]
    scorer = type(gated()[1])(strict_bundle, poison=poison)
    scorer.gate.set()
    telemetry, kept = Telemetry(), Kept()
    shadow = make_shadow(kept, scorer=scorer, telemetry=telemetry)
    for one in (failing, decided()):
        shadow.offer(one)
    assert len(kept.wait_for(1)) == 1
    assert kept.pairs == [("approve", "block")]
    assert metric(telemetry, 'fairstall_shadow_failed_total{stage="score"}') == ["1.0"]
    assert failing.decision.decision_id in caplog.text


def test_comparisons_that_the_store_refuses_are_counted_and_the_shadow_goes_on(make_shadow, decided):
    refused = threading.Event()

    def behind(comparisons):
        if comparisons and not refused.is_set():
            refused.set()
            raise StoreUnavailable

    telemetry, kept = Telemetry(), Kept(behind)
    shadow = make_shadow(kept, telemetry=telemetry)
    shadow.offer(decided())
    assert refused.wait(20)
    shadow.offer(decided())
    kept.wait_for(1)
    assert metric(telemetry, 'fairstall_shadow_failed_total{stage="store"}') == ["1.0"]


def test_only_the_listings_of_its_share_are_compared_and_always_the_same(make_shadow, decided):
    half = ListingShare(b"key", "shadow", 0.5)
    kept, ids = Kept(), [f"l-{n}" for n in range(40)]
    drawn = [listing_id for listing_id in ids if half.draws(listing_id)]
    shadow = make_shadow(kept, sample=half)
    for listing_id in ids:
        shadow.offer(decided(listing_id=listing_id))
    assert 0 < len(drawn) < 40
    assert [one.decision.listing_id for one in kept.wait_for(len(drawn))] == drawn


def test_a_shadow_that_was_promoted_is_not_compared_with_itself(make_shadow, decided):
    kept, one = Kept(), decided()
    shadow = make_shadow(kept)
    shadow.offer(replace(one, assessor=shadow.assessor))
    shadow.offer(one)
    assert len(kept.wait_for(1)) == 1


@pytest.mark.parametrize("reads_alike", [True, False])
def test_a_shadow_decides_as_it_would_alone_and_prepares_only_what_it_reads_otherwise(
    make_tiny_bundle, policies, decided, tmp_path, reads_alike
):
    prepared = []

    class Watched(Assessor):
        def prepare(self, listing):
            prepared.append(listing.listing_id)
            return super().prepare(listing)

    changes = {"name": "alike"} if reads_alike else {"name": "short", "max_tokens": 32, "overlap_tokens": 8}
    bundle, kept = make_tiny_bundle(tmp_path / "second", **changes), Kept()
    shadow = Shadow(
        Watched(bundle, policies),
        OnnxScorer(bundle),
        sample=WHOLE,
        wait_until_idle=lambda: None,
        store=kept,
        telemetry=Telemetry(),
        clock=lambda: NOW,
        most_tokens=10_000,
    )
    one = decided("Old pistol", LONG)
    shadow.offer(one)
    (compared,) = kept.wait_for(1)
    shadow.close()
    shadow.join()
    assert prepared == ([] if reads_alike else ["l-1"])
    alone = assess_listings(Assessor(bundle, policies), [OnnxScorer(bundle)], [one.prepared.listing])
    assert [compared.shadow] == alone
    assert compared.shadow.outcome is Outcome.REVIEW


def test_what_was_compared_is_stored_when_the_shadow_ends_and_what_waits_is_dropped(
    make_shadow, gated_strict, decided, monkeypatch
):
    monkeypatch.setattr(shadow_module, "STORE_AFTER_S", 3_600.0)
    telemetry, kept = Telemetry(), Kept()
    shadow = make_shadow(kept, scorer=gated_strict, telemetry=telemetry)
    shadow.offer(decided())
    assert gated_strict.entered.wait(20)
    shadow.offer(decided())
    shadow.close()
    shadow.offer(decided())
    gated_strict.gate.set()
    shadow.join()
    assert len(kept.comparisons) == 1
    assert metric(telemetry, "fairstall_shadow_dropped_total") == ["1.0"]


def test_a_shadow_is_opened_from_its_mark_with_the_share_that_it_names(strict_bundle, policies, decided):
    kept = Kept()
    made_of = ShadowParts(policies, NO_CONTROL, lambda: None, kept, Telemetry(), lambda: NOW, 1_000)
    shadow = made_of.open(strict_bundle, Beside(strict_bundle.version, 0.0, "2026-11-27T12:00:00Z"))
    shadow.offer(decided())
    shadow.close()
    shadow.join()
    assert kept.comparisons == []
    assert metric(made_of.telemetry, "fairstall_shadow_dropped_total") == ["0.0"]
