"""`fairstall train` and `fairstall retrain`: options in, progress and main numbers out. The work is in training."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from fairstall.cli.bundles import bundle_in_force
from fairstall.cli.progress import stage_lines
from fairstall.cli.settings import DEFAULT_HOME as HOME
from fairstall.cli.settings import (
    BundleSetting,
    CorporaSetting,
    HomeSetting,
    PoliciesSetting,
    TrackingSetting,
    models_folder,
    tracking_at,
)
from fairstall.model.deployed import Deployments
from fairstall.model.errors import Conflict
from fairstall.model.policies import PolicySet
from fairstall.model.policy_file import load_policies, starter_policies

if TYPE_CHECKING:
    from fairstall.training.config import TrainingConfig

ConfigOption: TypeAlias = Annotated[
    str, typer.Option("--config", help="A TOML file, or the name of one that ships: starter, small.")
]


def train(
    config: ConfigOption = "starter",
    corpora: CorporaSetting = None,
    home: HomeSetting = HOME,
    out: Annotated[Path | None, typer.Option("--out", help="The bundle's folder; by default one under home.")] = None,
    policies: PoliciesSetting = None,
    tracking: TrackingSetting = None,
    labels: Annotated[Path | None, typer.Option("--labels", help="Exported labels to learn from as well.")] = None,
    hold_out: Annotated[
        list[str] | None, typer.Option("--hold-out", help="A source that only tests, whole. May be given again.")
    ] = None,
) -> None:
    """Train a bundle and record it with its baseline in MLflow, as the candidate. It does not go into service."""
    from fairstall.training.session import Inputs, revision_at, train_and_record

    chosen = _config(config)
    now = datetime.now(UTC)
    inputs = Inputs(corpora=corpora, labels_file=labels, held_out=tuple(hold_out or ()))
    folder, at = out or home / "candidates" / f"{chosen.name}-{now:%Y%m%d-%H%M%S}", tracking_at(home, tracking)
    with stage_lines() as report:
        session = train_and_record(
            inputs,
            _policies(policies),
            chosen,
            folder,
            tracking=at,
            revision=revision_at(now),
            report=report,
        )
    _print_metrics(session.metrics, session.baseline_metrics)
    typer.echo(f"bundle   {session.bundle.folder} ({session.bundle.version})")
    typer.echo(f"run      {session.run_id} (baseline {session.baseline_run_id}) in {at.uri}")
    typer.echo(f"registry fairstall version {session.registered_version}, alias candidate")


def held_out(
    out: Annotated[Path, typer.Argument(help="The JSONL file to write.")],
    config: ConfigOption = "starter",
    corpora: CorporaSetting = None,
    policies: PoliciesSetting = None,
) -> None:
    """Write the real rows that a configuration never trains on, one of each group, for `fairstall evaluate`."""
    from fairstall.model.wire import json_line
    from fairstall.training.material import gather
    from fairstall.training.measure import held_out_records

    chosen = _config(config)
    records = held_out_records(gather(_policies(policies), chosen, corpora=corpora))
    with out.open("w", encoding="utf-8") as file:
        file.writelines(f"{json_line(record)}\n" for record in records)
    typer.echo(f"{len(records)} rows in {out}")


def retrain(
    labels: Annotated[Path | None, typer.Option("--labels", help="Labels as `fairstall export-labels` writes.")] = None,
    config: ConfigOption = "starter",
    corpora: CorporaSetting = None,
    home: HomeSetting = HOME,
    bundle: BundleSetting = None,
    policies: PoliciesSetting = None,
    tracking: TrackingSetting = None,
    rules: Annotated[Path | None, typer.Option("--rules", help="The gate's limits, as `fairstall promote`.")] = None,
    promote: Annotated[bool, typer.Option("--promote/--no-promote", help="Deploy a candidate that passes.")] = True,
) -> None:
    """Train a candidate on corpora and reviews; it serves if it beats the champion on the same held-out rows.

    The exit status is 1 when the gate refuses it.
    """
    from fairstall.evals.gate_rules import load_rules, shipped_rules
    from fairstall.training.retrain import Workplace, named_after
    from fairstall.training.retrain import retrain as run

    now = datetime.now(UTC)
    chosen = named_after(_config(config), now)
    deployments = Deployments(models_folder(home))
    with stage_lines() as report:
        result = run(
            corpora,
            labels,
            bundle_in_force(home, bundle),
            chosen,
            policies=_policies(policies),
            at=Workplace(deployments, tracking_at(home, tracking), home / "candidates" / chosen.name),
            now=now,
            report=report,
            rules=load_rules(rules) if rules else shipped_rules(),
            promote=promote,
        )
    for line in result.verdict.lines:
        typer.echo(f"{'pass' if line.passed else 'FAIL'}  {line}")
    typer.echo(f"candidate {result.candidate.version} in {result.candidate.folder}, run {result.session.run_id}")
    if not result.verdict.passed:
        raise Conflict(result.summary)
    typer.echo(f"promoted: {result.summary}" if result.deployment else f"passed, not promoted: {result.summary}")


def _config(name: str) -> "TrainingConfig":
    from fairstall.training.config import load_config, shipped_config

    return load_config(Path(name)) if name.endswith(".toml") else shipped_config(name)


def _policies(path: Path | None) -> PolicySet:
    return load_policies(path) if path else starter_policies()


def _print_metrics(metrics: Mapping[str, float], baseline: Mapping[str, float]) -> None:
    from rich.console import Console
    from rich.table import Table

    from fairstall.training.session import main_metrics

    table = Table("metric", "this model", "baseline", box=None)
    for name, value in main_metrics(metrics).items():
        beside = baseline.get(name)
        table.add_row(name, f"{value:.3f}", "" if beside is None else f"{beside:.3f}")
    Console().print(table)
