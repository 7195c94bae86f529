"""The figures of how good the decisions are: what people overturned, what the control sample says, who agrees."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import ceil, floor

from fairstall.labeling.trends.again import Overturns, overturns
from fairstall.labeling.trends.agreement_figures import agreement_figure
from fairstall.labeling.trends.charts import Interval, Series, draw_intervals, draw_rows
from fairstall.labeling.trends.drawing import Words
from fairstall.labeling.trends.figures import (
    NOTHING,
    TOO_FEW,
    Cell,
    Figure,
    Table,
    count,
    name,
    percent,
    percentage,
    plural,
)
from fairstall.labeling.trends.sample import (
    LEAST_REVIEWED,
    SampledShare,
    block_precision,
    missed_violations,
    policies_blocked,
    policies_missed,
)
from fairstall.labeling.trends.scope import Scope
from fairstall.labeling.trends.snapshot import Trends
from fairstall.model.decide import Outcome
from fairstall.model.wire import iso_utc

CASES, DECISIONS = "/cases", "/decisions"
POLICIES_DRAWN = 12
_AGAIN = (
    "The model's own decisions of the period that people have looked at since: in the control sample, in appeals, in "
    "reports. Appeals and reports are about what somebody doubts, so this is not how often the model is wrong."
)
_SAMPLED = (
    "Only of what the model decided alone: listings that it sent to review are no part of it. By blind reviews of "
    "listings drawn at random, each weighted by one over its chance of being drawn; the interval is Wilson's, 95 %, "
    f"for the effective number of listings. Below {LEAST_REVIEWED} reviews nothing is said."
)


def quality_figures(trends: Trends, title: Callable[[str], str]) -> Iterator[Figure]:
    """All of them. `title` tells what a policy is called."""
    yield _precision(trends, title)
    yield _missed(trends, title)
    yield _overturned(trends, title, Outcome.BLOCK)
    yield _overturned(trends, title, Outcome.APPROVE)
    yield agreement_figure(trends.scope, trends.pairs, title)


def _precision(trends: Trends, title: Callable[[str], str]) -> Figure:
    drawn = trends.drawn
    codes = [trends.scope.policy] if trends.scope.policy else policies_blocked(drawn)
    shares = [block_precision(drawn), *(block_precision(drawn, code) for code in codes)]
    said = [share.low for share in shares if share.share is not None]
    lowest = min([0.9, *(floor(low * 10) / 10 for low in said)])
    return _sampled(
        trends,
        "precision",
        "Right among what the model blocked",
        "of what the model blocked were violations",
        [("All blocked" if share.policy is None else title(share.policy), share) for share in shares],
        Outcome.BLOCK,
        (lowest, 1.0),
    )


def _missed(trends: Trends, title: Callable[[str], str]) -> Figure:
    drawn = trends.drawn
    codes = [trends.scope.policy] if trends.scope.policy else policies_missed(drawn)
    shares = [missed_violations(drawn), *(missed_violations(drawn, code) for code in codes)]
    said = [share.high for share in shares if share.share is not None]
    highest = min(1.0, max([0.04, *(ceil(high * 25) / 25 for high in said)]))
    return _sampled(
        trends,
        "missed",
        "Violations among what the model approved",
        "of what the model approved were violations",
        [("Any policy" if share.policy is None else title(share.policy), share) for share in shares],
        Outcome.APPROVE,
        (0.0, highest),
    )


def _sampled(
    trends: Trends,
    figure: str,
    title: str,
    says: str,
    shares: Sequence[tuple[str, SampledShare]],
    outcome: Outcome,
    scale: tuple[float, float],
) -> Figure:
    overall = shares[0][1]
    rows = [Interval(label, share.share, share.low, share.high, _note(share)) for label, share in shares]
    drawing = partial(draw_intervals, rows=rows, low=scale[0], high=scale[1])
    return Figure(
        figure,
        title,
        _says(overall, says),
        f"{_SAMPLED} {_coverage(overall, trends, outcome)}",
        Table(
            ("", "Share", "At least", "At most", "Violations", "Reviewed", "Drawn, not reviewed yet"),
            ("policy", "share", "low", "high", "violations", "reviewed", "waiting"),
            tuple(_share_row(trends.scope, label, share, outcome) for label, share in shares),
        ),
        drawing if overall.reviewed else None,
    )


def _share_row(scope: Scope, label: str, share: SampledShare, outcome: Outcome) -> tuple[Cell, ...]:
    of = {
        "sample": str(outcome),
        "from": iso_utc(scope.since),
        "to": iso_utc(scope.until),
        "market": scope.market,
        "policy": share.policy,
    }
    return (
        name(label, share.policy or "all"),
        *_interval_cells(share),
        count(share.hits, CASES, hit="yes", **of),
        count(share.reviewed, CASES, **of),
        count(share.waiting),
    )


def _interval_cells(share: SampledShare) -> tuple[Cell, Cell, Cell]:
    if share.share is None:
        return Cell(TOO_FEW, None), percentage(None), percentage(None)
    return percentage(share.share), percentage(share.low), percentage(share.high)


def _says(share: SampledShare, says: str) -> str:
    if share.share is None:
        return f"{TOO_FEW.capitalize()}: {plural(share.reviewed, 'drawn listing')} reviewed."
    interval = f"95 % interval {100 * share.low:.1f} to {percent(share.high)}"
    return f"{percent(share.share)} {says} ({interval}, {share.reviewed:,} reviewed)."


def _note(share: SampledShare) -> str:
    if share.share is None:
        return f"{TOO_FEW} ({share.reviewed:,})"
    return f"{percent(share.share)} of {share.reviewed:,}"


def _coverage(share: SampledShare, trends: Trends, outcome: Outcome) -> str:
    total = trends.volumes.total
    decided = total.blocked if outcome is Outcome.BLOCK else total.approved
    verb = "blocked" if outcome is Outcome.BLOCK else "approved"
    waiting = f" {plural(share.waiting, 'drawn one')} wait for review." if share.waiting else ""
    return f"The drawn ones stand for about {share.stands_for:,.0f} of {decided:,} {verb}.{waiting}"


def _overturned(trends: Trends, title: Callable[[str], str], outcome: Outcome) -> Figure:
    found = overturns(trends.looked_at, outcome)
    blocks = outcome is Outcome.BLOCK
    did = "lifted" if blocks else "turned into blocks"
    of_one = trends.scope.policy is not None
    overall = _again_cells(trends.scope, outcome, found.looked_at, found.overturned, of_one=of_one)
    rows = [(name("All", "all"), *overall)]
    for code, looked_at, overturned in found.by_policy:
        of_policy = replace(trends.scope, policy=code)
        cells = _again_cells(of_policy, outcome, looked_at, overturned, of_one=True)
        rows.append((name(title(code), code), *cells))
    return Figure(
        "blocks-overturned" if blocks else "approvals-overturned",
        "Blocks that people lifted" if blocks else "Approvals that people turned into blocks",
        f"Of {plural(found.looked_at, 'block' if blocks else 'approval')} looked at again, {found.overturned:,} "
        f"{'was' if found.overturned == 1 else 'were'} {did}.",
        _AGAIN,
        Table(
            ("Policy", "Looked at again", "Overturned", "Share"),
            ("policy", "looked_at", "overturned", "share"),
            tuple(rows),
        ),
        _drawing(found, title) if found.by_policy else None,
    )


def _drawing(found: Overturns, title: Callable[[str], str]) -> Callable[[Words], str]:
    shown = found.by_policy[:POLICIES_DRAWN]
    overturned = [number for _, _, number in shown]
    series = [Series("Overturned", "block", overturned)]
    notes: list[str] = []
    if found.outcome is Outcome.BLOCK:
        series.append(Series("Upheld", "neutral", [looked_at - number for _, looked_at, number in shown]))
        notes = [f"{number:,} of {looked_at:,}" for _, looked_at, number in shown]
    return partial(draw_rows, labels=[title(code) for code, *_ in shown], series=series, notes=notes)


def _again_cells(scope: Scope, outcome: Outcome, looked_at: int, overturned: int, *, of_one: bool) -> Iterator[Cell]:
    """An approval is for no policy: what was looked at and not overturned cannot be told for one."""
    told = outcome is Outcome.BLOCK or not of_one
    of = {
        "outcome": str(outcome),
        "from": iso_utc(scope.since),
        "to": iso_utc(scope.until),
        "market": scope.market,
        "policy": scope.policy,
    }
    yield count(looked_at, DECISIONS, again="looked_at", **of) if told else Cell(NOTHING, None)
    yield count(overturned, DECISIONS, again="overturned", **of)
    yield percentage(overturned / looked_at if told and looked_at else None)
