"""The figures of the queue: what waits now, and how much waited before."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from fairstall.labeling.lanes import SENIOR, SHARED
from fairstall.labeling.trends.case_list import LANES_OF_PEOPLE, NO_POLICY
from fairstall.labeling.trends.charts import Series, draw_area, draw_rows
from fairstall.labeling.trends.drawing import Words
from fairstall.labeling.trends.figures import Figure, Table, count, name, piece_labels, piece_name, plural
from fairstall.labeling.trends.snapshot import Trends
from fairstall.labeling.views import REASONS
from fairstall.model.wire import iso_utc

CASES = "/cases"
WITHOUT_FINDING = "Without a finding, or blind"
_TEAM = "team:"
_NOW = "Open cases, those that somebody is at work on included."


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of what waits, and the query that finds it."""

    label: str
    number: int
    query: Mapping[str, str | None]


def queue_figures(trends: Trends, title: Callable[[str], str]) -> Iterator[Figure]:
    """All of them. `title` tells what a policy is called."""
    yield _depth(trends)
    yield _by_due(trends)
    yield _by_age(trends)
    yield _by_reason(trends)
    yield _by_policy(trends, title)
    yield _by_lane(trends)


def _depth(trends: Trends) -> Figure:
    scope, work = trends.scope, trends.work
    shown = {"market": scope.market, "policy": scope.policy}
    rows = []
    for piece in work:
        within = scope.within(piece.begin)
        since, until = iso_utc(within.since), iso_utc(within.until)
        opened = count(piece.opened, CASES, opened_from=since, opened_to=until, **shown)
        reviewed = count(piece.reviewed, CASES, reviewed_from=since, reviewed_to=until, **shown)
        rows.append((piece_name(piece.begin, scope.step), opened, reviewed, count(piece.waiting)))
    highest = max(work, key=lambda piece: piece.waiting)
    when = piece_name(highest.begin, scope.step).text
    waiting = [piece.waiting for piece in work]
    return Figure(
        "depth",
        "Cases waiting",
        f"{plural(trends.waiting.total, 'case')} {_waits(trends.waiting.total)} now; at most {highest.waiting:,} did, "
        f"on {when}.",
        "Open cases at the end of each piece, from what waits now and what came and went since.",
        Table(
            ("When", "Opened", "Reviewed", "Waiting at its end"),
            ("when", "opened", "reviewed", "waiting"),
            tuple(rows),
        ),
        _drawn_when(
            any(waiting),
            partial(draw_area, labels=_labels(trends), series=Series("Waiting", "accent", waiting)),
        ),
    )


def _by_due(trends: Trends) -> Figure:
    spans = trends.waiting.by_due
    overdue = next(iter(spans.values()))
    soon = overdue + list(spans.values())[1]
    fact = (
        f"{plural(overdue, 'case')} {'is' if overdue == 1 else 'are'} overdue, {soon:,} are or will be within an hour."
    )
    parts = [_Part(span.name, number, {"due_from": span.first, "due_to": span.end}) for span, number in spans.items()]
    return _rows(trends, "due", "When they are due", fact, parts, pressing=("overdue",))


def _by_age(trends: Trends) -> Figure:
    spans = trends.waiting.by_age
    old = [*spans.values()][-1]
    fact = f"{plural(old, 'case')} {_waits(old)} for over a week." if old else "None waits for over a week."
    parts = [
        _Part(span.name, number, {"opened_from": span.first, "opened_to": span.end}) for span, number in spans.items()
    ]
    return _rows(trends, "age", "How long they have waited", fact, parts)


def _by_reason(trends: Trends) -> Figure:
    reasons = trends.waiting.by_reason.items()
    parts = [_Part(REASONS[reason][0], number, {"reason": str(reason)}) for reason, number in reasons]
    return _rows(trends, "reasons", "Why they wait", _most(parts), parts)


def _by_policy(trends: Trends, title: Callable[[str], str]) -> Figure:
    policies = trends.waiting.by_policy.items()
    parts = [
        _Part(title(code) if code else WITHOUT_FINDING, number, {"policy": code or NO_POLICY})
        for code, number in policies
    ]
    return _rows(trends, "waiting-policies", "What they may violate", _most(parts), parts)


def _by_lane(trends: Trends) -> Figure:
    lanes: Counter[tuple[str, str]] = Counter()
    for lane, number in trends.waiting.by_lane.items():
        lanes[_lane(lane)] += number
    parts = [_Part(shown, number, {"lane": lane}) for (shown, lane), number in lanes.items()]
    return _rows(trends, "lanes", "Whose turn it is", _most(parts), parts)


def _lane(lane: str) -> tuple[str, str]:
    """What it is called, and how it is asked for."""
    if lane.startswith(LANES_OF_PEOPLE):
        return "Named people", LANES_OF_PEOPLE
    if lane.startswith(_TEAM):
        return f"Team {lane.removeprefix(_TEAM)}", lane
    return {SHARED: "Everybody", SENIOR: "Seniors"}.get(lane, lane), lane


def _rows(
    trends: Trends, figure: str, title: str, fact: str, parts: Sequence[_Part], *, pressing: Sequence[str] = ()
) -> Figure:
    shown = {"state": "open", "market": trends.scope.market, "policy": trends.scope.policy}
    rows = tuple((name(part.label), count(part.number, CASES, **{**shown, **part.query})) for part in parts)
    labels, numbers = [part.label for part in parts], [part.number for part in parts]
    drawing = partial(draw_rows, labels=labels, series=[Series(title, "accent", numbers)], pressing=pressing)
    return Figure(
        figure,
        title,
        fact if any(numbers) else "Nothing waits.",
        _NOW,
        Table((title, "Cases"), (figure.replace("-", "_"), "cases"), rows),
        _drawn_when(any(numbers), drawing),
    )


def _drawn_when(something: bool, drawing: Callable[[Words], str]) -> Callable[[Words], str] | None:
    return drawing if something else None


def _labels(trends: Trends) -> list[str]:
    return piece_labels([piece.begin for piece in trends.work], trends.scope.step)


def _waits(number: int) -> str:
    return "waits" if number == 1 else "wait"


def _most(parts: Sequence[_Part]) -> str:
    return f"Most: {parts[0].label}, {parts[0].number:,}." if parts else ""
