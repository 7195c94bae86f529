"""What is counted of replayed decisions, against numbers worked out by hand."""

import pickle
from dataclasses import dataclass, replace

import pytest

from fairstall.evals.backtest import OTHERS, Asked, Tally, replay_past, seller_segment
from fairstall.evals.bootstrap import Bootstrap, wilson
from fairstall.evals.change_sample import ChangeSample, changed_listing
from fairstall.evals.compare import Word
from fairstall.evals.judgements import Judgement, Question
from fairstall.evals.replay import Models, Replay
from fairstall.evals.slices import LISTING
from fairstall.model.assess import Assessor, assess_listings
from fairstall.model.decide import Outcome
from fairstall.model.decision import Assessment, Sampling
from fairstall.model.listing import Listing
from fairstall.model.policies import PolicySet
from fairstall.model.scorer import OnnxScorer

APPROVE, REVIEW, BLOCK = Outcome.APPROVE, Outcome.REVIEW, Outcome.BLOCK
WEAPONS, FUR = "prohibited/weapons", "prohibited/fur"
QUICK = Bootstrap(draws=200)
FINE = frozenset[str]()


@dataclass(frozen=True)
class StoredDecision:
    decision_id: str
    assessment: Assessment
    listing: Listing
    earlier: int = 0
    violated: frozenset[str] | None = None


class Bench:
    """An old and a new policy set, and the way from a title to a stored decision under the old one."""

    def __init__(self, bundle, old: PolicySet, new: PolicySet) -> None:
        thresholds = bundle.facts.thresholds
        self.bundle, self.old, self.new = bundle, old, new
        self.replay = Replay(old, new, Models({bundle.version: thresholds}, thresholds))
        self._assessor, self._scorers = Assessor(bundle, old), [OnnxScorer(bundle)]

    def decide(self, number: int, title: str, *, seller="s", market=None, control=False, **more) -> StoredDecision:
        """A tenth of what is not reviewed is drawn for the control sample; `control` says that this one was."""
        listing = Listing(f"l-{number}", seller, title, "", language="en", market=market)
        [found] = assess_listings(self._assessor, self._scorers, [listing])
        sampling = Sampling(control, 1.0 if found.outcome is REVIEW else 0.1)
        return StoredDecision(f"d-{number:04}", replace(found, sampling=sampling), listing, **more)

    def tally(self, decisions, *, sample: int = 50, seed: int = 0) -> Tally:
        tally = Tally(self.old, self.new, ChangeSample(sample, seed))
        for one in decisions:
            tally.add(replay_past(self.replay, one))
        return tally


@pytest.fixture(scope="module")
def bench(tiny_bundle, make_policy) -> Bench:
    """Fur comes in place of toys; weapons stay as they are."""
    weapons = make_policy(WEAPONS)
    old = (weapons, make_policy("misleading/toy", review=("toy",)), make_policy(FUR))
    new = (weapons, make_policy(FUR, review=("mink",), block=("fox fur",)))
    return Bench(tiny_bundle, PolicySet.named("old", old), PolicySet.named("new", new))


@pytest.fixture(scope="module")
def decisions(bench) -> list[StoredDecision]:
    return [
        bench.decide(1, "A chair", market="DE"),
        bench.decide(2, "A pistol", market="DE", earlier=1),
        bench.decide(3, "Fox fur", earlier=9, control=True),
        bench.decide(4, "Mink coat", earlier=10),
        bench.decide(5, "A toy", earlier=99),
        bench.decide(6, "Toy of fox fur", earlier=100),
        bench.decide(7, "Pistol with fox fur", market="DE"),
    ]


