"""A run as rows of words, for the terminal and for the page alike, and as tables of both kinds."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

from rich.table import Table

from fairstall.model.errors import InputError
from fairstall.serving.bench.figures import Figure, figures
from fairstall.serving.bench.machine import BUSY_LOAD
from fairstall.serving.bench.results import BenchResult, LoadRun

BEGIN, END = "<!-- results: written by fairstall bench report -->", "<!-- end of results -->"
NOT_MEASURED = "not measured"
FALLS_SHORT = "falls short"
FIGURES_FOLDER = "figures"
PLOT_NAME = "performance"

Row: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table in words; all columns but the first are numbers."""

    title: str
    columns: Row
    rows: tuple[Row, ...]


def figure_sheet(result: BenchResult) -> Sheet:
    """What was found beside what is wanted."""
    rounds = result.settings.rounds
    title = "Figures" if rounds == 1 else f"Figures: median of {rounds} rounds, and their range"
    columns = ("figure", "found", "range", "wanted", "")
    return Sheet(title, columns, tuple(_figure_row(one) for one in figures(result)))


def load_sheet(result: BenchResult) -> Sheet:
    """Every contestant under every load, each number the median of its rounds; errors are the sum."""
    columns = ("contestant, load", "answers/s", "p50 ms", "p90 ms", "p99 ms", "errors", "CPU ms", "of load", "peak MB")
    rows = [
        _load_row(f"{name}, {load}", found)
        for name in result.contestants
        for load, found in result.by_load(name).items()
    ]
    return Sheet("Loads: CPU per answer, of the server and of the load generator", columns, tuple(rows))


def start_sheet(result: BenchResult) -> Sheet:
    """How long each contestant took to be ready."""
    rows = [(name, _number(_median([run.ready_s for run in result.of(name)]))) for name in result.contestants]
    return Sheet("Starts", ("contestant", "ready after s"), tuple(rows))


def facts(result: BenchResult) -> list[str]:
    """One line each on machine, versions, model, listings and settings."""
    listings, settings = result.listings, result.settings
    shares = ", ".join(f"{share:.0%} {outcome}" for outcome, share in listings.outcomes.items())
    return [
        f"{result.begun_at}; " + ", ".join(f"{name} {value}" for name, value in result.machine.items()),
        ", ".join(f"{name} {version}" for name, version in result.versions.items()),
        f"bundle {result.bundle}, digest {result.bundle_digest}",
        f"{listings.count} listings from {listings.source}: {listings.median_words:g} words and "
        f"{listings.median_tokens:g} tokens at the median; {shares}; SHA-256 {listings.sha256[:12]}",
        f"{settings.rounds} rounds, {settings.seconds:g} s under each load, {settings.database}, "
        f"full ledger of {settings.ledger_rows:,} decisions",
    ]


def warnings(result: BenchResult) -> list[str]:
    """What makes the figures worth less."""
    told = ["A quick run: it shows that all works, its figures tell nothing."] if result.settings.quick else []
    told += [f"Not measured: {failure.splitlines()[0]}" for failure in result.failures]
    if (load := float(result.machine["load before"])) > BUSY_LOAD:
        told.append(f"The machine was busy before the first round (load {load:g}): the figures are too low.")
    failed = {server.contestant for server in result.servers for run in server.runs if run.failed}
    return told + [f"{name}: some requests got no good answer." for name in sorted(failed)]


def rich_table(sheet: Sheet) -> Table:
    table = Table(title=sheet.title, title_justify="left")
    for place, column in enumerate(sheet.columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=not place)
    for row in sheet.rows:
        table.add_row(*row, style="bold red" if row[-1] == FALLS_SHORT else None)
    return table


def markdown_table(sheet: Sheet) -> str:
    lines = [sheet.columns, tuple("---" if not place else "---:" for place in range(len(sheet.columns))), *sheet.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def results_section(result: BenchResult) -> str:
    """The results as they stand in the page, between its two marks."""
    sheets = (figure_sheet(result), load_sheet(result), start_sheet(result))
    told = "\n".join(f"- {line}" for line in (*warnings(result), *facts(result)))
    tables = "\n\n".join(f"**{sheet.title}**\n\n{markdown_table(sheet)}" for sheet in sheets)
    plot = f"![Latency against throughput, and throughput beside others]({FIGURES_FOLDER}/{PLOT_NAME}.svg)"
    return f"{BEGIN}\n\n{told}\n\n{plot}\n\n{tables}\n\n{END}"


def write_results(page: str, result: BenchResult) -> str:
    """The page with the results between its marks. Raises InputError when it has no marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(f"the page has no place for results between {BEGIN!r} and {END!r}")
    return before + results_section(result) + after


def _figure_row(figure: Figure) -> Row:
    if figure.value is None:
        return figure.name, NOT_MEASURED, "", str(figure.wanted or ""), ""
    unit = f" {figure.unit}" if figure.unit else ""
    low, high = min(figure.values), max(figure.values)
    spread = f"{_number(low)} to {_number(high)}" if len(figure.values) > 1 else ""
    verdict = "" if figure.wanted is None else FALLS_SHORT if figure.falls_short else "met"
    return figure.name, f"{_number(figure.value)}{unit}", spread, str(figure.wanted or ""), verdict


def _load_row(name: str, runs: Sequence[LoadRun]) -> Row:
    per_answer_ms = [1_000 * run.server_cpu_s / max(1, run.answered) for run in runs]
    generator_ms = [1_000 * run.generator_cpu_s / max(1, run.answered) for run in runs]
    return (
        name,
        _number(_median([run.answers_per_s for run in runs])),
        _number(_median([run.latencies.p50_ms for run in runs])),
        _number(_median([run.latencies.p90_ms for run in runs])),
        _number(_median([run.latencies.p99_ms for run in runs])),
        str(sum(run.failed for run in runs)),
        _number(_median(per_answer_ms)),
        _number(_median(generator_ms)),
        _number(_median([run.server_peak_mb for run in runs])),
    )


def _median(values: Sequence[float]) -> float:
    return float(median(values))


def _number(value: float) -> str:
    """Three digits that count, as far as there are so many."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
