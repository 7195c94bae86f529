"""A Comparison in the forms that outlive the terminal: stable names, JSON, a figure, and one page of HTML."""

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fairstall.evals.compare import Comparison, Word
from fairstall.evals.headings import HEADINGS, scope_name
from fairstall.evals.power import POWER, labels_needed, needed_shown
from fairstall.evals.slices import KINDS, MACRO
from fairstall.evals.suite import SuiteReport
from fairstall.evals.tracking import RunTags

HEADLINE = (MACRO, "average_precision")
FIGURE = "differences.png"
SECTIONS = ("Mean of policies", "All listings", "By policy", "By source, listings as wholes")


def comparison_report(comparison: Comparison) -> SuiteReport:
    """Every difference as `difference/SCOPE/METRIC` with its interval, and how many labels would tell."""
    from fairstall.evals.difference_plot import draw_differences
    from fairstall.evals.tables import comparison_table

    metrics: dict[str, float] = {}
    for found in comparison.differences:
        name = f"{found.scope}/{found.metric}"
        metrics |= found.difference.metrics(f"difference/{name}")
        if (needed := labels_needed(found, comparison)) is not None:
            metrics[f"labels_needed/{name}"] = float(needed)
    facts = json.dumps(asdict(comparison), indent=1, sort_keys=True, allow_nan=False) + "\n"
    figure = draw_differences(comparison)
    return SuiteReport(metrics, facts, (comparison_table(comparison),), {FIGURE: figure} if figure else {})


def comparison_page(comparison: Comparison, report: SuiteReport, origin: RunTags) -> str:
    """One HTML file that needs nothing beside it: the answer, the figure, every difference, and its origin."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figure = report.plots.get(FIGURE)
    return environment.get_template("comparison.html").render(
        comparison=comparison,
        answer=answer(comparison),
        sections=list(_sections(comparison)),
        figure=base64.b64encode(figure).decode() if figure else "",
        origin=origin,
        percent=round(100 * comparison.bootstrap.confidence),
        power=round(100 * POWER),
    )


def _sections(comparison: Comparison) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for title, start in zip(SECTIONS, KINDS, strict=True):
        if rows := list(_rows(comparison, start)):
            yield title, rows


def answer(comparison: Comparison) -> str:
    """The headline in one sentence."""
    found = comparison.find(*HEADLINE)
    if found is None:
        return "Nothing can be said: no row violates a policy that both score."
    verdict = {
        Word.BETTER: f"{comparison.second} is better than {comparison.first}",
        Word.WORSE: f"{comparison.second} is worse than {comparison.first}",
        Word.CANNOT_TELL: f"These rows cannot tell {comparison.second} from {comparison.first}",
    }[found.verdict]
    by = found.difference
    numbers = f"{found.first:.3f} to {found.second:.3f}, {by.value:+.3f} [{by.low:+.3f}, {by.high:+.3f}]"
    more = needed_shown(found, comparison)
    return f"{verdict}: mean average precision {numbers}{f', some {more} labels more would tell' if more else ''}."


def _rows(comparison: Comparison, start: str) -> Iterator[dict[str, Any]]:
    for found in comparison.differences:
        if found.scope.startswith(start):
            yield {
                "scope": scope_name(found.scope),
                "metric": HEADINGS.get(found.metric, found.metric),
                "found": found,
                "needed": needed_shown(found, comparison),
            }