def test_outcomes_findings_segments_and_cases_are_counted(bench, decisions):
    found = bench.tally(decisions).result(QUICK)
    assert dict(found.flow.moves) == {
        (APPROVE, APPROVE): 1,
        (REVIEW, REVIEW): 1,
        (APPROVE, BLOCK): 1,
        (APPROVE, REVIEW): 1,
        (REVIEW, APPROVE): 1,
        (REVIEW, BLOCK): 2,
    }
    assert (found.flow.decisions, found.flow.changed) == (7, 5)
    assert (found.flow.cases_before, found.flow.cases_after) == (5, 3)
    counted = {code: (one.come, one.gone, one.stay, one.outcomes) for code, one in found.policies.items()}
    assert counted == {WEAPONS: (0, 0, 2, 0), "misleading/toy": (0, 2, 0, 2), FUR: (4, 0, 0, 4)}
    sellers = {name: (flow.decisions, flow.changed) for name, flow in found.segments["seller"].items()}
    assert sellers == {"first": (2, 1), "2 to 10": (2, 1), "11 to 100": (2, 2), "over 100": (1, 1)}
    markets = {name: (flow.decisions, flow.changed) for name, flow in found.segments["market"].items()}
    assert markets == {"DE": (3, 1), "not given": (4, 4)}
    assert (found.added, found.retired) == ((), ("misleading/toy",))


def test_tallies_of_pieces_add_up_to_the_tally_of_all(bench, decisions):
    labelled = [
        bench.decide(number, title, seller=f"s-{number}", violated=FINE)
        for number, title in enumerate(("A pistol", "A toy") * 12)
    ]
    everything = [*decisions, *labelled]
    whole, pieces = bench.tally(everything), bench.tally([])
    for start in range(0, len(everything), 4):
        pieces.absorb(pickle.loads(pickle.dumps(bench.tally(everything[start : start + 4]))))
    assert pieces.result(QUICK) == whole.result(QUICK)
    assert pieces.sample.chosen() == whole.sample.chosen()


def test_markets_beyond_a_hundred_are_counted_together(bench):
    decided = bench.decide(1, "A chair")
    found = bench.tally(
        StoredDecision("d", decided.assessment, Listing("l", "s", "A chair", "", market=f"m{n}")) for n in range(130)
    ).result(QUICK)
    markets = found.segments["market"]
    assert len(markets) == 101
    assert markets[OTHERS].decisions == 30


@pytest.mark.parametrize(
    ("earlier", "name"),
    [(0, "first"), (1, "2 to 10"), (9, "2 to 10"), (10, "11 to 100"), (99, "11 to 100"), (100, "over 100")],
)
def test_a_seller_belongs_to_one_segment(earlier, name):
    assert seller_segment(earlier) == name


def judged(bench, decisions, scope: str, question: Question) -> Judgement:
    found = bench.tally(decisions).result(QUICK)
    return next(one for one in found.judgements if (one.scope, one.question) == (scope, question))


def sellers_of(bench, count: int, title: str, start: int, **facts) -> list[StoredDecision]:
    return [bench.decide(start + number, title, seller=f"s-{start + number}", **facts) for number in range(count)]


def test_recall_counts_each_label_for_what_it_was_drawn_from(bench):
    decided = [
        *sellers_of(bench, 12, "A pistol", 100, violated=frozenset({WEAPONS})),
        *sellers_of(bench, 12, "Fox fur", 200, control=True, violated=frozenset({FUR})),
    ]
    recall = judged(bench, decided, LISTING, Question.STOP_RECALL)
    assert recall.old.value == pytest.approx(12 / (12 + 120))
    assert recall.new.value == 1.0
    assert recall.difference.value == pytest.approx(120 / 132)
    assert recall.old.low < recall.old.value < recall.old.high
    assert (recall.groups, recall.apart, recall.verdict) == (24, 12, Word.BETTER)
    fur = judged(bench, decided, FUR, Question.STOP_RECALL)
    assert (fur.old.value, fur.new.value) == (0.0, 1.0)


def test_precision_before_and_after_is_that_of_what_each_side_stops(bench):
    decided = [
        *sellers_of(bench, 15, "A pistol", 100, violated=frozenset({WEAPONS})),
        *sellers_of(bench, 5, "A pistol", 200, violated=FINE),
        *sellers_of(bench, 20, "A toy", 300, violated=FINE),
    ]
    precision = judged(bench, decided, LISTING, Question.STOP_PRECISION)
    assert (precision.old.value, precision.new.value) == (15 / 40, 15 / 20)
    least = wilson(0.75, 20, confidence=0.95)
    assert precision.new.low <= least.low < least.high <= precision.new.high
    assert precision.difference.low > 0
    assert (precision.groups, precision.apart, precision.verdict) == (20, 20, Word.BETTER)


