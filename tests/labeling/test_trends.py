"""What the trends say of a small past that is known to the last row, on SQLite and on PostgreSQL."""

from datetime import timedelta
from urllib.parse import parse_qsl

import pytest
from sqlalchemy import update

from fairstall.labeling.trends.again import overturns
from fairstall.labeling.trends.sample import LEAST_REVIEWED, block_precision, missed_violations
from fairstall.labeling.trends.scope import Asked, Step
from fairstall.labeling.trends.snapshot import FRESH_FOR, TrendReader
from fairstall.labeling.trends.volumes import Outcomes
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.decide import Outcome
from fairstall.model.errors import InputError
from fairstall.model.intervals import wilson
from fairstall.records.engine import writing
from fairstall.records.ledger import CaseReason
from fairstall.records.tables import cases

WEAPONS, DRUGS = "prohibited/weapons", "prohibited/drugs"


@pytest.fixture
def read(store):
    """The trends of a period, some minutes after the last thing that happened."""

    def _read(**query):
        store.clock.advance(minutes=5)
        return TrendReader(store.engine, store.clock).read(Asked.of(query))

    return _read


@pytest.fixture
def mira(store):
    return store.user()


@pytest.fixture
def decide(store, mira):
    """She decides the next cases, all in the same way."""

    def _decide(verdict, *policies, times=1):
        for _ in range(times):
            case = store.queue.claim(mira)
            store.queue.decide(case.case_id, mira, verdict, policies)

    return _decide


def draw(store, outcome, times=1, **facts):
    for _ in range(times):
        store.open_case(reason=CaseReason.CONTROL, outcome=outcome, **{"inclusion_probability": 0.1} | facts)


def test_what_waits_is_counted_by_reason_policy_age_and_due_time(store, read):
    store.open_case()
    store.open_case(policy=DRUGS, reason=CaseReason.GOLDEN)
    store.clock.advance(hours=30)
    draw(store, Outcome.BLOCK)
    waiting = read().waiting
    assert (waiting.total, waiting.by_lane) == (3, {"all": 3})
    assert waiting.by_reason == {CaseReason.UNCERTAIN: 2, CaseReason.CONTROL: 1}
    assert waiting.by_policy == {WEAPONS: 1, DRUGS: 1, None: 1}
    assert {span.name: count for span, count in waiting.by_age.items() if count} == {
        "under 1 hour": 1,
        "1 to 3 days": 2,
    }
    assert {span.name: count for span, count in waiting.by_due.items() if count} == {"overdue": 2, "4 to 24 hours": 1}


def test_a_blind_case_is_not_found_by_its_policy(store, read):
    draw(store, Outcome.BLOCK)
    store.open_case()
    assert read(policy=WEAPONS).waiting.total == 1


def test_what_waited_follows_from_what_came_and_went(store, decide, read):
    for _ in range(3):
        store.open_case()
    store.clock.advance(hours=1)
    decide(ReviewVerdict.COMPLIANT, times=2)
    store.clock.advance(hours=1)
    store.open_case()
    decide(ReviewVerdict.VIOLATION, WEAPONS)
    work = read(period="24h").work
    assert len(work) == 24
    found = [(one.opened, one.violations, one.compliant, one.waiting) for one in work[-4:]]
    assert found == [(0, 0, 0, 0), (3, 0, 0, 3), (0, 0, 2, 1), (1, 1, 0, 1)]


def test_a_review_that_was_taken_back_does_not_count(store, mira, decide, read):
    store.open_case()
    decide(ReviewVerdict.COMPLIANT)
    store.queue.undo(mira)
    trends = read(period="24h")
    assert sum(one.reviewed for one in trends.work) == 0
    assert trends.work[-1].waiting == trends.waiting.total == 1


