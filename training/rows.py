"""One training row and the `datasets` table of them: texts, labels, and how far each label is trusted."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from fairstall.model.listing import Listing

if TYPE_CHECKING:
    import datasets

Split = Literal["train", "calibration", "certification", "test"]
AUTHORED = "authored"
POLICY_WORD = "policy_word"  # a word that a policy names, in a title made for it
JUDGED_TRUST = 0.5  # a label that is trusted less may teach a little, but nothing is measured against it


@dataclass(frozen=True, slots=True)
class Row:
    """A listing with what is known about it.

    `labels`: 1.0 or 0.0 per policy, in the order of the label set. `trust`: how much each label teaches, 0 to 1;
    0 means unknown, and an unknown label takes part in nothing. `weight` multiplies the whole row.
    `real`: a listing, or a person's verdict on one; not a text written for this project.
    """

    id: str
    source: str
    title: str
    description: str
    language: str
    label_kind: str
    labels: tuple[float, ...]
    trust: tuple[float, ...]
    weight: float = 1.0
    real: bool = True

    @property
    def compliant(self) -> bool:
        return not any(self.labels)

    @property
    def judged(self) -> bool:
        """Whether every violation that the row is said to be is trusted enough to measure by."""
        return all(trust >= JUDGED_TRUST for label, trust in zip(self.labels, self.trust, strict=True) if label)

    def listing(self) -> Listing:
        return Listing(self.id, self.source, self.title, self.description, language=self.language)


def rows_dataset(rows: Iterable[Row]) -> "datasets.Dataset":
    """The rows as a `datasets.Dataset`, one column a field."""
    import datasets

    kept = [asdict(row) for row in rows]
    features = datasets.Features(
        {name: datasets.Value("string") for name in ("id", "source", "title", "description", "language", "label_kind")}
        | {name: datasets.List(datasets.Value("float32")) for name in ("labels", "trust")}
        | {"weight": datasets.Value("float32"), "real": datasets.Value("bool")}
    )
    return datasets.Dataset.from_dict({name: [row[name] for row in kept] for name in features}, features=features)


def dataset_rows(dataset: "datasets.Dataset") -> list[Row]:
    """The rows of a table that `rows_dataset` made; columns of other names are passed over."""
    names = list(Row.__dataclass_fields__)
    return [
        Row(**{**{name: row[name] for name in names}, "labels": tuple(row["labels"]), "trust": tuple(row["trust"])})
        for row in dataset
    ]


def content_sha256(rows: Sequence[Row]) -> str:
    """A hash of all rows whatever their order: the same rows give the same hash on every machine."""
    lines = sorted(hashlib.sha256(json.dumps(_plain(row), sort_keys=True).encode()).hexdigest() for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _plain(row: Row) -> Mapping[str, object]:
    return {**asdict(row), "trust": [round(value, 4) for value in row.trust], "weight": round(row.weight, 4)}
