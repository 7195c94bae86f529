"""Evaluations, comparisons and gate verdicts as Rich tables for the terminal."""

from collections.abc import Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from fairstall.evals.bootstrap import Estimate
from fairstall.evals.compare import Comparison, Difference, Word
from fairstall.evals.evaluation import Evaluation, Scope
from fairstall.evals.gate import GateVerdict
from fairstall.evals.guarantees import Guarantees
from fairstall.evals.headings import HEADINGS, scope_name
from fairstall.evals.languages import LanguageGateReport
from fairstall.evals.look_alikes import LookAlikes
from fairstall.evals.power import POWER, needed_shown
from fairstall.evals.recall import Kept
from fairstall.evals.routers import RouterReport
from fairstall.evals.slices import LISTING, MACRO, POLICY_PREFIX, SOURCE_PREFIX
from fairstall.evals.speed import Speed
from fairstall.model.routing import Router

POLICY_METRICS = ("average_precision", "precision_at_recall_80", "recall_at_false_positives_1", "ece")
LISTING_METRICS = ("average_precision", "recall", "false_positive_rate", "automation_rate", "automated_error_rate")
UNSEEN_METRICS = (
    "automation_rate",
    "automated_error_rate",
    "errors_captured_at_review_10",
    "errors_captured_at_review_20",
)
WIDE_METRICS = ("average_precision", "recall", "false_positive_rate", "ece")  # compared for macro and listing
NARROW_METRICS = ("average_precision", "recall", "false_positive_rate")  # the first that was measured, for the rest
_COLOURS = {Word.BETTER: "green", Word.WORSE: "red", Word.CANNOT_TELL: "dim"}


def policy_table(evaluation: Evaluation) -> Table:
    """A row for each policy, and their mean."""
    table = _scope_table("By policy", POLICY_METRICS)
    names = [name for name in evaluation.scopes if name.startswith(POLICY_PREFIX)]
    _add_scopes(table, evaluation, [*names, MACRO], POLICY_METRICS)
    if evaluation.not_measured:
        table.caption = f"Not measured, no row violates them: {', '.join(evaluation.not_measured)}"
    return table


def source_table(evaluation: Evaluation) -> Table:
    """A row for each source, and all of them: listings as wholes."""
    table = _scope_table("By source, listings as wholes", LISTING_METRICS)
    names = [name for name in evaluation.scopes if name.startswith(SOURCE_PREFIX)]
    _add_scopes(table, evaluation, [*names, LISTING], LISTING_METRICS)
    return table


def comparison_table(comparison: Comparison) -> Table:
    """The mean over policies and listings as wholes in several metrics, each policy and source in one."""
    table = bare_table(f"{comparison.second} against {comparison.first}")
    table.add_column("", overflow="fold")
    table.add_column("metric", max_width=9)
    table.add_column("from, to", justify="right", no_wrap=True)
    table.add_column("difference, 95 %", justify="right", no_wrap=True)
    table.add_column("the second is", no_wrap=True)
    table.add_column("labels", justify="right", no_wrap=True)
    by_scope: dict[str, dict[str, Difference]] = {}
    for found in comparison.differences:
        by_scope.setdefault(found.scope, {})[found.metric] = found
    for kind in ((MACRO,), (LISTING,), (POLICY_PREFIX,), (SOURCE_PREFIX,)):
        for scope, found_here in by_scope.items():
            if scope.startswith(kind):
                _add_differences(table, scope, _shown(scope, found_here), comparison)
        table.add_section()
    table.caption = _comparison_caption(comparison)
    return table


def gate_table(verdict: GateVerdict) -> Table:
    """A row for each rule."""
    table = bare_table("The gate")
    for column in ("rule", "measured", "needed"):
        table.add_column(column, overflow="fold")
    table.add_column("", no_wrap=True)
    for line in verdict.lines:
        mark = Text("passed", "green") if line.passed else Text("FAILED", "bold red")
        table.add_row(Text(line.rule), Text(line.measured), Text(line.limit), mark)
    return table


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
            cells += [_number(kept.changed), _number(kept.kept)] if kept else [Text("-", "dim")] * 2
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
        table.add_row(language, str(report.rows), *(_number(share) for share in shares))
    return table


