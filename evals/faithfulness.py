"""Whether model evidence is what the model went by: its score without those words, and of those words alone.

Comprehensiveness and sufficiency as in ERASER (DeYoung et al. 2020), beside as many words at random places.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from fairstall.evals.arrays import Floats
from fairstall.evals.bootstrap import Bootstrap, Estimate, draw_groups, estimate, share_estimate
from fairstall.evals.progress import Progress
from fairstall.evals.slices import MACRO, policy_scope
from fairstall.model.listing import TEXT_FIELDS, Field, Listing

if TYPE_CHECKING:
    from fairstall.model.assess import Assessor
    from fairstall.model.scorer import Logits, Scorer

LEAST_FINDINGS = 5  # of a policy; with fewer a mean says nothing

Places: TypeAlias = Sequence[tuple[Field, int, int]]
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """Means over findings of the model, each a listing and a policy at or above its release threshold.

    `explained`: share of findings with evidence; all else is of those alone. `marked`: share of the listing's words.
    `comprehensiveness`: what the probability loses without the evidence, `sufficiency`: with the evidence alone, so
    that less is better. `undone`: share that is below release without the evidence. `random_...`: the same for as many
    words in runs of the same lengths at random places. `runs`: of the model, for one finding.
    """

    findings: int
    explained: Estimate
    marked: Estimate
    comprehensiveness: Estimate
    random_comprehensiveness: Estimate
    sufficiency: Estimate
    random_sufficiency: Estimate
    undone: Estimate
    random_undone: Estimate
    runs: Estimate

    def metrics(self, scope: str) -> dict[str, float]:
        flat = {f"evidence/{scope}/findings": float(self.findings)}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Estimate):
                flat |= value.metrics(f"evidence/{scope}/{one.name}")
        return flat


@dataclass(frozen=True, slots=True)
class _Measured:
    """One finding. Those without evidence have nan from `marked` on."""

    explained: float
    runs: float
    marked: float = np.nan
    comprehensiveness: float = np.nan
    random_comprehensiveness: float = np.nan
    sufficiency: float = np.nan
    random_sufficiency: float = np.nan
    undone: float = np.nan
    random_undone: float = np.nan


SHARES = frozenset({"explained", "marked", "undone", "random_undone"})
PROPORTIONS = SHARES - {"marked"}


def measure_faithfulness(
    assessor: "Assessor",
    scorer: "Scorer",
    findings: Mapping[str, Sequence[Listing]],
    *,
    bootstrap: Bootstrap,
    progress: Progress,
) -> dict[str, Faithfulness]:
    """By scope: each policy with enough of its `findings`, and the mean over them, `macro`."""
    subject = _Subject(assessor, scorer)
    drawn: dict[str, dict[str, Floats]] = {}
    counts: dict[str, int] = {}
    for code, listings in findings.items():
        measured = []
        for listing in listings:
            measured.append(subject.measure(code, listing))
            progress(1)
        if len(measured) >= LEAST_FINDINGS and any(one.explained for one in measured):
            counts[policy_scope(code)] = len(measured)
            drawn[policy_scope(code)] = {one.name: _means(measured, one.name, bootstrap) for one in fields(_Measured)}
    found = {scope: _faithfulness(counts[scope], values, bootstrap, proportion=True) for scope, values in drawn.items()}
    if found:
        names = [one.name for one in fields(_Measured)]
        means = {name: np.mean([values[name] for values in drawn.values()], axis=0) for name in names}
        found[MACRO] = _faithfulness(sum(counts.values()), means, bootstrap, proportion=False)
    return found


class _Subject:
    """A bundle that is asked about one listing after the other."""

    def __init__(self, assessor: "Assessor", scorer: "Scorer") -> None:
        self._assessor = assessor
        self._scorer = scorer
        self._runs = 0

    def measure(self, code: str, listing: Listing) -> _Measured:
        from fairstall.model.occlusion import explain

        self._runs = 0
        spans = explain(self._assessor, listing, (code,), self._run)
        runs = float(self._runs)
        if not spans:
            return _Measured(0.0, runs)
        evidence = [(span.field, span.start, span.end) for span in spans]
        elsewhere = _elsewhere(listing, evidence)
        whole, words = self._probability(code, listing), sum(1 for _ in _words(listing))
        without, by_chance = (self._probability(code, _without(listing, one)) for one in (evidence, elsewhere))
        alone, chance_alone = (self._probability(code, _only(listing, one)) for one in (evidence, elsewhere))
        release = self._assessor.bundle.facts.thresholds[code].release.value
        return _Measured(
            1.0,
            runs,
            marked=len(_covered(listing, evidence)) / words,
            comprehensiveness=whole - without,
            random_comprehensiveness=whole - by_chance,
            sufficiency=whole - alone,
            random_sufficiency=whole - chance_alone,
            undone=float(without < release),
            random_undone=float(by_chance < release),
        )

    def _run(self, window: Sequence[int]) -> "Logits":
        self._runs += 1
        return self._scorer.run([window])

    def _probability(self, code: str, listing: Listing) -> float:
        prepared = self._assessor.prepare(listing)
        logits = np.concatenate([self._scorer.run([window]) for window in prepared.windows.ids])
        return self._assessor.conclude(prepared, logits).probabilities[code]


def _means(measured: Sequence[_Measured], name: str, bootstrap: Bootstrap) -> Floats:
    """(1 + draws,) means of one value over the findings that have it, the plain mean first."""
    values = np.array([getattr(one, name) for one in measured], dtype=np.float64)
    values = values[np.isfinite(values)]
    weights = np.concatenate(list(draw_groups(len(values), bootstrap)), axis=1)
    return np.concatenate([[values.mean()], (values @ weights) / weights.sum(axis=0)])


def _faithfulness(
    findings: int, values: Mapping[str, Floats], bootstrap: Bootstrap, *, proportion: bool
) -> Faithfulness:
    def read(name: str) -> Estimate:
        if name in SHARES:
            proper = proportion and name in PROPORTIONS
            return share_estimate(values[name], confidence=bootstrap.confidence, evidence=findings, proportion=proper)
        return estimate(values[name], confidence=bootstrap.confidence, evidence=findings)

    return Faithfulness(findings, **{one.name: read(one.name) for one in fields(_Measured)})


def _words(listing: Listing) -> Iterator[tuple[Field, int, int]]:
    for field in TEXT_FIELDS:
        for match in _WORD.finditer(listing.text(field)):
            yield field, match.start(), match.end()


def _covered(listing: Listing, places: Places) -> list[int]:
    """The numbers of the words that the places touch."""
    return [
        number
        for number, (field, start, end) in enumerate(_words(listing))
        if any(field == other and start < last and first < end for other, first, last in places)
    ]


def _elsewhere(listing: Listing, places: Places) -> list[tuple[Field, int, int]]:
    """As many words as the places touch, in runs of the same lengths anywhere; the same for the same listing."""
    words, touched = list(_words(listing)), _covered(listing, places)
    lengths = [len(run) for run in np.split(np.array(touched), np.flatnonzero(np.diff(touched) != 1) + 1)]
    random = np.random.default_rng(int.from_bytes(sha256(listing.listing_id.encode()).digest()[:8]))
    taken: set[int] = set()
    for length in sorted(lengths, reverse=True):
        starts = [at for at in range(len(words) - length + 1) if not taken & set(range(at, at + length))]
        at = int(random.choice(starts)) if starts else 0
        taken |= set(range(at, at + length))
    return [words[number] for number in sorted(taken)]


def _without(listing: Listing, places: Places) -> Listing:
    def rest(field: Field) -> str:
        text = list(listing.text(field))
        for other, start, end in places:
            if other == field:
                text[start:end] = [" "] * (end - start)
        return "".join(text)

    return replace(listing, title=rest("title"), description=rest("description"))


def _only(listing: Listing, places: Places) -> Listing:
    def kept(field: Field) -> str:
        said = sorted({(start, end) for other, start, end in places if other == field})
        return " ".join(listing.text(field)[start:end] for start, end in said)

    return replace(listing, title=kept("title"), description=kept("description"))
