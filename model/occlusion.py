"""Which words made a model find a policy: those without which its score falls (Zeiler and Fergus 2014, Li et al. 2016).

A listing is read in windows and pooled by maximum, so a policy is explained in the window in which it scores highest:
there segments are left out, then the words of those that weighed most, and last the phrases that these make. What
log-odds lose is what the words weigh. Where the policy would be found without them too, what is left is explained
likewise, in whatever window it scores highest now, so that of two reasons neither hides the other.
"""

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from fairstall.model.assess import Assessor
from fairstall.model.bundle import BundleFacts
from fairstall.model.encoding import Place
from fairstall.model.listing import Listing
from fairstall.model.model_evidence import WeighedSpan, Weight
from fairstall.model.scorer import Logits
from fairstall.model.view import ListingView, view_listing

MOST_POLICIES = 4
MOST_ROUNDS = 3  # of a policy
MOST_RUNS = 24  # of a round: segments, words and phrases
MOST_PHRASES = 5  # of a policy
PHRASES_A_ROUND = 3
SEGMENT_WORDS = 8  # or as many as make a dozen segments of a window
MOST_SEGMENTS = 12
WORD_TOKENS = 8  # scripts without spaces are cut into pieces of so many
FLOOR = 0.5  # of log-odds, natural: below, words weigh nothing; a word of a phrase may weigh half of it
SHARE = 0.25  # of what the heaviest word weighs: below, a word is no part of a phrase
MEDIUM, HIGH = 1.0, 2.0

Run: TypeAlias = Callable[[Sequence[int]], Logits]
Phrase: TypeAlias = tuple[tuple[int, ...], ...]  # the token ids of each of its words

_EDGES = re.compile(r"\A\W+|\W+\Z")


@dataclass(frozen=True, slots=True)
class _Word:
    positions: tuple[int, ...]
    ids: tuple[int, ...]
    place: Place


class _Window:
    """One window, and its logits without some of its tokens; what was run is not run again."""

    def __init__(self, ids: Sequence[int], places: Sequence[Place | None], run: Run) -> None:
        self.words = tuple(_words(ids, places))
        self._ids = ids
        self._run = run
        self._known: dict[frozenset[int], list[float]] = {}

    def logits(self, without: frozenset[int] = frozenset()) -> list[float]:
        """The logits of all labels; `without` are positions of tokens."""
        if without not in self._known:
            kept = [token for position, token in enumerate(self._ids) if position not in without]
            self._known[without] = cast(list[float], self._run(kept)[0].tolist())
        return self._known[without]

    def occurrences(self, phrase: Phrase) -> Iterator[Sequence[_Word]]:
        for start in range(len(self.words) - len(phrase) + 1):
            words = self.words[start : start + len(phrase)]
            if tuple(word.ids for word in words) == phrase and words[0].place.field == words[-1].place.field:
                yield words

    def positions(self, *phrases: Phrase) -> frozenset[int]:
        """Of every occurrence of these phrases."""
        found = itertools.chain.from_iterable(map(self.occurrences, phrases))
        return frozenset(position for words in found for word in words for position in word.positions)


@dataclass(frozen=True, slots=True)
class _Finding:
    """How logits are read for one policy."""

    code: str
    facts: BundleFacts

    def log_odds(self, logits: Sequence[float]) -> float:
        calibration = self.facts.calibration[self.code]
        return calibration.slope * logits[self.facts.labels.index(self.code)] + calibration.intercept

    def is_found(self, logits: Sequence[float]) -> bool:
        probability = self.facts.calibration[self.code].probability(logits[self.facts.labels.index(self.code)])
        return probability >= self.facts.thresholds[self.code].release.value


def explain(assessor: Assessor, listing: Listing, policies: Sequence[str], run: Run) -> tuple[WeighedSpan, ...]:
    """The places that made the model find these policies, the gravest first; none for one that it does not find.

    `run` gives the logits of one window, shape (1, labels): each runs alone, since an int8 graph scales what it
    multiplies by the batch. For each round of a policy it is called at most once for each window and `MOST_RUNS` times
    beside that.
    """
    facts, view = assessor.bundle.facts, view_listing(listing)
    known = [code for code in policies if code in facts.labels][:MOST_POLICIES]
    if not known:
        return ()
    read = zip(assessor.encoder.windows(view).ids, assessor.encoder.places(view), strict=True)
    windows = [_Window(ids, places, run) for ids, places in read]
    spans = [_spans(view, windows, code, _heavy(windows, _Finding(code, facts))) for code in known]
    return tuple(itertools.chain.from_iterable(spans))


