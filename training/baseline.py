"""TF-IDF with logistic regression on the same rows and splits: the yardstick trained and logged with every run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairstall.model.view import view_listing
from fairstall.training.config import TrainingConfig
from fairstall.training.rows import Row
from fairstall.training.sampling import training_pass
from fairstall.training.scoring import Matrix

FEATURES = 200_000


@dataclass(frozen=True, slots=True)
class Baseline:
    """One linear model a policy over words and pairs of words; a policy without both kinds of rows has none."""

    vectoriser: Any
    models: tuple[Any | None, ...]

    def probabilities(self, rows: Sequence[Row]) -> Matrix:
        """(rows, policies); 0 for a policy that could not be learned."""
        if not rows:
            return np.zeros((0, len(self.models)))
        features = self.vectoriser.transform([view_text(row) for row in rows])
        columns = [model.predict_proba(features)[:, 1] if model else np.zeros(len(rows)) for model in self.models]
        return np.column_stack(columns)


def view_text(row: Row) -> str:
    """Title and description in the canonical view, as the transformer reads them."""
    view = view_listing(row.listing())
    return f"{view.title.text}\n{view.description.text}"


def train_baseline(rows: Sequence[Row], config: TrainingConfig) -> Baseline:
    """Fits on one balanced pass over `rows`, each label weighted by its trust, as in tuning."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    seen = training_pass(rows, config.sampling, seed=config.seed)
    vectoriser = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), max_features=FEATURES, dtype=np.float32)
    features = vectoriser.fit_transform([view_text(row) for row in seen])
    labels = np.array([row.labels for row in seen])
    weights = np.array([[trust * row.weight for trust in row.trust] for row in seen])
    columns = range(labels.shape[1])
    return Baseline(vectoriser, tuple(_fit(features, labels[:, i], weights[:, i], config.seed) for i in columns))


def _fit(features: Any, labels: Any, weights: Any, seed: int) -> Any | None:
    from sklearn.linear_model import LogisticRegression

    known = weights > 0
    if not 0 < labels[known].sum() < known.sum():
        return None
    model = LogisticRegression(C=5.0, max_iter=200, solver="liblinear", random_state=seed)
    return model.fit(features[known], labels[known] > 0, sample_weight=weights[known])
