"""A backtest on the terminal. Text of sellers is shown as text: no markup, and no character that acts."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fairstall.evals.backtest import Backtest
from fairstall.evals.backtest_sheets import Sheet, headline, limits, sheets
from fairstall.evals.change_sample import ChangedListing, Shift
from fairstall.evals.tables import bare_table
from fairstall.model.decide import Evidence, Outcome

CHANGES_SHOWN = 10
LONGEST_TEXT = 160
_COLOURS = {Outcome.APPROVE: "green", Outcome.REVIEW: "yellow", Outcome.BLOCK: "red"}


def backtest_report(found: Backtest, changes: Sequence[ChangedListing] = ()) -> Iterator[RenderableType]:
    """Everything worth a policy manager's first look, and the first changes to read."""
    yield Text.assemble((f"{found.old} → {found.new}", "bold"), "\n", headline(found))
    yield from (sheet_table(sheet) for sheet in sheets(found))
    for limit in limits(found):
        yield Text(f"· {limit}", "dim")
    if changes:
        yield Text("\nTo read before publishing", "bold")
    yield from map(_change, changes[:CHANGES_SHOWN])
    if (left := len(changes) - CHANGES_SHOWN) > 0:
        yield Text(f"and {left} more, which --out FOLDER writes", "dim")


def sheet_table(sheet: Sheet) -> Table:
    table = bare_table(sheet.title)
    for place, column in enumerate(sheet.columns):
        table.add_column(column, justify="right" if place else "left", overflow="fold")
    for row in sheet.rows:
        table.add_row(*(Text("\n".join(map(visible, cell.split("\n")))) for cell in row))
    if sheet.note:
        table.caption = Text(sheet.note)
    return table


def visible(text: str) -> str:
    """`text` on one line, what cannot be printed spelled out: a right-to-left override becomes \\u202e."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in " ".join(text.split()))


def _change(changed: ChangedListing) -> RenderableType:
    move = ((str(changed.before), _COLOURS[changed.before]), " → ", (str(changed.after), _COLOURS[changed.after]))
    reviewed = "" if changed.violated is None else f", reviewed as {', '.join(sorted(changed.violated)) or 'compliant'}"
    head = Text.assemble(*move, "  ", visible(changed.listing.title)[:LONGEST_TEXT], style="bold")
    lines = [Text(visible(changed.listing.description)[:LONGEST_TEXT], "dim"), *map(_shift, changed.shifts)]
    return Group(head, Padding(Group(*lines, Text(changed.decision_id + reviewed, "dim")), (0, 0, 1, 2)))


def _shift(shift: Shift) -> Text:
    line = Text.assemble((shift.policy, "cyan"), f" {shift.before} → {shift.after}")
    if shift.probability is not None:
        line.append(f", model {shift.probability:.3f}")
    for sign, evidence in (("-", shift.evidence_gone), ("+", shift.evidence_come)):
        if evidence:
            line.append(f", {sign} {_words(evidence)}")
    return line


def _words(evidence: Sequence[Evidence]) -> str:
    return " ".join(f"“{visible(one.text)}”" for one in evidence[:3])
