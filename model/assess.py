"""One listing through the whole model side: view, rules, windows, scores, decide(). No storage and no waiting."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from fairstall.model.bundle import Bundle
from fairstall.model.control import NO_CONTROL, ControlSample
from fairstall.model.decide import Doubt, Likeness, Outcome, RuleMatch, decide
from fairstall.model.decision import Assessment, Sampling, Versions
from fairstall.model.encoding import Windows, bundle_encoder
from fairstall.model.errors import BundleError, NoScore
from fairstall.model.fingerprint import fingerprint
from fairstall.model.language import LanguageGate
from fairstall.model.listing import Listing
from fairstall.model.policies import PolicySet
from fairstall.model.rules import RuleBook
from fairstall.model.scorer import Logits, Scorer, run_side_by_side
from fairstall.model.view import ListingView, disguised, view_listing

LookAlikes: TypeAlias = Callable[[bytes], Sequence[Likeness]]

_ORDINARY = Listing("", "", "é с", "Ordinary words of an ordinary listing.")


def none_known(_fingerprint: bytes) -> Sequence[Likeness]:
    """Where no blocked listings are known."""
    return ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A listing that is ready to be scored."""

    listing: Listing
    view: ListingView
    matches: tuple[RuleMatch, ...]
    windows: Windows
    doubts: tuple[Doubt, ...]
    fingerprint: bytes | None = None
    likenesses: tuple[Likeness, ...] = ()


class Assessor:
    """A bundle and a policy set at work. Immutable after construction and safe to share between threads.

    `look_alikes` says which blocked listings a fingerprint resembles.
    """

    def __init__(
        self,
        bundle: Bundle,
        policies: PolicySet,
        control: ControlSample = NO_CONTROL,
        look_alikes: LookAlikes = none_known,
    ) -> None:
        self.bundle = bundle
        self.policies = policies
        self.versions = Versions(model=bundle.version, policies=policies.version)
        self._control = control
        self._look_alikes = look_alikes
        self.encoder = bundle_encoder(bundle)
        self._rules = RuleBook(policies)
        self._language = LanguageGate(bundle.facts.languages)

    def warm_up(self) -> None:
        """Load the tables and the language identifier now (about a second) rather than with the first listing."""
        self._language.warm_up()
        self.prepare(_ORDINARY)

    def prove(self, scorer: Scorer) -> None:
        """Take an ordinary listing all the way, and the tokenizer's last token through a window of full length.

        Raises BundleError when tokenizer and graph do not belong together, or what comes out are no probabilities.
        """
        prepared = self.prepare(_ORDINARY)
        longest = [self.encoder.last_token] * self.bundle.facts.max_tokens
        try:
            for windows in (prepared.windows.ids, [longest]):
                self.conclude(prepared, scorer.run(windows))
        except Exception as error:  # the runtime's errors share no base class
            raise BundleError(f"{self.bundle.folder} scores nothing that its tokenizer reads: {error}") from error

    def prepares_like(self, other: "Assessor") -> bool:
        """Whether both prepare any listing alike: the same policies, languages, tokens and windows."""
        mine, theirs = self.bundle.facts, other.bundle.facts
        return (
            self.policies.version == other.policies.version
            and set(mine.languages) == set(theirs.languages)
            and self.encoder.cuts_like(other.encoder)
        )

    def prepare(self, listing: Listing) -> Prepared:
        """All that can be known before the model runs."""
        view = view_listing(listing)
        windows = self.encoder.windows(view)
        doubts = (
            (Doubt.LANGUAGE, not self._language.covers(listing)),
            (Doubt.TOO_LONG, not windows.complete),
            (Doubt.EVASION, view.blank or disguised(view.evasion, len(listing.title) + len(listing.description))),
        )
        matches = tuple(self._rules.matches(view))
        known = fingerprint(view)
        likenesses = tuple(self._look_alikes(known)) if known else ()
        doubted = tuple(doubt for doubt, holds in doubts if holds)
        return Prepared(listing, view, matches, windows, doubted, known, likenesses)

    def conclude_unscored(self, prepared: Prepared) -> Assessment:
        """The assessment of a prepared listing that the model had no time for: rules and doubts alone."""
        return self._concluded(prepared, {}, (*prepared.doubts, Doubt.NOT_SCORED))

    def conclude(self, prepared: Prepared, logits: Logits) -> Assessment:
        """The assessment of a prepared listing from the logits of its windows, shape (windows, labels).

        Windows are pooled per policy by maximum, so that a violation cannot hide in a long text. Raises NoScore.
        """
        facts = self.bundle.facts
        pooled = cast(list[float], logits.max(axis=0).tolist())
        probabilities = {
            label: facts.calibration[label].probability(logit)
            for label, logit in zip(facts.labels, pooled, strict=True)
        }
        if not all(map(math.isfinite, (*pooled, *probabilities.values()))):
            raise NoScore(f"the model {self.bundle.version} gave no number for a listing")
        return self._concluded(prepared, probabilities, prepared.doubts)

    def _concluded(self, prepared: Prepared, probabilities: Mapping[str, float], doubts: Sequence[Doubt]) -> Assessment:
        thresholds = self.bundle.facts.thresholds
        verdict = decide(self.policies, probabilities, thresholds, prepared.matches, doubts, prepared.likenesses)
        return Assessment(
            outcome=verdict.outcome,
            findings=verdict.findings,
            doubts=verdict.doubts,
            probabilities=probabilities,
            evasion=prepared.view.evasion,
            sampling=self._sampling(prepared.listing, verdict.outcome),
            versions=self.versions,
        )

    def _sampling(self, listing: Listing, outcome: Outcome) -> Sampling:
        drawn = self._control.draws(listing.listing_id)
        return Sampling(drawn, 1.0 if outcome is Outcome.REVIEW else self._control.rate)


def assess_listings(assessor: Assessor, scorers: Sequence[Scorer], listings: Sequence[Listing]) -> list[Assessment]:
    """Assessments of `listings`, in their order."""
    prepared = [assessor.prepare(listing) for listing in listings]
    windows = [window for one in prepared for window in one.windows.ids]
    if not windows:
        return []
    logits = run_side_by_side(scorers, windows)
    assessments, start = [], 0
    for one in prepared:
        end = start + len(one.windows.ids)
        assessments.append(assessor.conclude(one, logits[start:end]))
        start = end
    return assessments
