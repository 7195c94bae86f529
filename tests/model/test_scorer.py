from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fairstall.model.bundle import MODEL_FILE, Bundle, seal_bundle
from fairstall.model.encoding import bundle_encoder
from fairstall.model.errors import BundleError
from fairstall.model.listing import Listing
from fairstall.model.scorer import OnnxScorer, run_side_by_side, similar_length_batches
from fairstall.model.view import view_listing


def test_batches_hold_every_index_once_and_only_similar_lengths() -> None:
    lengths = [int(n) for n in np.random.default_rng(7).integers(3, 128, size=500)]
    batches = similar_length_batches(lengths, at_most=4)
    assert sorted(index for batch in batches for index in batch) == list(range(500))
    for batch in batches:
        assert len(batch) <= 4
        assert max(lengths[i] for i in batch) <= min(lengths[i] for i in batch) * 1.1


def test_logits_come_back_in_the_order_of_the_windows(tiny_bundle: Bundle) -> None:
    encoder = bundle_encoder(tiny_bundle)
    titles = ["heroin", "a long title about a book of toy models " * 3, "pistol", "plain", "ivory", "heroin book"]
    cut = [encoder.windows(view_listing(Listing("l", "s", title, ""))).ids[0] for title in titles]
    scorer = OnnxScorer(tiny_bundle)
    together = run_side_by_side([scorer, OnnxScorer(tiny_bundle)], cut)
    alone = np.concatenate([scorer.run([window]) for window in cut])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_graph_that_is_no_graph_is_refused_by_name(make_tiny_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path)
    (tmp_path / MODEL_FILE).write_bytes(b"not a graph")
    with pytest.raises(BundleError, match=r"model\.onnx cannot be run"):
        OnnxScorer(seal_bundle(tmp_path, bundle.facts))


def test_a_graph_for_other_labels_is_refused(make_tiny_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    four, one = make_tiny_bundle(tmp_path / "4"), make_tiny_bundle(tmp_path / "1", labels=("prohibited/drugs",))
    (one.folder / MODEL_FILE).write_bytes(four.model.read_bytes())
    with pytest.raises(BundleError, match="gives 4 logits for 1 labels"):
        OnnxScorer(seal_bundle(one.folder, one.facts))
