"""What `fairstall shadow report` says: how often a shadow agreed, and where and how it did not."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from fairstall.model.decide import Band, Outcome
from fairstall.model.errors import NotFound
from fairstall.records.shadow import Disagreement, PairCount, disagreements, moved_bands, pair_counts

Pair: TypeAlias = tuple[Outcome, Outcome]

_BANDS = list(Band)


@dataclass(frozen=True, slots=True)
class Example:
    """A decision to read, and the policies whose band differs."""

    decision_id: str
    pair: Pair
    policies: tuple[str, ...]


@dataclass(slots=True)
class Moves:
    """Listings whose band differs, by policy: into a higher band, or into a lower one. And some of them to read."""

    stricter: Counter[str] = field(default_factory=Counter)
    milder: Counter[str] = field(default_factory=Counter)
    examples: dict[Pair, list[Example]] = field(default_factory=dict)

    def add(self, one: Disagreement, *, examples: int) -> None:
        """Count one disagreement, and keep it to read while there are fewer than `examples` of its pair."""
        moved = moved_bands(one.before, one.after)
        for policy, (before, after) in moved.items():
            (self.stricter if _BANDS.index(after) > _BANDS.index(before) else self.milder)[policy] += 1
        pair = (one.before.outcome, one.after.outcome)
        kept = self.examples.setdefault(pair, [])
        if len(kept) < examples:
            kept.append(Example(one.decision_id, pair, tuple(moved)))


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """`pairs` are of one shadow against one champion; `others` are other champions with their counts."""

    shadow: str
    champion: str
    pairs: Sequence[PairCount]
    others: Counter[str]
    moves: Moves

    @property
    def compared(self) -> int:
        return sum(pair.compared for pair in self.pairs)

    @property
    def disagreed(self) -> int:
        return sum(pair.disagreed for pair in self.pairs)


def gather_report(engine: Engine, shadow: str, *, against: str | None, in_force: str, examples: int) -> ShadowReport:
    """All that was recorded of a shadow, against the bundle named or in force, or else the one compared with last.

    Raises NotFound when there is nothing.
    """
    counted = pair_counts(engine, shadow)
    if not counted:
        raise NotFound(f"no shadow {shadow} was compared here")
    last = max(counted, key=lambda pair: (pair.model_version == in_force, pair.last_at)).model_version
    champion = against or last
    moves = Moves()
    for one in disagreements(engine, shadow, champion):
        moves.add(one, examples=examples)
    # Counted again after the disagreements were read, so that a running service makes no share larger than one.
    pairs, others = _apart(pair_counts(engine, shadow), champion)
    if not pairs:
        raise NotFound(f"the shadow {shadow} was not compared with {champion}")
    return ShadowReport(shadow, champion, pairs, others, moves)


def report_tables(report: ShadowReport) -> Iterator[Text | Table]:
    """The parts of the report, in their order."""
    yield _headline(report)
    yield _outcomes(report)
    if report.moves.stricter or report.moves.milder:
        yield _policies(report)
    if any(report.moves.examples.values()):
        yield _to_read(report)


def _apart(counted: Sequence[PairCount], champion: str) -> tuple[list[PairCount], Counter[str]]:
    """The counts against one champion, and how many listings the others were compared on."""
    others: Counter[str] = Counter()
    for pair in counted:
        if pair.model_version != champion:
            others[pair.model_version] += pair.compared
    return [pair for pair in counted if pair.model_version == champion], others


def _headline(report: ShadowReport) -> Text:
    first, last = min(p.first_at for p in report.pairs), max(p.last_at for p in report.pairs)
    agreed = report.compared - report.disagreed
    lines = [
        f"Shadow {report.shadow} against {report.champion}",
        f"compared {report.compared:,} listings, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC",
        f"agreed on outcome and bands: {agreed:,}, {_share(agreed, report.compared)}",
    ]
    for other, compared in report.others.items():
        lines.append(f"also compared with {other}, {compared:,} listings: --against {other}")
    return Text("\n".join(lines), overflow="fold")


def _outcomes(report: ShadowReport) -> Table:
    table = _table("Outcomes", "answered", "shadow", numbers=("listings", "of all, 95 %"))
    for pair in sorted(report.pairs, key=lambda pair: (pair.before is pair.after, -pair.compared)):
        style = "dim" if pair.before is pair.after else ""
        share = _share(pair.compared, report.compared)
        table.add_row(str(pair.before), str(pair.after), f"{pair.compared:,}", share, style=style)
    return table


def _policies(report: ShadowReport) -> Table:
    moves = report.moves
    table = _table("Bands, by policy", "policy", numbers=("higher", "of all, 95 %", "lower", "of all, 95 %"))
    for policy, _ in (moves.stricter + moves.milder).most_common():
        up, down = moves.stricter[policy], moves.milder[policy]
        shares = (_share(up, report.compared), _share(down, report.compared))
        table.add_row(policy, f"{up:,}", shares[0], f"{down:,}", shares[1])
    return table


def _to_read(report: ShadowReport) -> Table:
    table = _table("To read", "answered", "shadow", "decision", "policies")
    for kept in report.moves.examples.values():
        for one in kept:
            table.add_row(str(one.pair[0]), str(one.pair[1]), one.decision_id, ", ".join(one.policies))
    return table


def _table(title: str, *names: str, numbers: Sequence[str] = ()) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    for name in names:
        table.add_column(name, no_wrap=name == "decision", overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _share(count: int, of: int) -> str:
    from fairstall.evals.bootstrap import CONFIDENCE, wilson

    found = wilson(count / of, of, confidence=CONFIDENCE)
    return f"{100 * found.value:.2f} % [{100 * found.low:.2f}, {100 * found.high:.2f}]"
