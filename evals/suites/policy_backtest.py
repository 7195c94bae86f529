"""What the subject's policies change against the shipped ones, from the scores of one pass over the rows."""

import json

from fairstall.evals.backtest_rows import backtest_metrics, backtest_rows
from fairstall.evals.suite import Subject, Suite, SuiteReport


def run(subject: Subject) -> SuiteReport | None:
    from fairstall.evals.backtest_files import backtest_body
    from fairstall.evals.backtest_sheets import sheets
    from fairstall.evals.backtest_tables import sheet_table
    from fairstall.model.policy_file import starter_policies

    shipped = starter_policies()
    if shipped.version == subject.policies.version:
        return None
    progress = subject.begin("policy backtest", len(subject.rows))
    found = backtest_rows(
        subject.bundle,
        subject.rows,
        old=shipped,
        new=subject.policies,
        bootstrap=subject.bootstrap,
        progress=progress,
    )
    facts = json.dumps(backtest_body(found.backtest), indent=1, sort_keys=True) + "\n"
    return SuiteReport(
        backtest_metrics(found.backtest),
        facts,
        shown=tuple(sheet_table(sheet) for sheet in sheets(found.backtest)),
        tables={"changed_outcomes.json": found.changes} if found.changes else {},
    )


SUITE = Suite("policy_backtest", "what other policies change against the shipped ones", run)
