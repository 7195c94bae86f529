"""`fairstall evaluate`, `compare`, `promote` and `rollback`: how good a bundle is, and whether it may serve."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.console import Console

from fairstall.cli.bundles import bundle_in_force, folder_of, named_bundle
from fairstall.cli.progress import progress, stages
from fairstall.cli.settings import (
    DEFAULT_HOME,
    HomeSetting,
    PoliciesSetting,
    TrackingSetting,
    models_folder,
    tracking_at,
)
from fairstall.model.deployed import Deployments
from fairstall.model.errors import Conflict, InputError, MissingExtra
from fairstall.model.policies import PolicySet
from fairstall.model.policy_file import load_policies, starter_policies
from fairstall.model.wire import iso_utc

if TYPE_CHECKING:
    from fairstall.evals.bootstrap import Bootstrap
    from fairstall.evals.suite import Suite, SuiteReport

NEEDED = ("matplotlib", "mlflow")  # by evaluate, beyond what serving needs

Data: TypeAlias = Annotated[
    list[Path],
    typer.Option("--data", help="Labelled rows: a JSONL file, or a folder of them. May be given more than once."),
]
BundleName: TypeAlias = Annotated[
    str, typer.Argument(help="A bundle's folder, or 'champion' for what serves, or 'starter' for what is shipped.")
]
Draws: TypeAlias = Annotated[int, typer.Option(min=100, max=10_000, help="How often groups are drawn for intervals.")]
Seed: TypeAlias = Annotated[int, typer.Option(min=0, help="The seed of those draws.")]


def evaluate(
    bundle: BundleName,
    data: Data,
    suite: Annotated[list[str] | None, typer.Option(help="What to measure; may be given more than once. All.")] = None,
    folds: Annotated[
        Path | None,
        typer.Option(
            help="Bundles of the same recipe, each without some sources. By default those that training left."
        ),
    ] = None,
    review_budget: Annotated[
        float, typer.Option(min=0.001, max=1, help="The share of listings that people can look at.")
    ] = 0.1,
    draws: Draws = 500,
    seed: Seed = 0,
    policies: PoliciesSetting = None,
    home: HomeSetting = DEFAULT_HOME,
    tracking: TrackingSetting = None,
) -> None:
    """Measure a bundle on labelled rows: every number with its interval, in the terminal and as an MLflow run."""
    from fairstall.evals.leave_out import folds_of, open_folds
    from fairstall.evals.recording import record_evaluation
    from fairstall.evals.rows import read_rows
    from fairstall.evals.suite import Subject

    suites = _suites(suite or [])
    opened, rows, policy_set = named_bundle(bundle, home), read_rows(data), _policies(policies)
    console = Console()
    reports: dict[str, SuiteReport] = {}
    with stages() as begin:
        subject = Subject(
            opened,
            policy_set,
            rows,
            _bootstrap(draws, seed),
            begin=begin,
            folds=open_folds(folds or folds_of(opened.folder)),
            review_budget=review_budget,
        )
        for name, one in suites.items():
            if report := one.run(subject):
                reports[name] = report
    for name in suites:
        if name in reports:
            console.print(*reports[name].shown, sep="\n")
        else:
            console.print(f"{name}: not measured, there is nothing of the kind that it needs", highlight=False)
    at = tracking_at(home, tracking)
    console.print(f"MLflow run {record_evaluation(subject, reports, at)} at {at.uri}", soft_wrap=True, highlight=False)


def compare(
    first: BundleName,
    second: BundleName,
    data: Data,
    html: Annotated[Path | None, typer.Option("--html", help="Write the comparison as a page into this file.")] = None,
    draws: Draws = 1000,
    seed: Seed = 0,
    policies: PoliciesSetting = None,
    home: HomeSetting = DEFAULT_HOME,
    tracking: TrackingSetting = None,
) -> None:
    """Compare two bundles on the same rows and say of each number whether the second is better, worse, or neither."""
    from fairstall.evals.compare import compare as measure
    from fairstall.evals.comparison_report import comparison_page, comparison_report
    from fairstall.evals.promotion import contender
    from fairstall.evals.recording import record_comparison, run_tags
    from fairstall.evals.rows import read_rows

    _require_extra("compare", *NEEDED, "jinja2")
    bundles, rows, policy_set = (
        [named_bundle(name, home) for name in (first, second)],
        read_rows(data),
        _policies(policies),
    )
    with progress("scoring", 2 * len(rows)) as advance:
        sides = [contender(bundle, rows, policies=policy_set, progress=advance) for bundle in bundles]
    comparison = measure(*sides, bootstrap=_bootstrap(draws, seed))
    report = comparison_report(comparison)
    tags = run_tags(bundles[1], policy_set, rows)
    page = comparison_page(comparison, report, tags)
    console = Console()
    console.print(*report.shown)
    if html:
        html.write_text(page, encoding="utf-8")
        console.print(f"page {html}", soft_wrap=True, highlight=False)
    at = tracking_at(home, tracking)
    run_id = record_comparison(comparison, report, page, tags, at)
    console.print(f"MLflow run {run_id} at {at.uri}", soft_wrap=True, highlight=False)


def promote(
    bundle: Annotated[
        str, typer.Argument(help="The candidate's folder, or models:/fairstall@ALIAS from the MLflow registry.")
    ],
    data: Data,
    rules: Annotated[Path | None, typer.Option(help="A file of gate rules. By default the shipped gate.toml.")] = None,
    override: Annotated[bool, typer.Option("--override", help="Deploy in spite of a refusal.")] = False,
    reason: Annotated[str, typer.Option(help="Why it is overridden; kept in the record of deployments.")] = "",
    draws: Draws = 1000,
    seed: Seed = 0,
    policies: PoliciesSetting = None,
    home: HomeSetting = DEFAULT_HOME,
    tracking: TrackingSetting = None,
) -> None:
    """Compare a candidate with the champion on held-out rows, ask the gate, and deploy the candidate if it passes."""
    from fairstall.evals.gate_rules import load_rules, shipped_rules
    from fairstall.evals.promotion import deploy_examined, examine
    from fairstall.evals.rows import read_rows
    from fairstall.evals.tables import comparison_table, gate_table

    if override != bool(reason.strip()):
        raise InputError("--override needs a --reason, which is recorded, and --reason is for --override alone")
    champion, rows, console = bundle_in_force(home), read_rows(data), Console()
    with folder_of(bundle, home, tracking) as folder:
        with stages() as begin:
            examination = examine(
                Path(folder),
                champion,
                rows,
                load_rules(rules) if rules else shipped_rules(),
                policies=_policies(policies),
                bootstrap=_bootstrap(draws, seed),
                begin=begin,
            )
        if examination.candidate and examination.candidate.version == champion.version:
            raise Conflict(f"{champion.version} serves already")
        if examination.comparison:
            console.print(comparison_table(examination.comparison))
        console.print(gate_table(examination.verdict))
        deployed = deploy_examined(
            examination,
            Deployments(models_folder(home)),
            deployed_at=iso_utc(datetime.now(UTC)),
            override=reason.strip() if override else None,
        )
    console.print(f"{deployed.version} serves now, instead of {deployed.previous or 'the starter bundle'}")


def rollback(
    reason: Annotated[str, typer.Option(help="Why; kept in the record of deployments.")],
    home: HomeSetting = DEFAULT_HOME,
) -> None:
    """Put the bundle before the present one back into service."""
    if not reason.strip():
        raise InputError("a rollback needs a --reason, which is recorded")
    deployments = Deployments(models_folder(home))
    back = deployments.roll_back(reason=reason.strip(), deployed_at=iso_utc(datetime.now(UTC)))
    Console().print(f"{back.version} serves again")


def _suites(names: Sequence[str]) -> "Mapping[str, Suite]":
    """Those named, or all. Raises before any work when what they draw and log with is not installed."""
    from fairstall.evals.suites import all_suites

    _require_extra("evaluate", *NEEDED)
    known = all_suites()
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"no suite is called {unknown[0]!r}; there are {', '.join(known)}")
    return {name: known[name] for name in (names or known)}


def _require_extra(command: str, *modules: str) -> None:
    if not all(map(find_spec, modules)):
        raise MissingExtra(command, "evals")


def _policies(path: Path | None) -> PolicySet:
    return load_policies(path) if path else starter_policies()


def _bootstrap(draws: int, seed: int) -> "Bootstrap":
    from fairstall.evals.bootstrap import Bootstrap

    return Bootstrap(draws=draws, seed=seed)
