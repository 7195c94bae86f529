"""Cases get their evidence after the answer, while nothing waits: by the right bundle, once, and never a blind one."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from fairstall.model.assess import Assessor, assess_listings
from fairstall.model.control import ControlSample, ListingShare
from fairstall.model.errors import StoreUnavailable
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.model.scorer import OnnxScorer
from fairstall.records.case_evidence import spans_from_body
from fairstall.records.engine import reading, writing
from fairstall.records.ledger import CaseReason, Ledger, NewCase
from fairstall.records.tables import case_evidence, cases
from fairstall.serving import explaining as module
from fairstall.serving.batcher import Batcher
from fairstall.serving.entries import ledger_entry
from fairstall.serving.explaining import Explaining
from fairstall.serving.limits import Limits
from fairstall.serving.metrics import Telemetry
from fairstall.serving.reload import Canary, ModelInService

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)


@pytest.fixture
def stored(monkeypatch):
    """Waits until so many cases were explained and stored."""
    done, keep = threading.Semaphore(0), module.keep_evidence

    def told(engine, explained):
        keep(engine, explained)
        done.release()

    monkeypatch.setattr(module, "keep_evidence", told)

    def wait_for(count):
        for _ in range(count):
            assert done.acquire(timeout=30)

    return wait_for


@pytest.fixture
def make_explaining(policies, tiny_bundle):
    """A factory of what explains the cases of a store, once it is started: `make_explaining(engine, model=...)`."""
    made = []

    def make(engine, *, model=None, **changes):
        model = model or ModelInService(batcher_of(tiny_bundle, policies), Telemetry())
        parts = {"telemetry": Telemetry(), "clock": lambda: NOW, "most_waiting": 100} | changes
        made.append((Explaining(engine, model, **parts), model))
        return made[-1][0]

    yield make
    for explaining, model in made:
        model.close()
        explaining.close()


@pytest.fixture
def open_case(policies, tiny_bundle):
    """A factory of stored cases as serving opens them: `open_case(engine, title)`; the decided case."""
    assessor, scorer = Assessor(tiny_bundle, policies), OnnxScorer(tiny_bundle)

    def make(engine, title="An ivory figure", *, at=LONG_AGO, **changes) -> NewCase:
        listing = Listing(time_ordered_id(at), "s-1", title, "")
        assessment = assess_listings(assessor, [scorer], [listing])[0]
        entry = ledger_entry(listing, assessment, assessor, now=at, fingerprint=None)
        entry = replace(entry, case=replace(entry.case, **changes))
        Ledger(engine).append([entry])
        return entry.case

    return make


def batcher_of(bundle, policies) -> Batcher:
    return Batcher(Assessor(bundle, policies), [OnnxScorer(bundle)], Limits())


def found(engine) -> dict[str, list[tuple[str, int, int]]]:
    with reading(engine) as connection:
        rows = connection.execute(select(case_evidence)).all()
    return {row.case_id: [(one.policy, one.start, one.end) for one in spans_from_body(row.body)] for row in rows}


def metric(telemetry, name):
    lines = telemetry.text().decode().splitlines()
    return [line.rpartition(" ")[2] for line in lines if line.startswith(name)]


def test_a_listing_that_goes_to_review_gets_its_evidence_after_the_answer(
    engine, make_parts, serve_parts, a_listing, stored
):
    parts = make_parts(engine)
    explaining = Explaining(engine, parts.model, parts.telemetry, parts.clock, most_waiting=10)
    with serve_parts(replace(parts, explaining=explaining)) as served:
        answer = served.score(a_listing(1, "An ivory figure")).json()
        served.score(a_listing(2))
        stored(1)
        metrics = served.client.get("/metrics").text
    assert answer["outcome"] == "review"
    assert found(engine) == {answer["case_id"]: [("prohibited/wildlife", 3, 8)]}
    assert 'fairstall_evidence_cases_total{result="found"} 1.0' in metrics
    assert "fairstall_evidence_seconds_count 1.0" in metrics


def test_a_blind_case_is_never_explained(engine, make_parts, serve_parts, a_listing, stored):
    parts = make_parts(engine, control=ControlSample(b"k" * 32, 1.0))
    explaining = Explaining(engine, parts.model, parts.telemetry, parts.clock, most_waiting=10)
    with serve_parts(replace(parts, explaining=explaining)) as served:
        blind = served.score(a_listing(1, "Heroin")).json()
        shown = served.score(a_listing(2, "An ivory figure")).json()
        stored(1)
    assert (blind["outcome"], shown["outcome"]) == ("block", "review")
    with reading(engine) as connection:
        reasons = connection.execute(select(cases.c.reason)).scalars().all()
    assert sorted(reasons) == ["control", "uncertain"]
    assert set(found(engine)) == {shown["case_id"]}


def test_cases_that_were_left_are_found_in_the_store_the_most_urgent_first(
    engine, open_case, make_explaining, stored, monkeypatch
):
    monkeypatch.setattr(module, "SWEPT_AT_ONCE", 1)
    order, keep = [], module.keep_evidence
    monkeypatch.setattr(module, "keep_evidence", lambda engine, one: (order.append(one.case_id), keep(engine, one)))
    low, high = (open_case(engine, priority=priority).case_id for priority in (0.2, 0.9))
    open_case(engine, reason=CaseReason.CONTROL)
    open_case(engine, at=NOW)  # whoever opened it just now explains it
    make_explaining(engine).start()
    stored(2)
    assert order == [high, low]


def test_what_there_is_no_room_for_is_left_to_the_next_look_at_the_store(engine, open_case, make_explaining, stored):
    both = [open_case(engine) for _ in range(2)]
    explaining = make_explaining(engine, most_waiting=1)
    for case in both:
        explaining.offer(case)
    explaining.start()
    stored(2)
    assert set(found(engine)) == {case.case_id for case in both}


def test_a_case_that_was_decided_meanwhile_is_not_explained(sqlite_engine, open_case, make_explaining, stored):
    decided, waits = open_case(sqlite_engine, at=NOW, priority=1.0), open_case(sqlite_engine, at=NOW)
    with writing(sqlite_engine) as connection:
        connection.execute(update(cases).where(cases.c.case_id == decided.case_id).values(state="decided"))
    explaining = make_explaining(sqlite_engine)
    for case in (decided, waits):
        explaining.offer(case)
    explaining.start()
    stored(1)
    assert set(found(sqlite_engine)) == {waits.case_id}


def test_two_on_one_store_explain_all_cases_and_none_is_stored_twice(engine, open_case, make_explaining, stored):
    opened = {open_case(engine).case_id for _ in range(6)}
    for _ in range(2):
        make_explaining(engine).start()
    while set(found(engine)) != opened:
        stored(1)


def test_evidence_waits_while_a_listing_is_under_way(
    sqlite_engine, open_case, make_explaining, stored, tiny_bundle, policies
):
    asked, scorer = threading.Event(), Held(tiny_bundle)

    class Watched(ModelInService):
        def wait_until_idle(self):
            asked.set()
            super().wait_until_idle()

    model = Watched(Batcher(Assessor(tiny_bundle, policies), [scorer], Limits(deadline_s=60)), Telemetry())
    open_case(sqlite_engine)
    with ThreadPoolExecutor() as pool:
        scored = pool.submit(asyncio.run, model.batcher.score(Listing("l-2", "s", "pistol", "")))
        assert scorer.entered.wait(20)
        make_explaining(sqlite_engine, model=model).start()
        assert asked.wait(20)
        assert (scorer.batches, found(sqlite_engine)) == ([1], {})
        scorer.gate.set()
        scored.result()
    stored(1)
    assert len(scorer.batches) > 2
    assert set(scorer.batches) == {1}


class Held:
    """A real scorer behind a gate that counts the windows of each batch as they come."""

    def __init__(self, bundle):
        self.scorer, self.batches = OnnxScorer(bundle), []
        self.entered, self.gate = threading.Event(), threading.Event()

    def run(self, windows):
        self.batches.append(len(windows))
        self.entered.set()
        self.gate.wait()
        return self.scorer.run(windows)


@pytest.mark.parametrize("decided_by_canary", [True, False])
def test_the_bundle_that_decided_is_asked_or_else_the_champion(
    sqlite_engine,
    open_case,
    make_explaining,
    stored,
    make_tiny_bundle,
    policies,
    tmp_path,
    tiny_bundle,
    decided_by_canary,
):
    champion = make_tiny_bundle(tmp_path / "new", name="new")
    model = ModelInService(batcher_of(champion, policies), Telemetry())
    if decided_by_canary:
        model.set_canary(Canary(batcher_of(tiny_bundle, policies), ListingShare(b"", "canary", 0.5)))
    open_case(sqlite_engine)
    make_explaining(sqlite_engine, model=model).start()
    stored(1)
    with reading(sqlite_engine) as connection:
        asked = connection.execute(select(case_evidence.c.model_version)).scalar_one()
    assert asked == (tiny_bundle if decided_by_canary else champion).version


def test_a_case_that_the_model_fails_at_is_logged_and_counted_and_not_tried_again(
    sqlite_engine, open_case, make_explaining, stored, gated, tiny_bundle, policies, caplog
):
    pistol = Assessor(tiny_bundle, policies).prepare(Listing("l", "s", "pistol", "")).windows.ids[0][1]
    batcher, scorer = gated(poison=pistol)
    scorer.gate.set()
    model = ModelInService(batcher, telemetry := Telemetry())
    failing, fine = (open_case(sqlite_engine, title) for title in ("A pistol", "An ivory figure"))
    make_explaining(sqlite_engine, model=model, telemetry=telemetry).start()
    stored(2)
    assert found(sqlite_engine) == {failing.case_id: [], fine.case_id: [("prohibited/wildlife", 3, 8)]}
    assert metric(telemetry, 'fairstall_evidence_cases_total{result="failed"}') == ["1.0"]
    assert failing.case_id in caplog.text


def test_evidence_that_the_store_does_not_take_is_found_again(
    sqlite_engine, open_case, make_explaining, stored, monkeypatch, caplog
):
    monkeypatch.setattr(module, "SWEEP_EVERY_S", 0.0)
    refused, keep = threading.Event(), module.keep_evidence

    def refusing(engine, explained):
        if not refused.is_set():
            refused.set()
            raise StoreUnavailable("the store is away")
        keep(engine, explained)

    monkeypatch.setattr(module, "keep_evidence", refusing)
    case = open_case(sqlite_engine)
    make_explaining(sqlite_engine).start()
    stored(1)
    assert set(found(sqlite_engine)) == {case.case_id}
    assert "the store is away" in caplog.text
