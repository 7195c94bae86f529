"""What an evaluation or a comparison leaves in MLflow, with all that it depends on. `tracking` has the verbs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from fairstall.evals.compare import Comparison
from fairstall.evals.comparison_report import answer
from fairstall.evals.provenance import code_revision
from fairstall.evals.rows import EvalRow, rows_sha256
from fairstall.evals.suite import Subject, SuiteReport
from fairstall.evals.tracking import COMPARISONS, FoundRun, RunTags, Tracking, last_evaluation, open_run
from fairstall.model.bundle import Bundle
from fairstall.model.policies import PolicySet


def run_tags(bundle: Bundle, policies: PolicySet, rows: Sequence[EvalRow]) -> RunTags:
    """The tags of a run of this code."""
    return RunTags(bundle.version, policies.version, rows_sha256(rows), code_revision())


def record_evaluation(subject: Subject, reports: Mapping[str, SuiteReport], tracking: Tracking) -> str:
    """Logs the reports by the name of their suite; the id of the run."""
    bundle = subject.bundle
    with open_run(tracking, name=bundle.version, tags=run_tags(bundle, subject.policies, subject.rows)) as run:
        facts = {"rows": len(subject.rows), "labels": len(bundle.facts.labels), "bundle": bundle.version}
        run.log_parameters(facts | asdict(subject.bootstrap) | {"suites": " ".join(reports)})
        for name, report in reports.items():
            run.log_report(name, report)
        run.log_text("card.md", bundle.card.read_text(encoding="utf-8"))
    return run.run_id


def record_comparison(comparison: Comparison, report: SuiteReport, page: str, tags: RunTags, tracking: Tracking) -> str:
    """Logs a comparison, linked to the newest evaluation of each bundle on the same rows; the id of the run."""
    tracking = replace(tracking, experiment=COMPARISONS)
    versions = {"first": comparison.first, "second": comparison.second}
    runs = {
        side: last_evaluation(tracking, bundle_version=version, data_hash=tags.data_hash)
        for side, version in versions.items()
    }
    with open_run(tracking, name=f"{comparison.second} against {comparison.first}", tags=tags) as run:
        run.log_parameters(versions | {"rows": comparison.rows} | asdict(comparison.bootstrap))
        run.log_report("comparison", report)
        run.log_text("comparison.html", page)
        for side, found in runs.items():
            if found:
                run.link(side, found)
        links = [f"- {_linked(versions[side], found)}, the {side}" for side, found in runs.items()]
        run.describe("\n".join([answer(comparison), "", *links]))
    return run.run_id


def _linked(version: str, found: FoundRun | None) -> str:
    return f"[{version}]({found.page})" if found else f"{version}, not evaluated on these rows"
