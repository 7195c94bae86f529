"""A backtest in words: one line, small tables of text, and what the numbers cannot say. How they look is not here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fairstall.evals.backtest import MARKET, SELLER, Asked, Backtest, Flow
from fairstall.evals.bootstrap import Estimate
from fairstall.evals.judgements import Judgement, Question
from fairstall.evals.slices import LISTING
from fairstall.model.decide import Outcome

MARKETS_SHOWN = 10
NOT_TOLD = "cannot tell"
SELLERS = ("first", "2 to 10", "11 to 100", "over 100")
_QUESTIONS = {
    Question.BLOCK_PRECISION: "precision of blocks",
    Question.STOP_PRECISION: "precision of stops",
    Question.STOP_RECALL: "recall of stops",
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of text: the first column names, the others count. A cell may have several lines."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def headline(found: Backtest) -> str:
    """How much changes, and how much work it makes, in two sentences."""
    flow = found.flow
    before, after = (flow.per_thousand(cases) for cases in (flow.cases_before, flow.cases_after))
    return (
        f"{flow.changed:,} of {flow.decisions:,} decisions would end otherwise ({_percent(flow.changed, flow)}). "
        f"Of every 1,000 listings {after:.1f} would go to people instead of {before:.1f} ({after - before:+.1f})."
    )


def sheets(found: Backtest) -> Iterator[Sheet]:
    """Those that have anything to say."""
    yield _moves(found.flow)
    if shifts := _policies(found):
        yield Sheet("Findings and outcomes by policy", ("", "come", "go", "stay", "outcomes changed"), shifts)
    for title, rows in (("By the seller's decisions so far", _sellers(found)), ("By market", _markets(found))):
        if rows:
            yield Sheet(title, ("", "decisions", "changed", "stopped", "blocked", "cases per 1,000"), rows)
    if rows := tuple(_judgement(one) for one in found.judgements if one.scope == LISTING or one.apart):
        note = "Stopped: not approved. A difference has a word only where ten sellers or more tell the two apart."
        yield Sheet("What labels say", ("", "asked", "before", "after", "difference", "after is"), rows, note)


def limits(found: Backtest) -> Iterator[str]:
    """What was not as in life, or cannot be known."""
    if found.other_policies:
        yield (
            f"{found.other_policies:,} decisions were made under other policies than {found.old}. For them both sides "
            "are computed, from the stored scores."
        )
    if found.other_model:
        yield (
            f"{found.other_model:,} decisions were made by a model that is not at hand. For them both sides are "
            "computed with the thresholds of the model in force."
        )
    yield from _label_limits(found)


def _label_limits(found: Backtest) -> Iterator[str]:
    labelled, waiting = found.asked.get(Asked.LABELLED, 0), found.asked.get(Asked.WAITING, 0)
    yield (
        f"Labels exist for reviewed listings and the control sample alone: {labelled:,} have one, {waiting:,} wait for "
        "theirs. Each counts for as many listings as it was drawn from."
    )
    if unplanned := found.asked.get(Asked.NOT_BY_CHANCE, 0):
        yield f"{unplanned:,} labels are left out: those listings came by an appeal or a report, not by chance."
    if not found.judgements:
        yield "Without labels precision and recall cannot be told."
    if found.added:
        yield f"No reviewer could name {', '.join(found.added)} yet: precision and recall leave them out."
    if found.retired:
        yield f"Labels are read by the new policies: what broke {', '.join(found.retired)} alone counts as compliant."


def _moves(flow: Flow) -> Sheet:
    rows = tuple(
        (f"{old}", *(f"{flow.moves[old, new]:,}" for new in Outcome), f"{flow.before(old):,}") for old in Outcome
    )
    total = ("after", *(f"{flow.after(new):,}" for new in Outcome), f"{flow.decisions:,}")
    return Sheet("Outcomes before (down) and after (across)", ("", *Outcome, "before"), (*rows, total))


def _policies(found: Backtest) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (code, f"{shift.come:,}", f"{shift.gone:,}", f"{shift.stay:,}", f"{shift.outcomes:,}")
        for code, shift in found.policies.items()
        if shift.come or shift.gone or shift.outcomes
    )


def _sellers(found: Backtest) -> tuple[tuple[str, ...], ...]:
    flows = found.segments.get(SELLER, {})
    return tuple(_flow(name, flows[name]) for name in SELLERS if name in flows)


def _markets(found: Backtest) -> tuple[tuple[str, ...], ...]:
    """The markets in which most changes, and those that are left together."""
    flows: Mapping[str, Flow] = found.segments.get(MARKET, {})
    ranked = sorted(flows.items(), key=lambda named: (-named[1].changed, -named[1].decisions, named[0]))
    return tuple(_flow(name, flow) for name, flow in ranked[:MARKETS_SHOWN])


def _flow(name: str, flow: Flow) -> tuple[str, ...]:
    stopped = (flow.decisions - flow.before(Outcome.APPROVE), flow.decisions - flow.after(Outcome.APPROVE))
    blocked = (flow.before(Outcome.BLOCK), flow.after(Outcome.BLOCK))
    cases = (flow.per_thousand(flow.cases_before), flow.per_thousand(flow.cases_after))
    return (
        name,
        f"{flow.decisions:,}",
        f"{flow.changed:,} ({_percent(flow.changed, flow)})",
        *(f"{_percent(before, flow)} → {_percent(after, flow)}" for before, after in (stopped, blocked)),
        f"{cases[0]:.1f} → {cases[1]:.1f}",
    )


def _percent(count: int, flow: Flow) -> str:
    return f"{flow.per_thousand(count) / 10:.2f} %"


def _judgement(one: Judgement) -> tuple[str, ...]:
    scope = "all listings" if one.scope == LISTING else one.scope
    if one.apart:
        told = _interval(one.difference, sign="+") if one.difference else NOT_TOLD
        return scope, _QUESTIONS[one.question], _interval(one.old), _interval(one.new), told, str(one.verdict)
    return scope, _QUESTIONS[one.question], _interval(one.old), _interval(one.new), "in no label", "the same"


def _interval(found: Estimate | None, sign: str = "") -> str:
    if found is None:
        return NOT_TOLD
    return f"{found.value:{sign}.3f}\n[{found.low:{sign}.3f}, {found.high:{sign}.3f}]"
