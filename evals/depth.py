"""The long-text suite: whether a violation is found wherever it stands in a description of two thousand words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import TYPE_CHECKING

import numpy as np

from fairstall.evals.arrays import Bools
from fairstall.evals.bootstrap import CONFIDENCE, Bootstrap, Estimate, wilson
from fairstall.evals.progress import Progress
from fairstall.evals.recall import Kept, recall_kept
from fairstall.evals.rows import EvalRow
from fairstall.evals.scored import score_rows
from fairstall.evals.slices import flagged

if TYPE_CHECKING:
    from fairstall.model.bundle import Bundle
    from fairstall.model.policies import PolicySet

WORDS = 2000
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
LONGEST_VIOLATION = 80  # words of a violation that are put into the text
FILLINGS = 24  # long innocent texts; each violation is hidden in one of them


@dataclass(frozen=True, slots=True)
class Depth:
    """`kept`: per depth (0 at the top, 1 at the end) the recall kept of that at the top, by the score of the violated
    policy. `false_alarms`: the share of the long innocent texts that any score stops.
    """

    kept: Mapping[float, Kept]
    false_alarms: Estimate
    words: int

    def metrics(self) -> dict[str, float]:
        flat = self.false_alarms.metrics("long_text/false_positive_rate") | {"long_text/words": float(self.words)}
        for depth, kept in self.kept.items():
            flat |= kept.metrics(f"long_text/depth_{100 * depth:.0f}")
        return flat


def measure_depth(
    bundle: "Bundle",
    rows: Sequence[EvalRow],
    *,
    policies: "PolicySet | None" = None,
    words: int = WORDS,
    bootstrap: Bootstrap | None = None,
    progress: Progress | None = None,
) -> Depth | None:
    """Hides each violation among `rows` in the words of compliant ones, at every depth.

    A violation is never hidden in a text that its policy is flagged in already. None when there is nothing to hide, or
    nothing to hide it in.
    """
    bootstrap, thresholds = bootstrap or Bootstrap(), bundle.facts.thresholds
    violations, fillings = [row for row in rows if row.policies], list(_fillings(rows, words))
    if not violations or not fillings:
        return None
    alone = flagged(score_rows(bundle, fillings, policies=policies, progress=progress), thresholds)
    hosts = [_host(row, fillings, alone, bundle.facts.labels, start) for start, row in enumerate(violations)]
    pairs = [(row, host) for row, host in zip(violations, hosts, strict=True) if host is not None]
    kept: dict[float, Kept] = {}
    top: Bools | None = None
    for depth in DEPTHS if pairs else ():
        scored = score_rows(bundle, [_hidden(*pair, depth) for pair in pairs], policies=policies, progress=progress)
        found = flagged(scored, thresholds)
        top = found if top is None else top
        if (share := recall_kept(scored, top, found, bootstrap=bootstrap)) is not None:
            kept[depth] = share
    stopped = float(alone.any(axis=1).mean())
    return Depth(kept, wilson(stopped, len(fillings), confidence=CONFIDENCE), words)


def _fillings(rows: Sequence[EvalRow], words: int) -> Iterator[EvalRow]:
    """Innocent listings of so many words, each made of many compliant ones; no more than their words allow."""
    innocent = [row for row in rows if not row.policies]
    pool = [word for row in innocent for word in f"{row.title}. {row.description}".split()]
    for number in range(min(FILLINGS, len(pool) // words)):
        text = " ".join(pool[number * words : (number + 1) * words])
        yield EvalRow(f"long:{number}", innocent[number].title, text, language=innocent[number].language)


def _host(row: EvalRow, fillings: Sequence[EvalRow], alone: Bools, labels: Sequence[str], start: int) -> EvalRow | None:
    columns = [labels.index(code) for code in row.policies if code in labels]
    for number in islice(cycle(range(len(fillings))), start, start + len(fillings)):
        if not np.any(alone[number, columns]):
            return fillings[number]
    return None


def _hidden(row: EvalRow, host: EvalRow, depth: float) -> EvalRow:
    violation = f"{row.title}. {row.description}".split()[:LONGEST_VIOLATION]
    words = host.description.split()
    at = round(depth * len(words))
    return replace(row, title=host.title, description=" ".join([*words[:at], *violation, *words[at:]]))
