"""`fairstall policy`: validate a policy file, say what changed between two, and what a change would have done.

What policies mean lives in model, how decisions are replayed in `policy_backtest`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fairstall.cli.settings import (
    DEFAULT_HOME,
    BundleSetting,
    DatabaseSetting,
    HomeSetting,
    PoliciesSetting,
    database_url,
)
from fairstall.model.errors import PolicyFileError, Problem
from fairstall.model.policies import Example, Policy, PolicySet, ReviewTerms
from fairstall.model.policy_file import load_policies, starter_policies

app = typer.Typer(help="Validate, compare and try policy files.", no_args_is_help=True, add_completion=False)

PolicyFile = Annotated[Path, typer.Argument(help="A policy file in YAML.", dir_okay=False)]


@app.command()
def check(file: PolicyFile) -> None:
    """Validate FILE: one line when it is good, else every problem with its line and column, and exit status 1."""
    policies = _load(file)
    terms = sum(len(policy.terms) for policy in policies)
    patterns = sum(len(policy.patterns) for policy in policies)
    summary = Text.assemble(
        (policies.version, "bold green"), f": {_count(len(policies.policies), 'policy', 'policies')}"
    )
    summary.append(f", {_count(terms, 'term')}, {_count(patterns, 'pattern')}")
    Console(soft_wrap=True, highlight=False).print(summary)


@app.command()
def diff(old: PolicyFile, new: PolicyFile) -> None:
    """Show what changed from OLD to NEW, policy by policy."""
    before, after = _load(old), _load(new)
    console = Console()
    table = Table("policy", "what", "before", "after", title=f"{before.version} → {after.version}")
    for row in _changes(before, after):
        table.add_row(*(Text(cell) for cell in row))
    console.print(table if table.row_count else f"{before.version} and {after.version} hold the same policies")


@app.command()
def backtest(
    new: PolicyFile,
    old: Annotated[
        Path | None, typer.Option(help="The policies to compare with. By default those in force.", dir_okay=False)
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="Only decisions from this day on, in UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Only decisions before this day, in UTC.")] = None,
    sample: Annotated[int, typer.Option(min=0, max=1000, help="How many changed listings to pick for reading.")] = 50,
    out: Annotated[
        Path | None,
        typer.Option(help="Where to write backtest.json, changes.jsonl and backtest.html.", file_okay=False),
    ] = None,
    draws: Annotated[int, typer.Option(min=100, max=10_000, help="How often sellers are drawn for intervals.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="The seed of those draws and of the sample.")] = 0,
    processes: Annotated[int, typer.Option(min=1, max=64, help="How many work side by side.")] = 2,
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
    bundle: BundleSetting = None,
    policies: PoliciesSetting = None,
) -> None:
    """Replay stored decisions under NEW: which outcomes change, for whom, how right, and a sample to read.

    Nothing is changed. Scores are those that were stored; rules run again where they differ.
    """
    from fairstall.cli.policy_backtest import Plan, changes_to_read, known_models, prepare, replay_ledger
    from fairstall.evals.backtest_files import write_backtest
    from fairstall.evals.backtest_tables import backtest_report
    from fairstall.evals.bootstrap import Bootstrap

    in_force, url = old or policies, database_url(home, database)
    before, after = _load(in_force) if in_force else starter_policies(), _load(new)
    prepare(url)
    plan = Plan(url, before, after, known_models(home, bundle), sample, seed)
    tally = replay_ledger(plan, _in_utc(since), _in_utc(until), processes=processes)
    found, changes = tally.result(Bootstrap(draws, seed)), changes_to_read(plan, tally)
    Console(highlight=False).print(*backtest_report(found, changes), sep="\n")
    if out:
        write_backtest(out, found, changes)
        typer.echo(f"written to {out}", err=True)


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(tzinfo=UTC)


def _load(file: Path) -> PolicySet:
    try:
        return load_policies(file)
    except PolicyFileError as error:
        console = Console(stderr=True, soft_wrap=True, highlight=False)
        for problem in error.problems:
            console.print(_line(error.file, problem))
        raise typer.Exit(1) from error


def _line(file: str, problem: Problem) -> Text:
    place = f"{file}:{problem.line}:{problem.column}"
    return Text.assemble((place, "bold"), ": ", (problem.where, "cyan"), ": ", problem.message)


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _changes(before: PolicySet, after: PolicySet) -> Iterator[tuple[str, str, str, str]]:
    for code in dict.fromkeys((*before.codes, *after.codes)):
        old, new = before.by_code.get(code), after.by_code.get(code)
        if old is None or new is None:
            yield code, "policy", "" if old is None else old.title, "" if new is None else new.title
        elif old != new:
            yield from _policy_changes(old, new)


def _policy_changes(old: Policy, new: Policy) -> Iterator[tuple[str, str, str, str]]:
    facts_before, facts_after = _facts(old), _facts(new)
    for what, before in facts_before.items():
        if before != facts_after[what]:
            yield old.code, what, before, facts_after[what]
    lists_before, lists_after = _lists(old), _lists(new)
    for what, texts in lists_before.items():
        gone, come = texts - lists_after[what], lists_after[what] - texts
        if gone or come:
            yield old.code, what, "\n".join(sorted(gone)), "\n".join(sorted(come))


def _facts(policy: Policy) -> dict[str, str]:
    return {
        "title": policy.title,
        "seller_text": policy.seller_text,
        "guideline": policy.guideline,
        "severity": policy.severity.value,
        "points": str(policy.points),
        "dsa": f"{policy.dsa.category}\n{policy.dsa.keyword}",
        "targets": f"precision {policy.targets.precision}\nmissed {policy.targets.missed}",
        "on_timeout": policy.on_timeout.value,
        "review": _review_shown(policy.review),
    }


def _review_shown(terms: ReviewTerms) -> str:
    due = [f"due in {terms.due_hours:g} h", *(f"{market}: {hours:g} h" for market, hours in terms.market_due_hours)]
    asked = [name for name in ("reason_required", "blur") if getattr(terms, name)]
    return "\n".join([", ".join(due), *asked, f"second_share {terms.second_share:g}"])


def _lists(policy: Policy) -> dict[str, set[str]]:
    return {
        "terms": {f"{term.text} ({term.action.value})" for term in policy.terms},
        "patterns": {f"{pattern.regex} ({pattern.action.value})" for pattern in policy.patterns},
        "violations": {_shown(example) for example in policy.violations},
        "look_alikes": {_shown(example) for example in policy.look_alikes},
    }


def _shown(example: Example) -> str:
    return "\n".join(part for part in (example.title, example.description, f"({example.why})") if part)
