"""Evaluations as MLflow runs. No tracking URI is set for the process, and nothing is measured here.

Metrics keep the names that suites give them: a policy code has a dot for its slash, so that MLflow groups by scope.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairstall.evals.suite import Columns, SuiteReport

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

EVALUATIONS, COMPARISONS = "fairstall evaluations", "fairstall comparisons"
METRICS_AT_ONCE = 1000  # what MLflow takes in one request
PARAMETERS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Tracking:
    """Where runs go. `artifacts` is the folder of a new experiment's files, None to let the tracking server choose."""

    uri: str
    artifacts: Path | None = None
    experiment: str = EVALUATIONS


@dataclass(frozen=True, slots=True)
class RunTags:
    """What a number depends on: without these four it cannot be reproduced."""

    bundle_version: str
    policy_version: str
    data_hash: str
    code_revision: str


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run that is in the store already."""

    run_id: str
    experiment_id: str

    @property
    def page(self) -> str:
        """Where it is on MLflow's pages, relative to their address."""
        return f"#/experiments/{self.experiment_id}/runs/{self.run_id}"


class Run:
    """One open MLflow run."""

    def __init__(self, client: "MlflowClient", run_id: str) -> None:
        self.run_id = run_id
        self._client = client

    def log_parameters(self, parameters: Mapping[str, object]) -> None:
        from mlflow.entities import Param

        values = [Param(name, str(value)) for name, value in parameters.items()]
        for start in range(0, len(values), PARAMETERS_AT_ONCE):
            self._client.log_batch(self.run_id, params=values[start : start + PARAMETERS_AT_ONCE])

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        values = [Metric(name, value, now, step) for name, value in metrics.items()]
        for start in range(0, len(values), METRICS_AT_ONCE):
            self._client.log_batch(self.run_id, metrics=values[start : start + METRICS_AT_ONCE])

    def log_report(self, name: str, report: SuiteReport) -> None:
        """Every number of a suite by its name, all intervals as `evaluation/NAME.json`, its figures and tables."""
        self.log_metrics(report.metrics)
        self.log_text(f"evaluation/{name}.json", report.facts)
        self.log_plots(report.plots)
        for path, table in report.tables.items():
            self.log_table(path, table)

    def log_plots(self, plots: Mapping[str, bytes]) -> None:
        """PNGs by file name. They lie in no folder, since MLflow's compare page shows no file that is in one."""
        for name, content in plots.items():
            self._write(name, content)

    def log_table(self, path: str, table: Columns) -> None:
        """Columns by name, as a `.json` file that MLflow's page shows and compares as a table."""
        self._client.log_table(self.run_id, {name: list(column) for name, column in table.items()}, path)

    def log_text(self, path: str, text: str) -> None:
        self._write(path, text.encode())

    def link(self, name: str, run: "FoundRun") -> None:
        """Tag the run with the id of another one: `fairstall.NAME_run`."""
        self._client.set_tag(self.run_id, f"fairstall.{name}_run", run.run_id)

    def describe(self, markdown: str) -> None:
        """What MLflow's page shows as the run's description."""
        self._client.set_tag(self.run_id, "mlflow.note.content", markdown)

    def log_file(self, file: Path, *, folder: str | None = None) -> None:
        self._client.log_artifact(self.run_id, str(file), folder)

    def _write(self, path: str, content: bytes) -> None:
        import tempfile

        folder, _, name = path.rpartition("/")
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / name
            file.write_bytes(content)
            self._client.log_artifact(self.run_id, str(file), folder or None)


@contextmanager
def open_run(tracking: Tracking, *, name: str, tags: RunTags) -> Iterator[Run]:
    """A run that is closed at the end, as failed when an exception passes through."""
    client = tracking_client(tracking.uri)
    labels = {f"fairstall.{key}": value for key, value in asdict(tags).items()}
    run_id = client.create_run(experiment_id(client, tracking), run_name=name, tags=labels).info.run_id
    try:
        yield Run(client, run_id)
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")


def last_evaluation(tracking: Tracking, *, bundle_version: str, data_hash: str) -> FoundRun | None:
    """The newest finished evaluation of that bundle on those rows, or None."""
    client = tracking_client(tracking.uri)
    experiment = client.get_experiment_by_name(EVALUATIONS)
    if experiment is None:
        return None
    on_those_rows = client.search_runs(
        [experiment.experiment_id],
        f"tags.`fairstall.data_hash` = '{data_hash}' and attributes.status = 'FINISHED'",
        order_by=["attributes.start_time DESC"],
    )
    # A bundle's name is anybody's choice, and MLflow's filters know no escape for a quotation mark.
    of_bundle = (run for run in on_those_rows if run.data.tags.get("fairstall.bundle_version") == bundle_version)
    found = next(of_bundle, None)
    return FoundRun(found.info.run_id, experiment.experiment_id) if found else None


def tracking_client(uri: str) -> "MlflowClient":
    """A client of that tracking URI alone; the process-wide one is left as it is. A SQLite file's folder is made.

    MLflow's telemetry stays off unless MLFLOW_DISABLE_TELEMETRY says otherwise: nobody asked for it.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.tracking import MlflowClient

    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=uri)


def experiment_id(client: Any, tracking: Tracking) -> str:
    """The experiment's id; it is made when it is not there."""
    if found := client.get_experiment_by_name(tracking.experiment):
        return str(found.experiment_id)
    location = tracking.artifacts.absolute().as_uri() if tracking.artifacts else None
    return str(client.create_experiment(tracking.experiment, artifact_location=location))