def _heavy(windows: Sequence[_Window], finding: _Finding) -> Mapping[Phrase, Weight]:
    """The phrases that made the model find one policy."""
    heavy: dict[Phrase, Weight] = {}
    for _ in range(MOST_ROUNDS):
        left = [(window, window.positions(*heavy)) for window in windows]
        window, gone = max(left, key=lambda one: finding.log_odds(one[0].logits(one[1])))
        if len(heavy) == MOST_PHRASES or not finding.is_found(window.logits(gone)):
            break
        heavy |= itertools.islice(_phrases(window, gone, finding), MOST_PHRASES - len(heavy))
    return heavy


def _phrases(window: _Window, gone: frozenset[int], finding: _Finding) -> Iterator[tuple[Phrase, Weight]]:
    """The phrases of a window that weigh something where some of its tokens are gone already, the likeliest first."""
    whole = finding.log_odds(window.logits(gone))

    def lost(positions: frozenset[int]) -> float:
        return whole - finding.log_odds(window.logits(gone | positions))

    segments = {words: lost(frozenset(p for word in words for p in word.positions)) for words in _segments(window)}
    by_loss = sorted(segments, key=lambda words: segments[words], reverse=True)
    left = dict.fromkeys(word.ids for words in by_loss for word in words if not gone.issuperset(word.positions))
    looked_at = itertools.islice(left, MOST_RUNS - PHRASES_A_ROUND - len(segments))
    weighs = {ids: lost(window.positions((ids,))) for ids in looked_at}
    for phrase in _candidates(window, segments, weighs)[:PHRASES_A_ROUND]:
        loss = lost(window.positions(phrase))
        if loss >= FLOOR:
            yield phrase, _weight(loss)


def _candidates(
    window: _Window, segments: Mapping[tuple[_Word, ...], float], weighs: Mapping[tuple[int, ...], float]
) -> list[Phrase]:
    """Neighbouring words that weigh something, and segments that do so only as a whole; the likeliest first."""
    least = max(FLOOR / 2, SHARE * max(weighs.values(), default=0.0))

    def counts(word: _Word) -> tuple[bool, str]:
        return weighs.get(word.ids, 0.0) >= least, word.place.field

    phrases: dict[Phrase, float] = {}
    for (heavy, _field), run in itertools.groupby(window.words, key=counts):
        if heavy:
            phrase = tuple(word.ids for word in run)
            phrases[phrase] = sum(weighs[ids] for ids in dict.fromkeys(phrase))
    for words, loss in segments.items():
        if loss >= FLOOR and not any(counts(word)[0] for word in words):
            phrases.setdefault(tuple(word.ids for word in words), loss)
    return sorted(phrases, key=lambda phrase: phrases[phrase], reverse=True)


def _spans(
    view: ListingView, windows: Sequence[_Window], code: str, heavy: Mapping[Phrase, Weight]
) -> list[WeighedSpan]:
    """Every occurrence of the phrases, in whatever window, as raw text."""
    spans = {
        Place(words[0].place.field, words[0].place.start, words[-1].place.end): weight
        for phrase, weight in heavy.items()
        for window in windows
        for words in window.occurrences(phrase)
    }
    return [_raw_span(view, code, place, weight) for place, weight in spans.items()]


def _raw_span(view: ListingView, code: str, place: Place, weight: Weight) -> WeighedSpan:
    """Without punctuation at its ends, unless it is nothing else."""
    text = view.field(place.field)
    said = text.text[place.start : place.end]
    start, end = place.start, place.end
    if bare := _EDGES.sub("", said):
        start += said.index(bare)
        end = start + len(bare)
    return WeighedSpan(code, place.field, *text.raw_span(start, end), weight)


def _weight(loss: float) -> Weight:
    if loss >= HIGH:
        return Weight.HIGH
    return Weight.MEDIUM if loss >= MEDIUM else Weight.LOW


def _words(ids: Sequence[int], places: Sequence[Place | None]) -> Iterator[_Word]:
    """Runs of tokens with no space between them."""
    run: list[int] = []
    for position, place in enumerate(places):
        before = places[run[-1]] if run else None
        if run and not (place and before and _touch(before, place) and len(run) < WORD_TOKENS):
            yield _word(run, ids, places)
            run = []
        if place:
            run.append(position)


def _touch(one: Place, other: Place) -> bool:
    return one.field == other.field and one.end >= other.start


def _word(run: Sequence[int], ids: Sequence[int], places: Sequence[Place | None]) -> _Word:
    first, last = cast(Place, places[run[0]]), cast(Place, places[run[-1]])
    place = Place(first.field, first.start, last.end)
    return _Word(tuple(run), tuple(ids[position] for position in run), place)


def _segments(window: _Window) -> Iterator[tuple[_Word, ...]]:
    """Words in their order, some at a time, each lot of one field."""
    size = max(SEGMENT_WORDS, math.ceil(len(window.words) / MOST_SEGMENTS))
    for _, words in itertools.groupby(window.words, key=lambda word: word.place.field):
        of_field = tuple(words)
        for start in range(0, len(of_field), size):
            yield of_field[start : start + size]