def test_too_few_sellers_tell_nothing_however_many_listings_they_have(bench):
    decided = [
        bench.decide(number, "A pistol", seller=f"s-{number % 9}", violated=frozenset({WEAPONS}))
        for number in range(90)
    ]
    precision = judged(bench, decided, LISTING, Question.STOP_PRECISION)
    assert (precision.old, precision.new, precision.difference) == (None, None, None)
    assert (precision.groups, precision.verdict) == (9, Word.CANNOT_TELL)


def test_a_policy_that_no_reviewer_could_name_is_not_judged(bench, make_policy):
    added = PolicySet.named("new", (*bench.old, make_policy("prohibited/chairs", review=("chair",))))
    wider = Bench(bench.bundle, bench.old, added)
    decided = [
        *sellers_of(wider, 12, "A pistol", 100, violated=frozenset({WEAPONS})),
        *sellers_of(wider, 12, "A chair", 200, control=True, violated=FINE),
    ]
    found = wider.tally(decided).result(QUICK)
    assert found.added == ("prohibited/chairs",)
    assert {one.scope for one in found.judgements} == {LISTING, WEAPONS}
    assert judged(wider, decided, LISTING, Question.STOP_PRECISION).new.value == 1.0


def test_what_broke_a_retired_policy_alone_counts_as_compliant(bench):
    decided = sellers_of(bench, 12, "A toy", 100, violated=frozenset({"misleading/toy"}))
    precision = judged(bench, decided, LISTING, Question.STOP_PRECISION)
    assert (precision.old.value, precision.new) == (0.0, None)


def test_only_labels_that_chance_gave_are_weighed(bench):
    decided = [
        bench.decide(1, "A pistol"),
        bench.decide(2, "A pistol", violated=frozenset({WEAPONS})),
        bench.decide(3, "A chair"),
        bench.decide(4, "A chair", violated=frozenset({FUR})),
        bench.decide(5, "A chair", control=True),
        bench.decide(6, "A chair", control=True, violated=FINE),
    ]
    assert dict(bench.tally(decided).result(QUICK).asked) == {
        Asked.WAITING: 2,
        Asked.LABELLED: 2,
        Asked.NOT_DRAWN: 1,
        Asked.NOT_BY_CHANCE: 1,
    }


def test_a_sample_is_spread_over_the_kinds_of_change_and_is_the_same_in_any_order(bench):
    titles = ["Fox fur"] * 40 + ["Mink coat"] * 4 + ["A toy"] * 4 + ["A chair"] * 20
    decided = [bench.decide(number, title) for number, title in enumerate(titles)]
    chosen = bench.tally(decided, sample=9).sample.chosen()
    by_title = [titles[int(name.removeprefix("d-"))] for name in chosen]
    assert sorted(by_title) == ["A toy"] * 3 + ["Fox fur"] * 3 + ["Mink coat"] * 3
    assert bench.tally(decided[::-1], sample=9).sample.chosen() == chosen
    assert bench.tally(decided, sample=9, seed=1).sample.chosen() != chosen
    assert len(bench.tally(decided, sample=60).sample.chosen()) == 48
    assert bench.tally(decided, sample=0).sample.chosen() == []


def test_a_change_shows_the_evidence_that_comes_and_goes(bench):
    decided = bench.decide(1, "Toy of fox fur", violated=frozenset({FUR}))
    change = bench.replay.change(decided.assessment, decided.listing)
    shown = changed_listing(decided.decision_id, decided.listing, change, decided.violated).body()
    assert (shown["before"], shown["after"], shown["reviewed_as"]) == ("review", "block", [FUR])
    toy, fur = shown["policies"]
    assert (toy["policy"], toy["before"], toy["after"]) == ("misleading/toy", "review", "approve")
    assert [one["text"] for one in toy["evidence_gone"]] == ["Toy"]
    assert (fur["policy"], fur["before"], fur["after"]) == (FUR, "approve", "block")
    assert [one["text"] for one in fur["evidence_come"]] == ["fox fur"]
