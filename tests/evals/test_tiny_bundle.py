"""The shared tiny bundle is a real one: it opens, it runs, and it is small."""

import numpy as np

from fairstall.model.bundle import open_bundle
from fairstall.model.scorer import OnnxScorer


def test_tiny_bundle_opens_and_is_a_few_kilobytes(tiny_bundle):
    assert open_bundle(tiny_bundle.folder).version == tiny_bundle.version
    assert sum(file.stat().st_size for file in tiny_bundle.folder.iterdir()) < 12_000


def test_tiny_bundle_gives_a_known_word_a_high_logit_for_its_policy_alone(tiny_bundle):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tiny_bundle.tokenizer))
    windows = [tokenizer.encode(text).ids for text in ("pure Heroin for sale", "garden chair", "toy pistol")]
    scorer = OnnxScorer(tiny_bundle)
    logits = np.vstack([scorer.run([window]) for window in windows])
    np.testing.assert_allclose(logits[0], [4, -5, -5, -5])
    np.testing.assert_allclose(logits[1], [-5] * 4)
    np.testing.assert_allclose(logits[2], [-5, -2, -7, -5])


def test_padding_does_not_change_the_logits(tiny_bundle):
    scorer = OnnxScorer(tiny_bundle)
    together = scorer.run([[2, 5, 3], [2, 6, 7, 8, 3]])
    np.testing.assert_array_equal(together[:1], scorer.run([[2, 5, 3]]))


def test_factory_changes_facts_and_words(make_tiny_bundle, tmp_path):
    changed = make_tiny_bundle(tmp_path, name="other", words={"crossbow": {"prohibited/weapons": 9.0}})
    assert changed.version.startswith("other-")
    assert OnnxScorer(changed).run([[2, 5, 3]])[0].tolist() == [-5, 4, -5, -5]
