"""Evaluations, comparisons and gate verdicts as Rich tables for the terminal."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from fairstall.evals.bootstrap import Estimate
from fairstall.evals.compare import Comparison, Difference, Word
from fairstall.evals.evaluation import Evaluation, Scope
from fairstall.evals.gate import GateVerdict
from fairstall.evals.slices import LISTING, MACRO

POLICY_METRICS = ("average_precision", "precision_at_recall_80", "recall_at_false_positives_1", "ece")
LISTING_METRICS = ("average_precision", "recall", "false_positive_rate", "automation_rate", "automated_error_rate")
SHOWN_DIFFERENCES = ("average_precision", "recall", "false_positive_rate", "ece")
_COLOURS = {Word.BETTER: "green", Word.WORSE: "red", Word.CANNOT_TELL: "dim"}


def policy_table(evaluation: Evaluation) -> Table:
    """A row for each policy, and their mean."""
    table = _scope_table("By policy", POLICY_METRICS)
    names = [name for name in evaluation.scopes if name.startswith("policy/")]
    _add_scopes(table, evaluation, [*names, MACRO], POLICY_METRICS)
    if evaluation.not_measured:
        table.caption = f"Not measured, no row violates them: {', '.join(evaluation.not_measured)}"
    return table


def source_table(evaluation: Evaluation) -> Table:
    """A row for each source, and all of them: listings as wholes."""
    table = _scope_table("By source, listings as wholes", LISTING_METRICS)
    names = [name for name in evaluation.scopes if name.startswith("source/")]
    _add_scopes(table, evaluation, [*names, LISTING], LISTING_METRICS)
    return table


def comparison_table(comparison: Comparison) -> Table:
    """A row for each scope and headline metric that was measured on both sides."""
    table = Table(title=f"{comparison.second} against {comparison.first}", title_justify="left")
    table.add_column("scope", overflow="fold")
    table.add_column("metric", overflow="fold")
    for column in ("first", "second", "difference", "95 % interval"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("the second is")
    shown = [d for d in comparison.differences if d.metric in SHOWN_DIFFERENCES]
    for before, found in zip([None, *shown], shown, strict=False):
        same = before is not None and before.scope == found.scope
        if before is not None and not same:
            table.add_section()
        table.add_row("" if same else found.scope, found.metric, *_numbers(found), _word(found.verdict))
    table.caption = _comparison_caption(comparison)
    return table


def gate_table(verdict: GateVerdict) -> Table:
    """A row for each rule."""
    table = Table(title="The gate", title_justify="left")
    for column in ("rule", "measured", "needed", ""):
        table.add_column(column, overflow="fold")
    for line in verdict.lines:
        mark = Text("passed", "green") if line.passed else Text("FAILED", "bold red")
        table.add_row(Text(line.rule), Text(line.measured), Text(line.limit), mark)
    return table


def _scope_table(title: str, metrics: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("", overflow="fold")
    for column in ("rows", "violations"):
        table.add_column(column, justify="right")
    for metric in metrics:
        table.add_column(metric.replace("_", " "), justify="right", min_width=14)
    return table


def _add_scopes(table: Table, evaluation: Evaluation, names: list[str], metrics: Iterable[str]) -> None:
    for name in names:
        scope = evaluation.scopes.get(name)
        if scope is None:
            continue
        if name in (MACRO, LISTING):
            table.add_section()
        table.add_row(Text(name), str(scope.rows), str(scope.violations), *(_cell(scope, metric) for metric in metrics))


def _cell(scope: Scope, metric: str) -> str:
    found = scope.metrics.get(metric)
    return f"{found.value:.3f}\n({_interval(found)})" if found else "-"


def _interval(found: Estimate) -> str:
    return f"{found.low:.3f} to {found.high:.3f}"


def _numbers(found: Difference) -> tuple[str, str, str, str]:
    by = found.difference
    return f"{found.first:.3f}", f"{found.second:.3f}", f"{by.value:+.3f}", f"{by.low:+.3f} to {by.high:+.3f}"


def _word(word: Word) -> Text:
    return Text(str(word), _COLOURS[word])


def _comparison_caption(comparison: Comparison) -> str:
    parts = [f"{comparison.rows} rows in {comparison.groups} groups"]
    for name, codes in (
        ("only the first scores", comparison.only_first),
        ("only the second scores", comparison.only_second),
        ("not measured", comparison.not_measured),
    ):
        if codes:
            parts.append(f"{name} {', '.join(codes)}")
    return "; ".join(parts)
