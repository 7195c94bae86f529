"""Runs in a real MLflow store on SQLite, written and read back."""

import json
import warnings
from pathlib import Path

import pytest

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.evaluation import evaluate
from fairstall.evals.suite import SuiteReport
from fairstall.evals.tracking import RunTags, Tracking, last_evaluation, open_run, tracking_client

TAGS = RunTags("tiny-0123", "starter-4567", "89ab", "cdef")

# MLflow's own use of its dependencies warns; the project's does not.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def tracking(tmp_path_factory) -> Tracking:
    folder = tmp_path_factory.mktemp("mlflow")
    return Tracking(f"sqlite:///{folder / 'new' / 'mlflow.sqlite'}", folder / "artifacts")


@pytest.fixture(scope="module")
def evaluation(synthetic):
    return evaluate(synthetic(1), bootstrap=Bootstrap(draws=50, seed=3))


def report(evaluation) -> SuiteReport:
    plots, tables = {"small.png": b"png"}, {"worst.json": {"title": ["knife"], "probability": [0.9]}}
    return SuiteReport(evaluation.metrics(), evaluation.to_json(), shown=(), plots=plots, tables=tables)


@pytest.fixture(scope="module")
def stored(tracking, evaluation):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_run(tracking, name="tiny", tags=TAGS) as run:
            run.log_parameters({"rows": 600})
            run.log_report("held_out", report(evaluation))
        return tracking_client(tracking.uri).get_run(run.run_id)


def test_each_number_is_read_back_under_its_name(stored, evaluation):
    assert stored.data.metrics == evaluation.metrics()
    assert "policy/prohibited.p0/average_precision.low" in stored.data.metrics
    assert stored.info.status == "FINISHED"


def test_what_the_numbers_depend_on_is_tagged(stored):
    tags = {name: value for name, value in stored.data.tags.items() if name.startswith("fairstall.")}
    assert tags == {
        "fairstall.bundle_version": "tiny-0123",
        "fairstall.policy_version": "starter-4567",
        "fairstall.data_hash": "89ab",
        "fairstall.code_revision": "cdef",
    }
    assert stored.data.params == {"rows": "600"}


def test_the_whole_evaluation_its_plots_and_its_tables_are_kept_as_files(stored, evaluation, tracking):
    folder = Path(stored.info.artifact_uri.removeprefix("file://"))
    assert folder.is_relative_to(tracking.artifacts)
    assert (folder / "evaluation" / "held_out.json").read_text() == evaluation.to_json()
    assert json.loads(evaluation.to_json())["bootstrap"]["seed"] == 3
    assert (folder / "small.png").read_bytes() == b"png"
    assert json.loads((folder / "worst.json").read_text()) == {
        "columns": ["title", "probability"],
        "data": [["knife", 0.9]],
    }


def test_a_run_that_breaks_is_marked_as_failed(tracking, stored):
    with pytest.raises(RuntimeError), open_run(tracking, name="broken", tags=TAGS) as run:
        raise RuntimeError
    assert tracking_client(tracking.uri).get_run(run.run_id).info.status == "FAILED"


def test_the_process_wide_tracking_uri_is_left_alone(stored, tracking):
    import mlflow

    assert mlflow.get_tracking_uri() != tracking.uri


def test_the_last_evaluation_of_a_bundle_is_found_whatever_it_is_called(tracking):
    tags = RunTags("o'brien-1", "policies-1", "a" * 64, "code-1")
    for _ in range(2):
        with open_run(tracking, name="evaluation", tags=tags) as run:
            newest = run.run_id
    found = last_evaluation(tracking, bundle_version="o'brien-1", data_hash="a" * 64)
    assert found is not None
    assert found.run_id == newest
    assert found.page.endswith(f"/runs/{newest}")
    assert last_evaluation(tracking, bundle_version="o'brien-1", data_hash="b" * 64) is None
