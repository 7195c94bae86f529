"""Evaluations, comparisons and gate verdicts as Rich tables for the terminal."""

from collections.abc import Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from fairstall.evals.bootstrap import Estimate
from fairstall.evals.compare import Comparison, Difference, Word
from fairstall.evals.evaluation import Evaluation, Scope
from fairstall.evals.gate import GateVerdict
from fairstall.evals.headings import HEADINGS, scope_name
from fairstall.evals.power import POWER, needed_shown
from fairstall.evals.slices import KINDS, LISTING, MACRO, POLICY_PREFIX, SOURCE_PREFIX

POLICY_METRICS = ("average_precision", "precision_at_recall_80", "recall_at_false_positives_1", "ece")
LISTING_METRICS = ("average_precision", "recall", "false_positive_rate", "automation_rate", "automated_error_rate")
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


def source_table(
    evaluation: Evaluation, title: str = "By source, listings as wholes", metrics: Sequence[str] = LISTING_METRICS
) -> Table:
    """A row for each source, and all of them: listings as wholes."""
    table = _scope_table(title, metrics)
    names = [name for name in evaluation.scopes if name.startswith(SOURCE_PREFIX)]
    _add_scopes(table, evaluation, [*names, LISTING], metrics)
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
    for kind in KINDS:
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
    """An empty table with a column for each metric."""
    table = bare_table(title)
    table.add_column("", overflow="fold")
    for column in ("rows", "break"):
        table.add_column(column, justify="right", no_wrap=True)
    for metric in metrics:
        table.add_column(HEADINGS[metric], justify="right", min_width=9)
    return table


def _add_scopes(table: Table, evaluation: Evaluation, names: Sequence[str], metrics: Sequence[str]) -> None:
    """A row for each scope among `names` that was measured."""
    for name in names:
        if scope := evaluation.scopes.get(name):
            if name in (MACRO, LISTING):
                table.add_section()
            cells = [_cell(scope, metric) for metric in metrics]
            table.add_row(Text(scope_name(name)), str(scope.rows), str(scope.violations), *cells)


def _cell(scope: Scope, metric: str) -> Text:
    found = scope.metrics.get(metric)
    return Text("-", "dim") if found is None else number_cell(found)


def number_cell(found: Estimate) -> Text:
    """A number above its interval."""
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