def test_decisions_are_told_by_outcome_policy_and_market(store, read):
    store.open_case(market="uk")
    store.open_case(policy=DRUGS, market="de", also=((WEAPONS, ()),))
    draw(store, Outcome.BLOCK, market="uk")
    draw(store, Outcome.APPROVE, times=2)
    volumes = read().volumes
    assert volumes.total == Outcomes(approved=2, review=2, blocked=1)
    assert volumes.total.automated == 0.6
    assert volumes.policies == {WEAPONS: Outcomes(0, 2, 1), DRUGS: Outcomes(0, 1, 0)}
    assert [sum(series) for series in volumes.policy_pieces.values()] == [3, 1]
    assert volumes.markets == ("de", "uk")
    assert read(market="uk").volumes.total == Outcomes(review=1, blocked=1)
    of_weapons = read(policy=WEAPONS, market="de").volumes
    assert (of_weapons.total, of_weapons.policies) == (Outcomes(review=1), {WEAPONS: Outcomes(review=1)})


def test_a_case_whose_market_was_not_noted_is_told_by_its_listing(store, decide, read):
    store.open_case(market="uk")
    store.open_case(market="de")
    draw(store, Outcome.BLOCK, market="uk")
    with writing(store.engine) as connection:
        connection.execute(update(cases).values(market=None))
    decide(ReviewVerdict.VIOLATION, WEAPONS)
    trends = read(market="uk", period="24h")
    assert (trends.waiting.total, len(trends.drawn)) == (1, 1)
    assert (trends.work[-1].opened, trends.work[-1].reviewed, trends.work[-1].waiting) == (2, 1, 1)


def test_an_empty_store_says_nothing(read):
    trends = read()
    assert (trends.waiting.total, trends.volumes.total, trends.drawn, trends.looked_at) == (0, Outcomes(), (), ())
    assert trends.volumes.total.automated is None
    assert block_precision(trends.drawn).share is None


def test_what_people_overturned_is_told_by_direction_and_policy(store, decide, read):
    draw(store, Outcome.BLOCK, times=3)
    decide(ReviewVerdict.COMPLIANT, times=2)
    decide(ReviewVerdict.VIOLATION, WEAPONS)
    draw(store, Outcome.APPROVE, times=2)
    decide(ReviewVerdict.VIOLATION, DRUGS)
    decide(ReviewVerdict.COMPLIANT)
    store.open_case()
    decide(ReviewVerdict.VIOLATION, WEAPONS)
    found = read().looked_at
    blocks, approvals = overturns(found, Outcome.BLOCK), overturns(found, Outcome.APPROVE)
    assert (blocks.looked_at, blocks.overturned, blocks.by_policy) == (3, 2, ((WEAPONS, 3, 2),))
    assert (approvals.looked_at, approvals.overturned, approvals.by_policy) == (2, 1, ((DRUGS, 1, 1),))


def test_an_overturn_that_was_undone_is_none(store, mira, decide, read):
    draw(store, Outcome.BLOCK)
    decide(ReviewVerdict.COMPLIANT)
    store.queue.undo(mira)
    assert read().looked_at == ()
    decide(ReviewVerdict.VIOLATION, WEAPONS)
    (found,) = read().looked_at
    assert not found.overturned


def test_precision_is_measured_on_what_was_drawn_and_decided_by_the_model_alone(store, decide, read):
    store.open_case()
    decide(ReviewVerdict.COMPLIANT)
    draw(store, Outcome.BLOCK, times=12)
    decide(ReviewVerdict.VIOLATION, WEAPONS, times=9)
    decide(ReviewVerdict.VIOLATION, DRUGS)
    decide(ReviewVerdict.COMPLIANT)
    drawn = read().drawn
    overall, of_weapons, of_drugs = (block_precision(drawn, code) for code in (None, WEAPONS, DRUGS))
    assert (overall.hits, overall.reviewed, overall.waiting) == (10, 11, 1)
    assert overall.share == pytest.approx(10 / 11)
    assert (overall.low, overall.high) == pytest.approx(interval(10 / 11, 11))
    assert overall.stands_for == pytest.approx(120)
    assert (of_weapons.hits, of_weapons.reviewed) == (9, 11)
    assert (of_drugs.reviewed, of_drugs.share) == (0, None)
    assert missed_violations(drawn).reviewed == 0


