"""Hard negatives: compliant training rows that the probe takes for violations, so that tuning sees them."""

import hashlib
from collections.abc import Sequence

import numpy as np

from fairstall.model.encoding import Encoder
from fairstall.training.config import TrainingConfig
from fairstall.training.examples import training_examples
from fairstall.training.network import ListingClassifier
from fairstall.training.probe import embed_examples
from fairstall.training.progress import Progress, Report
from fairstall.training.rows import JUDGED_TRUST, Row
from fairstall.training.scoring import Matrix

ORDINARY = 0.9985  # logits are counted from this quantile of the pool, so that no policy fills the whole list
POOL_ROWS = 8000


def hard_negatives(
    model: ListingClassifier, rows: Sequence[Row], encoder: Encoder, config: TrainingConfig, report: Report
) -> list[Row]:
    """The `hard_rows` real compliant rows in a covered language that `model` is most mistaken about, hardest first.

    Looked for among 8,000 of them, chosen by a hash of their ids. A label that is hardly trusted makes no mistake.
    """
    pool = [row for row in rows if row.real and row.compliant and row.language in config.languages]
    pool = sorted(pool, key=lambda row: hashlib.sha256(row.id.encode()).digest())[:POOL_ROWS]
    if not pool or not config.sampling.hard_rows:
        return []
    examples = training_examples(pool, encoder, most_windows=1)
    embeddings = embed_examples(
        model, examples, bf16=config.tune.bf16, report=lambda done: report(Progress("mine", done, len(pool), 0.0))
    )
    logits = (embeddings @ model.head.weight.T + model.head.bias).detach().numpy().astype(np.float64)
    order = np.argsort(-mistakes(logits, np.array([row.trust for row in pool])), kind="stable")
    return [pool[index] for index in order[: config.sampling.hard_rows]]


def mistakes(logits: Matrix, trust: Matrix) -> Matrix:
    """(rows,) how far a compliant row's worst policy lies above what is ordinary for that policy."""
    above = logits - np.quantile(logits, ORDINARY, axis=0)
    worst: Matrix = np.where(trust >= JUDGED_TRUST, above, -np.inf).max(axis=1)
    return worst
