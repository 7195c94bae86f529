"""`fairstall bench`: how fast the service is on this machine, beside what its model can do and beside others."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from fairstall.cli.bundles import bundle_in_force
from fairstall.cli.progress import stages
from fairstall.cli.serve import build_scoring_app, listen, log_json_lines, run_app, take_short_turns
from fairstall.cli.settings import (
    DEFAULT_CONTROL_RATE,
    DEFAULT_HOME,
    DEFAULT_HOST,
    BundleSetting,
    DatabaseSetting,
    HomeSetting,
    PortSetting,
    RememberedTextsSetting,
    database_url,
)
from fairstall.model.errors import SetupError
from fairstall.model.listing import Listing
from fairstall.model.policy_file import starter_policies
from fairstall.model.wire import parse_listing

if TYPE_CHECKING:
    from fairstall.model.bundle import Bundle
    from fairstall.serving.bench.results import BenchResult

LEDGER_ROWS, QUICK_LEDGER_ROWS = 1_000_000, 2_000
QUICK_LISTINGS = 50
NARROWEST = 128  # columns that the tables need
COMPLIANT_SHARE = 0.9  # of the seed corpus's listings that are sent: most of what is uploaded anywhere is fine
SEED = "the seed corpus"

app = typer.Typer(
    name="bench",
    help="Measure how fast the service is on this machine, and compare it with others.",
    invoke_without_command=True,
    add_completion=False,
)


@app.callback(invoke_without_command=True)
def bench(
    context: typer.Context,
    rounds: Annotated[int, typer.Option(min=1, help="How often each contestant is started and measured.")] = 3,
    seconds: Annotated[float, typer.Option(min=1, help="How long each load lasts.")] = 10,
    listings: Annotated[
        Path | None,
        typer.Option(help="Listings to send, one JSON object a line. By default 500 of the seed corpus."),
    ] = None,
    ledger_rows: Annotated[int, typer.Option(min=1, help="How many decisions the full ledger has.")] = LEDGER_ROWS,
    peers: Annotated[
        Path | None, typer.Option(help="A folder that 'fairstall bench peers' has filled: frameworks to compare with.")
    ] = None,
    postgres: Annotated[
        str | None,
        typer.Option(help="The URL of a PostgreSQL server where databases may be made. By default SQLite files."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One short round that shows that all works.")] = False,
    bundle: BundleSetting = None,
    home: HomeSetting = DEFAULT_HOME,
) -> None:
    """Measure the service that ships, for about half an hour with nothing else running.

    It ends with tables, and leaves bench.json and a picture in the folder bench of the home folder.
    """
    if context.invoked_subcommand:
        return
    from fairstall.serving.bench.results import RESULT_FILE, result_json
    from fairstall.serving.bench.rounds import QUICK, Pace
    from fairstall.serving.bench.run import Plan, run_bench

    chosen, folder = bundle_in_force(home, bundle), home / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    sent, source = (_read(listings), listings.name) if listings else (_seed_listings(chosen), SEED)
    plan = Plan(
        bundle=chosen,
        policies=starter_policies(),
        listings=sent[:QUICK_LISTINGS] if quick else sent,
        source=source,
        folder=folder.absolute(),
        pace=QUICK if quick else Pace(rounds=rounds, seconds=seconds),
        ledger_rows=min(ledger_rows, QUICK_LEDGER_ROWS) if quick else ledger_rows,
        database=postgres,
        environments=peers,
    )
    with stages() as begin:
        result = run_bench(plan, begin)
    (folder / RESULT_FILE).write_bytes(result_json(result))
    _tell(result, folder)


@app.command()
def report(
    result: Annotated[Path, typer.Argument(help="A bench.json.")],
    write: Annotated[
        Path | None, typer.Option(help="A page to write the results into, between its marks; the picture beside it.")
    ] = None,
) -> None:
    """Show a run again, or write it into a page such as docs/performance.md."""
    from fairstall.serving.bench.report import FIGURES_FOLDER, write_results
    from fairstall.serving.bench.results import read_result

    found = read_result(result)
    if write is None:
        _tell(found, None)
        return
    write.write_text(write_results(write.read_text(encoding="utf-8"), found), encoding="utf-8")
    _draw(found, write.parent / FIGURES_FOLDER)


@app.command()
def peers(
    folder: Annotated[Path, typer.Argument(help="Where the environments go; some gigabytes.")],
    only: Annotated[
        list[str] | None, typer.Option(help="The name of a framework; may be given more than once.")
    ] = None,
) -> None:
    """Install the frameworks that the service is compared with, each into an environment of its own, by pip."""
    from fairstall.serving.bench.environments import make_environment
    from fairstall.serving.bench.frameworks import FRAMEWORKS

    wanted = [one for one in FRAMEWORKS if not only or one.name.lower() in map(str.lower, only)]
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    for framework in wanted:
        try:
            make_environment(folder, framework)
            typer.echo(f"{framework.name} is installed", err=True)
        except SetupError as error:
            failed.append(framework.name)
            typer.echo(str(error), err=True)
    if failed:
        raise SetupError(f"not installed: {', '.join(failed)}; the others can be measured")


@app.command()
def claims(
    cases: Annotated[int, typer.Option(min=1_000, help="How many cases wait.")] = 1_000_000,
    claimers: Annotated[int, typer.Option(min=1, max=500, help="How many people review at once.")] = 50,
    seconds: Annotated[float, typer.Option(min=1, help="How long they work.")] = 60,
    pause: Annotated[float, typer.Option(min=0, help="Seconds that each works on a case, on average.")] = 1.0,
    postgres: Annotated[
        str | None,
        typer.Option(help="The URL of a PostgreSQL server where databases may be made. By default an SQLite file."),
    ] = None,
    home: HomeSetting = DEFAULT_HOME,
) -> None:
    """Measure how long a reviewer waits for the next case when very many wait and many people claim at once.

    The queue is kept for the next time in the folder bench of the home folder, or in a database of its own.
    """
    from dataclasses import asdict

    from fairstall.labeling.claims_bench import add_claimers, fill_queue, measure_claims
    from fairstall.records.schema import migrate
    from fairstall.serving.bench.machine import machine_facts
    from fairstall.serving.bench.stores import opened, stores_at

    folder = home / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    with stages() as begin, stores_at(postgres, folder).kept(f"queue-{cases}") as url, opened(url) as engine:
        migrate(engine)
        fill_queue(engine, cases, begin("Opening cases", cases))
        take_short_turns()  # as the service does
        times = measure_claims(engine, add_claimers(engine, claimers), pause_s=pause, seconds=seconds)
    result = {"machine": machine_facts(), **asdict(times)}
    (folder / f"claims-{times.database}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    typer.echo(
        f"{times.database}: {times.claims} claims by {times.claimers} people on {times.cases:,} open cases, in ms: "
        f"p50 {times.p50_ms:.1f}, p90 {times.p90_ms:.1f}, p99 {times.p99_ms:.1f}, largest {times.largest_ms:.1f}; "
        f"{times.served_twice} served twice"
    )


@app.command("serve-forgetful", hidden=True)
def serve_forgetful(
    database: DatabaseSetting = None,
    port: PortSetting = 0,
    bundle: BundleSetting = None,
    remembered_texts: RememberedTextsSetting = 0,
    home: HomeSetting = DEFAULT_HOME,
) -> None:
    """Serve as 'fairstall serve' does, and keep nothing: what the bench measures the cost of storing with."""
    from fairstall.serving.bench.forgetful import ForgetfulStore

    log_json_lines()
    listener = listen(DEFAULT_HOST, port)
    scoring = build_scoring_app(
        home=home,
        database=database_url(home, database),
        bundle=bundle,
        policies=None,
        control_rate=DEFAULT_CONTROL_RATE,
        remembered_texts=remembered_texts,
        model_evidence=False,
        store=ForgetfulStore(),
    )
    run_app(scoring, listener)


def _read(path: Path) -> list[Listing]:
    """Every listing of a file. Raises ListingError, or SetupError for a file without any."""
    try:
        found = [parse_listing(line) for line in path.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from error
    if not found:
        raise SetupError(f"{path} has no listings")
    return found


def _seed_listings(bundle: "Bundle") -> list[Listing]:
    """Listings of usual length that ship with Fairstall, mixed in an order that is always the same."""
    from fairstall.serving.bench.listings import COUNT, choose_listings
    from fairstall.training.authored import seed_rows

    rows = seed_rows(bundle.facts.labels)
    fine = round(COUNT * COMPLIANT_SHARE)
    chosen = choose_listings((row.listing() for row in rows if row.compliant), fine)
    chosen += choose_listings((row.listing() for row in rows if not row.compliant), COUNT - fine)
    return choose_listings(chosen, COUNT)


def _tell(result: "BenchResult", folder: Path | None) -> None:
    """The tables on standard output, the picture into the folder where matplotlib is installed."""
    from fairstall.serving.bench.report import facts, figure_sheet, load_sheet, rich_table, start_sheet, warnings

    console = Console(width=max(NARROWEST, Console().width))
    for sheet in (start_sheet(result), load_sheet(result), figure_sheet(result)):
        console.print(rich_table(sheet))
    for line in (*facts(result), *warnings(result)):
        console.print(line, highlight=False, soft_wrap=True)
    if folder:
        _draw(result, folder)
        console.print(f"All of it is in {folder}", highlight=False, soft_wrap=True)


def _draw(result: "BenchResult", folder: Path) -> None:
    from fairstall.serving.bench.plots import can_plot, draw_plot
    from fairstall.serving.bench.report import PLOT_NAME

    if not can_plot():
        typer.echo("No picture: pip install 'fairstall[evals]' brings what draws it.", err=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    for kind, content in draw_plot(result).items():
        (folder / f"{PLOT_NAME}.{kind}").write_bytes(content)
