"""Open cases and reviews of a store as a file that Label Studio imports, with the configuration beside it.

A file is one JSON array, written task by task, so that a million cases need no more memory than one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, exists, select, tuple_

from fairstall.labeling.claims import IS_OPEN
from fairstall.labeling.export import ROWS_AT_ONCE, standing_reviews
from fairstall.labeling.label_file import arriving
from fairstall.labeling.label_studio.interface import write_config
from fairstall.labeling.label_studio.tasks import annotation, predictions, task_data
from fairstall.labeling.lanes import SHARED
from fairstall.model.errors import InputError
from fairstall.model.policies import PolicySet
from fairstall.model.wire import assessment_from_body, json_line
from fairstall.records.engine import reading
from fairstall.records.ledger import BLIND_REASONS
from fairstall.records.tables import cases, decisions, listings, reviews, users


@dataclass(frozen=True, slots=True)
class TaskFile:
    """What was written: how many tasks, and where their configuration is."""

    tasks: int
    config: Path


def export_open_cases(engine: Engine, out: Path, policies: PolicySet, *, limit: int | None = None) -> TaskFile:
    """Write the open cases to `out` as tasks with predictions, the most urgent first, `limit` of them at most.

    One task a decision, whatever the number of its cases, and without a prediction if one of them is blind. Left out
    are cases that wait for somebody in particular, and listings that were erased. Raises InputError for a name that
    does not end in `.json`.
    """
    with reading(engine) as connection:
        found = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(_open_cases().limit(limit))
        count = _write_tasks(out, (_task([row], policies) for row in found))
    return TaskFile(count, write_config(out, policies))


def export_reviews(engine: Engine, out: Path, policies: PolicySet, *, email_domain: str | None = None) -> TaskFile:
    """Write every reviewed listing to `out` as a task with one annotation for each review that stands.

    `email_domain`: Label Studio knows the reviewers as NAME@DOMAIN; without it nobody is named. A policy that a review
    names and that is no longer in force is added to the configuration. Left out is what `export_labels` leaves out.
    """
    retired: set[str] = set()
    query = standing_reviews().join(users, reviews.c.user_id == users.c.user_id)
    with reading(engine) as connection:
        found = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(
            query.add_columns(reviews.c.claimed_at, users.c.name, _blind().label("blind"))
        )
        count = _write_tasks(out, _reviewed_tasks(found, policies, email_domain, retired))
    return TaskFile(count, write_config(out, policies, retired=retired))


def _open_cases() -> Select[Any]:
    sooner = cases.alias("sooner")
    comes_sooner = tuple_(sooner.c.urgent_at, sooner.c.case_id) < tuple_(cases.c.urgent_at, cases.c.case_id)
    told_already = exists().where(
        sooner.c.decision_id == cases.c.decision_id, sooner.c.state == "open", sooner.c.lane == SHARED, comes_sooner
    )
    return (
        select(cases.c.case_id, decisions.c.decision_id, decisions.c.assessment, listings.c.body)
        .add_columns(_blind().label("blind"))
        .join(decisions, cases.c.decision_id == decisions.c.decision_id)
        .join(listings, decisions.c.listing_digest == listings.c.digest)
        .where(IS_OPEN, cases.c.lane == SHARED, decisions.c.erased_at.is_(None), ~told_already)
        .order_by(cases.c.urgent_at)
    )


def _blind() -> ColumnElement[bool]:
    """That any case about the decision is blind: what another one told would tell of that one too."""
    about_it = cases.alias("about_it")
    blind = [str(reason) for reason in BLIND_REASONS]
    return exists().where(about_it.c.decision_id == decisions.c.decision_id, about_it.c.reason.in_(blind))


def _reviewed_tasks(
    found: Iterable[Row[Any]], policies: PolicySet, email_domain: str | None, retired: set[str]
) -> Iterator[dict[str, Any]]:
    """The tasks of reviews that come listing by listing; policies that are not in force are put into `retired`."""
    for _, of_one_listing in groupby(found, key=lambda row: row.digest):
        rows = list(of_one_listing)
        retired.update(code for row in rows for code in row.policies if code not in policies.by_code)
        yield _task(rows, policies) | {"annotations": [_annotation(row, email_domain) for row in rows]}


def _task(rows: Sequence[Row[Any]], policies: PolicySet) -> dict[str, Any]:
    """The task of one listing's cases, of which the last is told; a blind one among them keeps them all so."""
    last = rows[-1]
    blind = any(row.blind for row in rows)
    return {
        "data": task_data(last.body, case_id=last.case_id, decision_id=last.decision_id),
        "predictions": [] if blind else predictions(assessment_from_body(last.assessment), policies.by_code),
    }


def _annotation(row: Row[Any], email_domain: str | None) -> dict[str, Any]:
    return annotation(
        row.policies,
        claimed_at=datetime.fromisoformat(row.claimed_at),
        decided_at=datetime.fromisoformat(row.decided_at),
        email=f"{row.name}@{email_domain}" if email_domain else None,
    )


def _write_tasks(out: Path, tasks: Iterable[Mapping[str, Any]]) -> int:
    """Write a JSON array with one task a line, and count them."""
    if out.suffix != ".json":
        raise InputError(f"{out} has to end in .json: Label Studio goes by the ending of a file")
    count = 0
    with arriving(out) as file:
        for count, task in enumerate(tasks, start=1):
            file.write(b"[\n" if count == 1 else b",\n")
            file.write(json_line(task).encode())
        file.write(b"\n]\n" if count else b"[]\n")
    return count
