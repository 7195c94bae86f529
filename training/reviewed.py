"""Rows that moderators decided, from an export of labels. The export itself is the review side's."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fairstall.model.errors import CorpusError
from fairstall.training.rows import Row

REVIEWS_SOURCE = "reviews"
LARGEST_WEIGHT = 20.0  # one control row drawn at 1 in 1000 must not outweigh a policy
OTHER_TRUST = 0.3  # a moderator who found one violation did not have to look for the next


def review_rows(file: Path, codes: Sequence[str], *, default_language: str = "en") -> list[Row]:
    """One row a line of `file`: the corpora's format with `decision_id` and `inclusion_probability`.

    A row's weight is 1 / inclusion probability (Horvitz and Thompson 1952), capped. Raises CorpusError, which names
    the line.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"the labels {file} cannot be read: {error}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(_row(json.loads(line), codes, default_language))
        except (KeyError, TypeError, ValueError) as error:
            raise CorpusError(
                f"{file}, line {number}: not an exported label ({type(error).__name__}: {error})"
            ) from error
    return rows


def _row(raw: Mapping[str, Any], codes: Sequence[str], default_language: str) -> Row:
    broken = set(raw["policies"])
    if raw["verdict"] not in ("compliant", "violation") or bool(broken) != (raw["verdict"] == "violation"):
        raise ValueError(f"verdict {raw['verdict']!r} does not go with policies {sorted(broken)}")
    chance = float(raw["inclusion_probability"])
    if not 0 < chance <= 1:
        raise ValueError(f"inclusion_probability is {chance}")
    return Row(
        id=str(raw.get("id") or raw["decision_id"]),
        source=REVIEWS_SOURCE,
        title=raw["title"],
        description=raw["description"],
        language=raw.get("language") or default_language,
        label_kind=raw.get("label_kind", "review"),
        labels=tuple(float(code in broken) for code in codes),
        trust=tuple(1.0 if code in broken or not broken else OTHER_TRUST for code in codes),
        weight=min(1 / chance, LARGEST_WEIGHT),
    )
