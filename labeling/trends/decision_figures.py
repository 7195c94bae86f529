"""The figures of what was decided: by the model and by people, how much without people, and for which policies."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from fairstall.labeling.trends.charts import LINE_COLOURS, Series, draw_columns, draw_lines, draw_rows
from fairstall.labeling.trends.figures import (
    Cell,
    Figure,
    Table,
    count,
    name,
    percent,
    percentage,
    piece_labels,
    piece_name,
    plural,
)
from fairstall.labeling.trends.scope import Scope
from fairstall.labeling.trends.snapshot import Trends
from fairstall.labeling.trends.volumes import Outcomes
from fairstall.model.decide import Outcome
from fairstall.model.wire import iso_utc

CASES, DECISIONS = "/cases", "/decisions"
POLICIES_DRAWN = 12
_COUNTED = "Decisions of the model, each counted some two minutes after it was taken. Those of archived months stay in."


def decision_figures(trends: Trends, title: Callable[[str], str]) -> Iterator[Figure]:
    """All of them. `title` tells what a policy is called."""
    yield _decided(trends)
    yield _automation(trends)
    yield _reviewed(trends)
    yield _policies(trends, title)
    yield _policy_trend(trends, title)


def _decided(trends: Trends) -> Figure:
    scope, volumes = trends.scope, trends.volumes
    rows = tuple(
        (piece_name(begin, scope.step), *_outcome_cells(trends, scope.within(begin), found))
        for begin, found in volumes.pieces.items()
    )
    total = volumes.total
    found = list(volumes.pieces.values())
    series = [
        Series("Approved", "approve", [one.approved for one in found]),
        Series("Sent to review", "review", [one.review for one in found]),
        Series("Blocked", "block", [one.blocked for one in found]),
    ]
    return Figure(
        "decisions",
        f"Decisions of the model, {_every(trends)}",
        f"{plural(total.total, 'decision')}: {total.approved:,} approved, {total.review:,} sent to review, "
        f"{total.blocked:,} blocked.",
        _COUNTED,
        Table(
            ("When", "Approved", "Sent to review", "Blocked", "All"),
            ("when", "approved", "review", "blocked", "all"),
            (*rows, (name("All"), *_outcome_cells(trends, scope, total))),
        ),
        partial(draw_columns, labels=_labels(trends), series=series) if total.total else None,
    )


def _automation(trends: Trends) -> Figure:
    volumes, step = trends.volumes, trends.scope.step
    rows: list[tuple[Cell, ...]] = [
        (piece_name(begin, step), percentage(found.automated), count(found.total - found.review), count(found.total))
        for begin, found in volumes.pieces.items()
    ]
    total = volumes.total
    share = total.automated
    rows.append((name("All"), percentage(share), count(total.total - total.review), count(total.total)))
    series = Series("Without a person", "accent", [found.automated for found in volumes.pieces.values()])
    return Figure(
        "automation",
        "Decided without a person",
        "Nothing was decided." if share is None else f"{percent(share)} of decisions were taken without a person.",
        "The share of the model's decisions that approve or block. What it sends to review, people decide.",
        Table(("When", "Share", "Without a person", "All"), ("when", "share", "automated", "all"), tuple(rows)),
        None if share is None else partial(draw_lines, labels=_labels(trends), series=[series], percent=True),
    )


def _reviewed(trends: Trends) -> Figure:
    scope = trends.scope
    shown = {"market": scope.market, "policy": scope.policy}
    rows: list[tuple[Cell, ...]] = []
    for piece in trends.work:
        within = scope.within(piece.begin)
        when = {"reviewed_from": iso_utc(within.since), "reviewed_to": iso_utc(within.until)}
        found = (("violation", piece.violations), ("compliant", piece.compliant), (None, piece.reviewed))
        cells = (count(number, CASES, verdict=verdict, **when, **shown) for verdict, number in found)
        rows.append((piece_name(piece.begin, scope.step), *cells))
    violations = sum(piece.violations for piece in trends.work)
    compliant = sum(piece.compliant for piece in trends.work)
    series = [
        Series("Compliant", "approve", [piece.compliant for piece in trends.work]),
        Series("Violation", "block", [piece.violations for piece in trends.work]),
    ]
    labels = piece_labels([piece.begin for piece in trends.work], scope.step)
    return Figure(
        "reviews",
        f"Reviews by people, {_every(trends)}",
        f"{plural(violations + compliant, 'review')}: {violations:,} found a violation, {compliant:,} did not.",
        "Reviews that stand, of whatever case. Those that were taken back do not count.",
        Table(
            ("When", "Violation", "Compliant", "All"),
            ("when", "violation", "compliant", "all"),
            tuple(rows),
        ),
        partial(draw_columns, labels=labels, series=series) if violations + compliant else None,
    )


def _policies(trends: Trends, title: Callable[[str], str]) -> Figure:
    policies = trends.volumes.policies
    rows = tuple(_policy_row(trends, code, found, title(code)) for code, found in policies.items())
    drawn = dict(list(policies.items())[:POLICIES_DRAWN])
    series = [
        Series("Blocked", "block", [found.blocked for found in drawn.values()]),
        Series("Sent to review", "review", [found.review for found in drawn.values()]),
    ]
    first = next(iter(policies), None)
    return Figure(
        "policies",
        "Findings by policy",
        "Nothing was found." if first is None else f"Most findings: {title(first)}, {policies[first].total:,}.",
        "Decisions of the model with a finding on the policy, by outcome. One with findings on two counts for both.",
        Table(
            ("Policy", "Blocked", "Sent to review", "All"),
            ("policy", "blocked", "review", "all"),
            rows,
        ),
        partial(
            draw_rows,
            labels=[title(code) for code in drawn],
            series=series,
            notes=[f"{found.total:,}" for found in drawn.values()],
        )
        if drawn
        else None,
    )


def _policy_trend(trends: Trends, title: Callable[[str], str]) -> Figure:
    volumes, scope = trends.volumes, trends.scope
    codes = list(volumes.policy_pieces)
    rows = tuple(
        (
            piece_name(begin, scope.step),
            *(_finding(trends, scope.within(begin), code, volumes.policy_pieces[code][place]) for code in codes),
        )
        for place, begin in enumerate(volumes.pieces)
    )
    drawn = codes[: len(LINE_COLOURS)]
    series = [
        Series(title(code), colour, volumes.policy_pieces[code])
        for code, colour in zip(drawn, LINE_COLOURS, strict=False)
    ]
    return Figure(
        "policy-trend",
        f"Findings, {_every(trends)}",
        f"The {plural(len(drawn), 'policy', 'policies')} with the most findings over time." if drawn else "Nothing.",
        "As above, over time; the table has every policy.",
        Table(("When", *map(title, codes)), ("when", *codes), rows),
        partial(draw_lines, labels=_labels(trends), series=series) if drawn else None,
    )


def _outcome_cells(trends: Trends, scope: Scope, found: Outcomes) -> Iterator[Cell]:
    numbers = (
        (Outcome.APPROVE, found.approved),
        (Outcome.REVIEW, found.review),
        (Outcome.BLOCK, found.blocked),
        (None, found.total),
    )
    for outcome, number in numbers:
        yield count(number, DECISIONS, **_of(trends, scope, outcome))


def _policy_row(trends: Trends, code: str, found: Outcomes, title: str) -> tuple[Cell, ...]:
    cells = ((Outcome.BLOCK, found.blocked), (Outcome.REVIEW, found.review), (None, found.total))
    of_policy = replace(trends.scope, policy=code)
    return (
        name(title, code),
        *(count(number, DECISIONS, **_of(trends, of_policy, outcome)) for outcome, number in cells),
    )


def _finding(trends: Trends, scope: Scope, code: str, number: int) -> Cell:
    return count(number, DECISIONS, **_of(trends, replace(scope, policy=code)))


def _of(trends: Trends, scope: Scope, outcome: Outcome | None = None) -> dict[str, str | None]:
    """The query of the model's decisions in a part of the past, as far as they are counted."""
    counted = scope.before(trends.counted_until)
    return {
        "by": "model",
        "outcome": None if outcome is None else str(outcome),
        "from": iso_utc(counted.since),
        "to": iso_utc(counted.until),
        "market": scope.market,
        "policy": scope.policy,
    }


def _labels(trends: Trends) -> list[str]:
    return piece_labels(list(trends.volumes.pieces), trends.scope.step)


def _every(trends: Trends) -> str:
    return f"by {trends.scope.step.name.lower()}"
