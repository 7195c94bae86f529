"""Leave-one-source-out: each row is scored by the fold that lacks its source, and by no other."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.leave_out import WITHOUT_SOURCES, folds_of, open_folds, stacked
from fairstall.evals.scored import score_rows
from fairstall.evals.suite import Subject
from fairstall.evals.suites import all_suites
from fairstall.model.bundle import Bundle
from fairstall.model.errors import InputError
from fairstall.model.policy_file import starter_policies


@pytest.fixture(scope="module")
def folds(tmp_path_factory, make_tiny_bundle, blind_fold) -> list[Bundle]:
    """One that has not seen the market and is blind to drugs, and one that has not seen the shop."""
    root = tmp_path_factory.mktemp("bundle-folds")
    shutil.copytree(blind_fold.folder, root / "fold-1")
    make_tiny_bundle(root / "fold-2", data={WITHOUT_SOURCES: ["shop"]})
    return open_folds(root)


@pytest.fixture(scope="module")
def subject(tiny_bundle, listings, folds) -> Subject:
    return Subject(tiny_bundle, starter_policies(), listings, Bootstrap(draws=50), folds=folds)


def test_rows_are_scored_by_the_fold_that_lacks_their_source(subject):
    report = all_suites()["leave_one_source_out"].run(subject)
    assert report is not None
    metrics = report.metrics
    assert metrics["leave_one_source_out/source/market/rows"] + metrics["leave_one_source_out/source/shop/rows"] == 240
    assert metrics["leave_one_source_out/listing/rows"] == 240
    seen = all_suites()["held_out"].run(subject).metrics["source/market/recall"]
    assert metrics["leave_one_source_out/source/market/recall"] < seen, "this fold knows pistols alone"


def test_what_depends_on_a_folds_threshold_is_said_of_its_sources_alone(subject):
    metrics = all_suites()["leave_one_source_out"].run(subject).metrics
    assert "leave_one_source_out/source/market/recall" in metrics
    assert "leave_one_source_out/listing/recall" not in metrics
    assert "leave_one_source_out/listing/errors_captured_at_review_10" in metrics
    assert "leave_one_source_out/listing/automation_rate.low" in metrics


def test_without_folds_nothing_is_measured(subject):
    assert all_suites()["leave_one_source_out"].run(replace(subject, folds=())) is None


def test_a_bundle_that_saw_every_source_is_no_fold(tmp_path, make_tiny_bundle):
    make_tiny_bundle(tmp_path / "folds" / "fold-1")
    with pytest.raises(InputError, match="is no fold"):
        open_folds(tmp_path / "folds")


def test_folds_lie_beside_their_bundle():
    assert folds_of(Path("models/starter")) == Path("models/starter-folds")
    assert open_folds(Path("models/starter-folds")) == []


def test_stacked_rows_keep_every_column(tiny_bundle, listings):
    whole = score_rows(tiny_bundle, listings)
    parts = [score_rows(tiny_bundle, listings[:100]), score_rows(tiny_bundle, listings[100:])]
    together = stacked(parts)
    assert together.ids.tolist() == whole.ids.tolist()
    assert together.outcomes.tolist() == whole.outcomes.tolist()
    with pytest.raises(InputError, match="same policies"):
        stacked([whole, whole.on_labels(whole.labels[:1])])
