"""A backtest on labelled rows instead of stored decisions: scored once, decided under both policy sets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairstall.evals.backtest import Asked, Backtest, Replayed, Tally
from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.change_sample import ChangedListing, ChangeSample, changed_listing
from fairstall.evals.errors import LONGEST_TEXT
from fairstall.evals.judgements import Judgement, Label
from fairstall.evals.replay import Models, Replay
from fairstall.evals.rows import EvalRow
from fairstall.evals.scored import assess_rows
from fairstall.evals.slices import LISTING
from fairstall.evals.suite import Columns
from fairstall.model.decide import Outcome

if TYPE_CHECKING:
    from fairstall.model.bundle import Bundle
    from fairstall.model.decision import Assessment
    from fairstall.model.policies import PolicySet

CHANGES = 50
PREFIX = "backtest"


@dataclass(frozen=True, slots=True)
class RowsBacktest:
    """`changes`: a table of changed rows to read, spread over the kinds of change."""

    backtest: Backtest
    changes: Columns


def backtest_rows(
    bundle: "Bundle",
    rows: Sequence[EvalRow],
    *,
    old: "PolicySet",
    new: "PolicySet",
    bootstrap: Bootstrap,
    progress: Callable[[int], None],
) -> RowsBacktest:
    """Decide `rows` under `old`, and replay the decisions under `new`. Segments are the sources of the rows."""
    thresholds = bundle.facts.thresholds
    replay = Replay(old, new, Models({bundle.version: thresholds}, thresholds))
    tally = Tally(old, new, ChangeSample(CHANGES, bootstrap.seed))
    places: dict[str, tuple[EvalRow, Assessment]] = {}
    for row, assessment in zip(rows, assess_rows(bundle, rows, policies=old, progress=progress), strict=True):
        places[row.id] = row, assessment
        tally.add(_replayed(replay, row, assessment))
    changes = (_changed(replay, *places[name]) for name in tally.sample.chosen())
    return RowsBacktest(tally.result(bootstrap), _table(changes))


def backtest_metrics(found: Backtest) -> dict[str, float]:
    """Flat names that do not change: `backtest/changed`, `backtest/approve_to_review`, `backtest/stop_recall`."""
    flow = found.flow
    flat = {f"{PREFIX}/rows": float(flow.decisions), f"{PREFIX}/changed": flow.per_thousand(flow.changed) / 1000}
    for before in Outcome:
        for after in Outcome:
            if before is not after:
                share = flow.per_thousand(flow.moves[before, after]) / 1000
                flat[f"{PREFIX}/{before}_to_{after}"] = share
    for side, cases in (("before", flow.cases_before), ("after", flow.cases_after)):
        flat[f"{PREFIX}/cases_per_1000_{side}"] = flow.per_thousand(cases)
    for judgement in found.judgements:
        if judgement.scope == LISTING:
            flat |= _judgement_metrics(judgement)
    return flat


def _judgement_metrics(judgement: Judgement) -> dict[str, float]:
    name = f"{PREFIX}/{judgement.question}"
    sides = {f"{name}_before": judgement.old, name: judgement.new, f"{name}_gain": judgement.difference}
    return {key: value for side, found in sides.items() if found for key, value in found.metrics(side).items()}


def _replayed(replay: Replay, row: EvalRow, assessment: "Assessment") -> Replayed:
    return Replayed(
        decision_id=row.id,
        change=replay.change(assessment, row.listing()),
        group=row.group or row.id,
        segments={"source": row.source},
        control=False,
        asked=Asked.LABELLED,
        label=Label(row.policies, row.mask, row.weight),
    )


def _changed(replay: Replay, row: EvalRow, assessment: "Assessment") -> ChangedListing:
    listing = row.listing()
    return changed_listing(row.id, listing, replay.change(assessment, listing), row.policies)


def _table(changes: Iterator[ChangedListing]) -> Columns:
    rows: list[Mapping[str, object]] = [
        {
            "before": str(one.before),
            "after": str(one.after),
            "policies": " | ".join(f"{s.policy}: {s.before} to {s.after}" for s in one.shifts),
            "evidence_gone": " | ".join(e.text for s in one.shifts for e in s.evidence_gone),
            "evidence_come": " | ".join(e.text for s in one.shifts for e in s.evidence_come),
            "truth": " | ".join(sorted(one.violated or ())) or "compliant",
            "title": one.listing.title[:LONGEST_TEXT],
            "description": one.listing.description[:LONGEST_TEXT],
            "id": one.decision_id,
        }
        for one in changes
    ]
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
