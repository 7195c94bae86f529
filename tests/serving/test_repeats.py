"""An equal text is not read by the model twice, and everything but its scores is done anew."""

import asyncio

import numpy as np

from fairstall.model.assess import assess_listings
from fairstall.model.listing import Listing
from fairstall.model.scorer import OnnxScorer
from fairstall.records.ledger import Ledger
from fairstall.serving.limits import Limits
from fairstall.serving.repeats import Repeats

LONG = "good as new, hardly used, " * 20


def test_windows_are_told_apart_by_their_ids_and_their_bounds():
    repeats = Repeats(10)
    repeats.keep([[1, 2], [3]], np.array([[0.5, -1.0], [0.25, 2.0]], dtype=np.float32))
    assert repeats.find(((1, 2), (3,))).tolist() == [[0.5, 2.0]]
    for other in ([[1, 2, 3]], [[1], [2, 3]], [[1, 2]], [[1, 2], [4]], []):
        assert repeats.find(other) is None


def test_the_texts_that_were_asked_for_longest_ago_are_forgotten():
    repeats, logits = Repeats(2), np.zeros((1, 1), dtype=np.float32)
    for token in (1, 2):
        repeats.keep([[token]], logits)
    assert repeats.find([[1]]) is not None
    repeats.keep([[3]], logits)
    assert [repeats.find([[token]]) is not None for token in (1, 2, 3)] == [True, False, True]


def test_a_repeat_runs_no_model_and_scores_as_it_would(tiny_bundle, gated):
    batcher, scorer = gated(Limits(deadline_s=60))
    scorer.gate.set()
    wanted = [Listing(f"l-{n}", "s", title, LONG) for n, title in enumerate(("pistol", "heroin", "PISTOL ", "chair"))]
    scored = [asyncio.run(batcher.score(listing)) for listing in wanted]
    assert [one.repeated for one in scored] == [False, False, True, False]
    assert [one.assessment for one in scored] == assess_listings(batcher.assessor, [OnnxScorer(tiny_bundle)], wanted)
    windows = len(batcher.assessor.prepare(wanted[0]).windows.ids)
    assert windows > 1
    assert sum(map(len, scorer.batches)) == 3 * windows
    assert scored[2].timings_ms["score"] < 1_000


def test_evidence_of_a_repeat_is_that_of_its_own_text(gated):
    batcher, scorer = gated()
    scorer.gate.set()
    plain = asyncio.run(batcher.score(Listing("l-1", "s", "old pistol", "")))
    disguised = asyncio.run(batcher.score(Listing("l-2", "s", "old  p\u200bistol", "")))
    assert disguised.repeated
    spans = [[(e.start, e.end) for f in one.assessment.findings for e in f.evidence] for one in (plain, disguised)]
    assert spans == [[(4, 10)], [(5, 12)]]


def test_with_nothing_remembered_every_text_is_read(gated):
    batcher, scorer = gated(Limits(remembered_texts=0))
    scorer.gate.set()
    assert [asyncio.run(batcher.score(Listing("l", "s", "chair", ""))).repeated for _ in range(2)] == [False, False]


def test_a_repeat_is_a_decision_of_its_own_and_says_what_it_is(served, a_listing):
    first, second = served.score(a_listing(1)).json(), served.score(a_listing(2, title="GARDEN chair")).json()
    assert (first["repeated"], second["repeated"]) == (False, True)
    assert first["decision_id"] != second["decision_id"]
    stored = Ledger(served.parts.engine).find(second["decision_id"])
    assert stored.repeated
    assert stored.listing_id == "l-2"
    assert served.client.get(f"/v1/decisions/{second['decision_id']}").json()["repeated"] is True
    assert "fairstall_repeats_total 1.0" in served.client.get("/metrics").text