def look_alike_table(found: Mapping[str, LookAlikes]) -> Table:
    """A row for each policy, and their mean."""
    table = bare_table("Words and deeds, by score at the release threshold")
    table.add_column("", overflow="fold")
    for column in ("with its words, stopped", "without, stopped", "violations without, found"):
        table.add_column(column, justify="right", min_width=9)
    for scope, one in found.items():
        cells = [_number(share) if share else Text("-", "dim") for share in (one.worded, one.plain, one.unnamed)]
        table.add_row(Text(scope_name(scope)), *cells)
    return table


def unseen_table(evaluation: Evaluation) -> Table:
    """A row for each unseen source, and all of them: listings as wholes."""
    table = _scope_table("Sources that the recipe has not seen, listings as wholes", UNSEEN_METRICS)
    names = [name for name in evaluation.scopes if name.startswith(SOURCE_PREFIX)]
    _add_scopes(table, evaluation, [*names, LISTING], UNSEEN_METRICS)
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
            table.add_row(kind, Text(code), *counts, _number(one.share), f"{one.promised:.2f}")
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
        cells = [_number(report.captured[router]) for router in Router]
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


def bare_table(title: str) -> Table:
    """An empty table in the style of them all."""
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )


def _scope_table(title: str, metrics: Sequence[str]) -> Table:
    table = bare_table(title)
    table.add_column("", overflow="fold")
    for column in ("rows", "break"):
        table.add_column(column, justify="right", no_wrap=True)
    for metric in metrics:
        table.add_column(HEADINGS[metric], justify="right", min_width=9)
    return table


def _add_scopes(table: Table, evaluation: Evaluation, names: Sequence[str], metrics: Sequence[str]) -> None:
    for name in names:
        if scope := evaluation.scopes.get(name):
            if name in (MACRO, LISTING):
                table.add_section()
            cells = [_cell(scope, metric) for metric in metrics]
            table.add_row(Text(scope_name(name)), str(scope.rows), str(scope.violations), *cells)


def _cell(scope: Scope, metric: str) -> Text:
    found = scope.metrics.get(metric)
    return Text("-", "dim") if found is None else _number(found)


def _number(found: Estimate) -> Text:
    return Text.assemble(f"{found.value:.3f}\n", (f"{found.low:.2f}-{found.high:.2f}", "dim"))


def _shown(scope: str, found: Mapping[str, Difference]) -> list[Difference]:
    if scope in (MACRO, LISTING):
        return [found[metric] for metric in WIDE_METRICS if metric in found]
    return [found[metric] for metric in NARROW_METRICS if metric in found][:1]


def _add_differences(table: Table, scope: str, shown: Sequence[Difference], comparison: Comparison) -> None:
    for name, found in zip(_once(Text(scope_name(scope))), shown, strict=False):
        word = Text(str(found.verdict), _COLOURS[found.verdict])
        change = f"{found.first:.3f} {found.second:.3f}"
        more = Text(needed_shown(found, comparison), "dim")
        table.add_row(name, HEADINGS[found.metric], change, _signed(found.difference), word, more)


def _once(name: Text) -> Iterator[Text]:
    yield name
    while True:
        yield Text()


def _signed(by: Estimate) -> str:
    return f"{by.value:+.3f}\n{by.low:+.3f} to {by.high:+.3f}"


def _comparison_caption(comparison: Comparison) -> str:
    parts = [f"{comparison.rows} rows in {comparison.groups} groups"]
    for name, codes in (
        ("only the first scores", comparison.only_first),
        ("only the second scores", comparison.only_second),
        ("not measured", comparison.not_measured),
    ):
        if codes:
            parts.append(f"{name} {', '.join(codes)}")
    parts.append(
        f"labels: how many more would tell in {100 * POWER:.0f} % of cases, if the difference is the measured one"
    )
    return "; ".join(parts)
