"""The figure of how often two people who review the same listing, neither knowing of the other, agree."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from fairstall.labeling.agreement import CONFIDENCE, Agreement
from fairstall.labeling.quality import LEAST_PAIRS, Pair, pairs_of, policy_figures, verdict_alpha
from fairstall.labeling.review_rows import read_reviews, reviewed_twice
from fairstall.labeling.trends.charts import Interval, draw_intervals
from fairstall.labeling.trends.conditions import case_of_market
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
from fairstall.labeling.trends.scope import Scope
from fairstall.model.intervals import Estimate, wilson
from fairstall.model.wire import iso_utc

REVIEWS = "/quality/reviews"
POLICIES_DRAWN = 11
_ABOUT = (
    "Of the listings that two people reviewed blindly, drawn at random or of high impact: both call them compliant, or "
    "both a violation and name one policy in common. For a policy, of those in which either names it. The interval is "
    "Wilson's, 95 %. Beyond chance is Krippendorff's alpha of the verdicts, and for a policy Cohen's kappa: 1 where "
    f"all agree, 0 where they agree no more than by chance. Below {LEAST_PAIRS} listings nothing is said."
)


@dataclass(frozen=True, slots=True)
class Agreeing:
    """`pairs` of reviews that name a policy, or all of them, of which `agreeing` agree; None where too few to say."""

    policy: str | None
    pairs: int
    agreeing: int
    share: Estimate | None
    beyond_chance: Agreement | None


def read_pairs(connection: Connection, scope: Scope) -> tuple[Pair, ...]:
    """The pairs of reviews of the period, newest first, whatever they name: what chance gives follows from all."""
    of = (reviewed_twice(), case_of_market(scope.market))
    return tuple(pairs_of(read_reviews(connection, scope.since, scope.until, of=of)))


def agreement_figure(scope: Scope, pairs: Sequence[Pair], title: Callable[[str], str]) -> Figure:
    """How far people agree: on all, and on each policy that was named, or on the one of the scope.

    `title` tells what a policy is called.
    """
    found = [one for one in _agreeing(pairs) if scope.policy is None or one.policy in (None, scope.policy)]
    labels = ["All" if one.policy is None else title(one.policy) for one in found]
    rows = [_interval(label, one) for label, one in zip(labels, found, strict=True)][: 1 + POLICIES_DRAWN]
    lowest = min([0.5, *(row.low for row in rows if row.share is not None)])
    return Figure(
        "agreement",
        "Two reviewers who agree",
        _says(found[0]),
        _ABOUT,
        Table(
            ("", "Agree", "At least", "At most", "Beyond chance", "Listings", "Reviews", "Disagreeing reviews"),
            ("policy", "share", "low", "high", "beyond_chance", "listings", "reviews", "disagreeing"),
            tuple(_cells(scope, label, one) for label, one in zip(labels, found, strict=True)),
        ),
        partial(draw_intervals, rows=rows, low=int(lowest * 10) / 10, high=1.0) if pairs else None,
    )


def _agreeing(pairs: Sequence[Pair]) -> list[Agreeing]:
    """Of all, and then of each policy, the most named first."""
    by_policy = [one for one in policy_figures((), pairs) if one.policy is not None and one.named]
    by_policy.sort(key=lambda one: (-one.named, str(one.policy)))
    of_policies = [_of([p for p in pairs if p.names(str(one.policy))], one.policy, one.kappa) for one in by_policy]
    return [_of(pairs, None, verdict_alpha(pairs)), *of_policies]


def _of(pairs: Sequence[Pair], policy: str | None, beyond_chance: Agreement | None) -> Agreeing:
    agreeing = sum(pair.agrees for pair in pairs)
    enough = len(pairs) >= LEAST_PAIRS
    share = wilson(agreeing / len(pairs), len(pairs), confidence=CONFIDENCE) if enough else None
    return Agreeing(policy, len(pairs), agreeing, share, beyond_chance)


def _interval(label: str, one: Agreeing) -> Interval:
    if one.share is None:
        return Interval(label, None, 0.0, 0.0, f"{TOO_FEW} ({one.pairs:,})")
    return Interval(
        label, one.share.value, one.share.low, one.share.high, f"{percent(one.share.value)} of {one.pairs:,}"
    )


def _says(every: Agreeing) -> str:
    if every.share is None:
        return f"{TOO_FEW.capitalize()}: {plural(every.pairs, 'listing')} reviewed twice."
    interval = f"95 % interval {100 * every.share.low:.1f} to {percent(every.share.high)}"
    said = f"{percent(every.share.value)} of {every.pairs:,} listings reviewed twice got the same verdict ({interval})"
    alpha = every.beyond_chance.figure if every.beyond_chance else None
    if alpha is None:
        return f"{said}."
    return f"{said}; Krippendorff's alpha is {alpha.value:.2f} ({alpha.low:.2f} to {alpha.high:.2f})."


def _cells(scope: Scope, label: str, one: Agreeing) -> tuple[Cell, ...]:
    of = {
        "from": iso_utc(scope.since),
        "to": iso_utc(scope.until),
        "market": scope.market,
        "policy": one.policy,
    }
    share = one.share
    figures = (share.value, share.low, share.high) if share else (None, None, None)
    return (
        name(label, one.policy or "all"),
        Cell(TOO_FEW, None) if share is None else percentage(figures[0]),
        *(percentage(figure) for figure in figures[1:]),
        _beyond_chance(one.beyond_chance),
        count(one.pairs),
        count(2 * one.pairs, REVIEWS, of="second", **of),
        count(2 * (one.pairs - one.agreeing), REVIEWS, of="disagreed", **of),
    )


def _beyond_chance(found: Agreement | None) -> Cell:
    if found is None or found.figure is None:
        return Cell(NOTHING, None)
    return Cell(f"{found.figure.value:.2f}", round(found.figure.value, 6))
