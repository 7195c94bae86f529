"""Many replayed decisions, counted: which outcomes change, by which policy, for whom, and what people have to do.

Replaying one is for `replay`; precision and recall are for `judgements`. A tally takes the same memory for any number.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.change_sample import ChangeSample
from fairstall.evals.judgements import Judgement, Judgements, Label
from fairstall.evals.replay import Change, Move, Replay
from fairstall.model.decide import Outcome
from fairstall.model.decision import Assessment
from fairstall.model.listing import Listing
from fairstall.model.policies import PolicySet

SELLER, MARKET = "seller", "market"
NAMES_AT_MOST = 100  # of one kind of segment; sellers choose what they call a market
OTHERS, UNNAMED = "others", "not given"


class Past(Protocol):
    """A stored decision of the model, as the system of record gives it back.

    `earlier`: how many decisions its seller had before. `violated`: what the review that stands says, None without one.
    """

    @property
    def decision_id(self) -> str: ...

    @property
    def assessment(self) -> Assessment: ...

    @property
    def listing(self) -> Listing: ...

    @property
    def earlier(self) -> int: ...

    @property
    def violated(self) -> frozenset[str] | None: ...


class Asked(StrEnum):
    """Whether people were asked about a decision, as its label would have to be weighted."""

    LABELLED = "labelled"
    WAITING = "waiting"  # its listing was drawn, and nobody has decided the case
    NOT_DRAWN = "not_drawn"
    NOT_BY_CHANCE = "not_by_chance"  # an appeal or a report, which no weight makes into a sample


@dataclass(frozen=True, slots=True)
class Replayed:
    """One decision after its replay. Rows of one `group` are one observation; `segments` are names by kind."""

    decision_id: str
    change: Change
    group: str
    segments: Mapping[str, str]
    control: bool
    asked: Asked
    label: Label | None


@dataclass(slots=True)
class Flow:
    """Decisions by their outcome before and after, and the cases that people get: reviews and the control sample."""

    moves: Counter[Move] = field(default_factory=Counter)
    cases_before: int = 0
    cases_after: int = 0

    @property
    def decisions(self) -> int:
        return self.moves.total()

    @property
    def changed(self) -> int:
        return sum(count for (old, new), count in self.moves.items() if old is not new)

    def before(self, outcome: Outcome) -> int:
        return sum(count for (old, _), count in self.moves.items() if old is outcome)

    def after(self, outcome: Outcome) -> int:
        return sum(count for (_, new), count in self.moves.items() if new is outcome)

    def add(self, change: Change, *, control: bool) -> None:
        self.moves[change.move] += 1
        self.cases_before += control or change.old.outcome is Outcome.REVIEW
        self.cases_after += control or change.new.outcome is Outcome.REVIEW

    def absorb(self, other: "Flow") -> None:
        self.moves += other.moves
        self.cases_before += other.cases_before
        self.cases_after += other.cases_after

    def per_thousand(self, count: int) -> float:
        """`count` for every thousand decisions."""
        return 1000 * count / max(self.decisions, 1)

    def body(self) -> dict[str, Any]:
        """Plain values for JSON."""
        moves = {f"{old} to {new}": count for (old, new), count in sorted(self.moves.items())}
        counts = {"decisions": self.decisions, "changed": self.changed, "moves": moves}
        return counts | {"cases_before": self.cases_before, "cases_after": self.cases_after}


@dataclass(slots=True)
class PolicyShift:
    """Findings of one policy that come, go and stay, and the changed outcomes in which it asks for something else."""

    come: int = 0
    gone: int = 0
    stay: int = 0
    outcomes: int = 0

    def absorb(self, other: "PolicyShift") -> None:
        self.come, self.gone = self.come + other.come, self.gone + other.gone
        self.stay, self.outcomes = self.stay + other.stay, self.outcomes + other.outcomes


@dataclass(frozen=True, slots=True)
class Backtest:
    """What changing from `old` to `new` would have done to past decisions.

    `other_policies` and `other_model` count those that were made otherwise than under the old policies by a bundle at
    hand. `segments` has flows by kind and name. `added` and `retired` are the policies that one of the two lacks.
    """

    old: str
    new: str
    added: tuple[str, ...]
    retired: tuple[str, ...]
    flow: Flow
    policies: Mapping[str, PolicyShift]
    segments: Mapping[str, Mapping[str, Flow]]
    other_policies: int
    other_model: int
    asked: Mapping[Asked, int]
    judgements: tuple[Judgement, ...]
    bootstrap: Bootstrap


class Tally:
    """What was counted so far of the decisions replayed from `old` to `new`; two tallies of the same two add up."""

    def __init__(self, old: PolicySet, new: PolicySet, sample: ChangeSample) -> None:
        self.sample = sample
        self._old, self._new = old, new
        self._flow = Flow()
        self._policies = {code: PolicyShift() for code in dict.fromkeys((*old.codes, *new.codes))}
        self._segments: dict[str, dict[str, Flow]] = {}
        self._judgements = Judgements(new.codes)
        self._asked: Counter[Asked] = Counter()
        self._other_policies = self._other_model = 0

    @property
    def decisions(self) -> int:
        return self._flow.decisions

    def add(self, one: Replayed) -> None:
        change = one.change
        self._flow.add(change, control=one.control)
        for kind, name in one.segments.items():
            self._segment(kind, name).add(change, control=one.control)
        self._count_policies(change)
        self._other_policies += change.other_policies
        self._other_model += change.other_model
        self._asked[one.asked] += 1
        if one.label:
            self._judgements.add(change, one.label, one.group)
        self.sample.offer(one.decision_id, change)

    def absorb(self, other: "Tally") -> None:
        self._flow.absorb(other._flow)
        for kind, flows in other._segments.items():
            for name, flow in flows.items():
                self._segment(kind, name).absorb(flow)
        for code, shift in other._policies.items():
            self._policies[code].absorb(shift)
        self._other_policies += other._other_policies
        self._other_model += other._other_model
        self._asked += other._asked
        self._judgements.absorb(other._judgements)
        self.sample.absorb(other.sample)

    def result(self, bootstrap: Bootstrap) -> Backtest:
        return Backtest(
            old=self._old.version,
            new=self._new.version,
            added=tuple(code for code in self._new.codes if code not in self._old.by_code),
            retired=tuple(code for code in self._old.codes if code not in self._new.by_code),
            flow=self._flow,
            policies=self._policies,
            segments=self._segments,
            other_policies=self._other_policies,
            other_model=self._other_model,
            asked=self._asked,
            judgements=self._judgements.measure(bootstrap),
            bootstrap=bootstrap,
        )

    def _segment(self, kind: str, name: str) -> Flow:
        flows = self._segments.setdefault(kind, {})
        if name not in flows and len(flows) >= NAMES_AT_MOST:
            name = OTHERS
        return flows.setdefault(name, Flow())

    def _count_policies(self, change: Change) -> None:
        for code in {*change.old.effects, *change.new.effects}:
            shift = self._policies[code]
            before, after = code in change.old.effects, code in change.new.effects
            shift.come += after and not before
            shift.gone += before and not after
            shift.stay += before and after
            shift.outcomes += change.changed and change.old.effect(code) is not change.new.effect(code)


def replay_past(replay: Replay, past: Past) -> Replayed:
    """A stored decision replayed. Its label tells about the policies that reviewers could name: the old ones."""
    sampling = past.assessment.sampling
    asked = _asked(past)
    label = None
    if asked is Asked.LABELLED and past.violated is not None:
        weight = 1.0 / sampling.inclusion_probability
        label = Label(past.violated, known=frozenset(replay.old.codes), weight=weight)
    return Replayed(
        decision_id=past.decision_id,
        change=replay.change(past.assessment, past.listing),
        group=past.listing.seller_id,
        segments={SELLER: seller_segment(past.earlier), MARKET: past.listing.market or UNNAMED},
        control=sampling.control,
        asked=asked,
        label=label,
    )


def seller_segment(earlier: int) -> str:
    """The segment of a seller who had `earlier` decisions before this one."""
    if earlier == 0:
        return "first"
    if earlier < 10:
        return "2 to 10"
    return "11 to 100" if earlier < 100 else "over 100"


def _asked(past: Past) -> Asked:
    sampling = past.assessment.sampling
    drawn = sampling.control or past.assessment.outcome is Outcome.REVIEW
    if drawn and sampling.inclusion_probability <= 0:
        return Asked.NOT_BY_CHANCE
    if past.violated is None:
        return Asked.WAITING if drawn else Asked.NOT_DRAWN
    return Asked.LABELLED if drawn else Asked.NOT_BY_CHANCE