def test_below_the_least_number_of_reviews_nothing_is_said(store, decide, read):
    draw(store, Outcome.APPROVE, times=LEAST_REVIEWED)
    decide(ReviewVerdict.COMPLIANT, times=LEAST_REVIEWED - 1)
    few = missed_violations(read().drawn)
    assert (few.share, few.low, few.high, few.reviewed) == (None, 0.0, 1.0, LEAST_REVIEWED - 1)
    decide(ReviewVerdict.VIOLATION, WEAPONS)
    drawn = read().drawn
    assert missed_violations(drawn).share == missed_violations(drawn, WEAPONS).share == pytest.approx(0.1)
    assert missed_violations(drawn, DRUGS).share == 0.0


def test_who_was_drawn_with_a_smaller_chance_counts_for_more(store, decide, read):
    draw(store, Outcome.APPROVE, times=10, inclusion_probability=0.5)
    decide(ReviewVerdict.COMPLIANT, times=10)
    draw(store, Outcome.APPROVE, times=5, inclusion_probability=0.1)
    decide(ReviewVerdict.VIOLATION, WEAPONS, times=5)
    found = missed_violations(read().drawn)
    assert found.share == pytest.approx(50 / 70)
    effective = (10 * 2 + 5 * 10) ** 2 / (10 * 2**2 + 5 * 10**2)
    assert (found.low, found.high) == pytest.approx(interval(50 / 70, effective))


def test_decisions_on_one_listing_count_as_one_observation(store, decide, read):
    draw(store, Outcome.APPROVE, times=6)
    for number in range(6):
        draw(store, Outcome.APPROVE, listing_id="again", title=f"Again {number}")
    decide(ReviewVerdict.COMPLIANT, times=12)
    found = missed_violations(read().drawn)
    assert (found.reviewed, found.share) == (12, 0.0)
    effective = 12**2 / (6 + 6**2)
    assert found.high == pytest.approx(interval(0.0, effective)[1])


def test_a_minute_long_nobody_reads_the_store_again(store):
    reader = TrendReader(store.engine, store.clock)
    asked = Asked.of({})
    first = reader.read(asked)
    store.open_case()
    assert reader.read(asked) is first
    store.clock.advance(seconds=FRESH_FOR.total_seconds())
    assert reader.read(asked).waiting.total == 1


@pytest.mark.parametrize(
    ("query", "pieces", "step"),
    [
        ({"period": "24h"}, 24, Step.HOUR),
        ({}, 7, Step.DAY),
        ({"period": "90d"}, 90, Step.DAY),
        ({"from": "2026-11-20", "to": "2026-11-21"}, 48, Step.HOUR),
        ({"period": "custom", "from": "2026-11-22"}, 13, Step.HOUR),
        ({"from": "2026-10-01", "to": "2026-10-31"}, 31, Step.DAY),
    ],
)
def test_periods_are_cut_into_hours_or_days(clock, query, pieces, step):
    scope = Asked.of(query).scope(clock())
    assert (len(scope.pieces), scope.step) == (pieces, step)
    assert scope.pieces[0] == scope.since
    assert scope.pieces[-1] < scope.until <= scope.pieces[-1] + timedelta(days=1)


@pytest.mark.parametrize(
    "query",
    [
        {"period": "for ever"},
        {"from": "yesterday"},
        {"from": "2026-11-21", "to": "2026-11-20"},
        {"from": "2027-01-01"},
        {"from": "2024-01-01", "to": "2026-01-01"},
    ],
)
def test_what_is_no_period_is_refused(clock, query):
    with pytest.raises(InputError):
        Asked.of(query).scope(clock())


def test_the_address_of_a_choice_leads_back_to_it():
    for query in ({}, {"period": "30d", "market": "uk & co"}, {"from": "2026-11-20", "policy": WEAPONS}):
        asked = Asked.of(query)
        assert Asked.of(dict(parse_qsl(asked.query))) == asked


def interval(share, observations) -> tuple[float, float]:
    found = wilson(share, observations, confidence=0.95)
    return found.low, found.high
