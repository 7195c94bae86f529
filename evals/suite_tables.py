"""What the suites found as Rich tables for the terminal; evaluations and comparisons have theirs in `tables`."""

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from fairstall.evals.faithfulness import Faithfulness
from fairstall.evals.guarantees import Guarantees
from fairstall.evals.headings import scope_name
from fairstall.evals.languages import LanguageGateReport
from fairstall.evals.look_alikes import LookAlikes
from fairstall.evals.recall import Kept
from fairstall.evals.routers import RouterReport
from fairstall.evals.speed import Speed
from fairstall.evals.tables import bare_table, number_cell
from fairstall.model.routing import Router


def kept_table(title: str, readings: Mapping[str, Mapping[str, Kept]]) -> Table:
    """A row for each name, and for each reading the recall, and what it is of the plain one."""
    table = bare_table(title)
    table.add_column("", overflow="fold")
    for reading in readings:
        table.add_column(f"recall {reading}", justify="right")
        table.add_column("kept", justify="right", min_width=9)
    for name in dict.fromkeys(name for found in readings.values() for name in found):
        cells = []
        for found in readings.values():
            kept = found.get(name)
            cells += [number_cell(kept.changed), number_cell(kept.kept)] if kept else [Text("-", "dim")] * 2
        table.add_row(name, *cells)
    return table


def language_table(reports: Mapping[str, LanguageGateReport]) -> Table:
    """A row for each language."""
    table = bare_table("Languages that the bundle does not read")
    table.add_column("")
    for column in ("rows", "to a person, named", "to a person, not named", "violations approved"):
        table.add_column(column, justify="right")
    for language, report in reports.items():
        shares = (report.declared, report.undeclared, report.approved_violations)
        table.add_row(language, str(report.rows), *(number_cell(share) for share in shares))
    return table


def look_alike_table(found: Mapping[str, LookAlikes]) -> Table:
    """A row for each policy, and their mean."""
    table = bare_table("Words and deeds, by score at the release threshold")
    table.add_column("", overflow="fold")
    for column in ("with its words, stopped", "without, stopped", "violations without, found"):
        table.add_column(column, justify="right", min_width=9)
    for scope, one in found.items():
        cells = [number_cell(share) if share else Text("-", "dim") for share in (one.worded, one.plain, one.unnamed)]
        table.add_row(Text(scope_name(scope)), *cells)
    return table


def faithfulness_table(found: Mapping[str, Faithfulness]) -> Table:
    """A row for each policy, and their mean."""
    table = bare_table("Evidence of the model's findings, and as many words at random places")
    table.add_column("", overflow="fold")
    table.add_column("findings", justify="right")
    for column in ("words", "p lost without", "by chance", "undone without", "by chance"):
        table.add_column(column, justify="right", min_width=9)
    for scope, one in found.items():
        lost = (one.comprehensiveness, one.random_comprehensiveness, one.undone, one.random_undone)
        cells = [number_cell(share) for share in (one.marked, *lost)]
        table.add_row(Text(scope_name(scope)), str(one.findings), *cells)
    return table


def guarantee_table(found: Guarantees) -> Table:
    """A row for each kind of threshold and policy."""
    table = bare_table("Draws of certification rows that certified a threshold whose risk is above the target")
    table.add_column("")
    table.add_column("", overflow="fold")
    for column in ("draws", "certified", "above the target", "promised at most"):
        table.add_column(column, justify="right")
    for kind, of_kind in found.items():
        for code, one in of_kind.items():
            counts = (str(one.draws), str(one.certified))
            table.add_row(kind, Text(code), *counts, number_cell(one.share), f"{one.promised:.2f}")
    return table


def router_table(found: Mapping[str, RouterReport], review_budget: float) -> Table:
    """A row for each scope, the errors that each router finds, and the router to use."""
    table = bare_table(f"Errors found when people look at {100 * review_budget:g} % of the listings")
    table.add_column("", overflow="fold")
    table.add_column("errors", justify="right")
    for router in Router:
        table.add_column(router.value, justify="right", min_width=9)
    table.add_column("use")
    for scope, report in found.items():
        cells = [number_cell(report.captured[router]) for router in Router]
        table.add_row(Text(scope_name(scope)), str(report.errors), *cells, report.best.value)
    return table


def speed_table(speed: Speed) -> Table:
    """One row: listings a second, and how long a listing takes."""
    table = bare_table(f"Speed of {speed.listings} listings, one at a time on one thread")
    for column in ("listings/s", "p50 ms", "p99 ms"):
        table.add_column(column, justify="right")
    found = (speed.listings_per_s, speed.p50_ms, speed.p99_ms)
    table.add_row(*(f"{one.value:.1f} ({one.low:.1f}-{one.high:.1f})" for one in found))
    return table
