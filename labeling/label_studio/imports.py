"""Annotations that Label Studio exported as JSON, checked task by task and kept as labels for training.

The whole file is checked before it is read again to be kept, so that its size is no matter.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Engine

from fairstall.labeling.label_file import Manifest, write_labels
from fairstall.labeling.label_import import PROBLEMS_SHOWN, LabelBody, kept_file, refusal, told
from fairstall.labeling.label_studio.annotated import Agreed, AnnotatedTask, agree, misfits
from fairstall.labeling.label_studio.json_array import read_array
from fairstall.labeling.label_studio.provenance import Provenance, read_provenance
from fairstall.model.errors import InputError
from fairstall.model.wire import iso_utc

TASKS_AT_ONCE = 500
VOTES = 3  # from so many on a label says that it was voted on

NOT_ANNOTATED = "not annotated"
NO_MAJORITY = "without a majority"


@dataclass(frozen=True, slots=True)
class ImportedTasks:
    """What was kept, and the ids of the tasks that were left out, by why."""

    manifest: Manifest
    left_out: Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class _Judged:
    """What becomes of a task: a label, a reason to leave it out, or problems."""

    task_id: int | None
    label: Mapping[str, Any] | None = None
    left_out: str | None = None
    problems: tuple[str, ...] = ()


def import_annotations(engine: Engine, file: Path, folder: Path, *, codes: Sequence[str]) -> ImportedTasks:
    """Keep the labels of an export from Label Studio in `folder`, as `import_labels` does.

    A task's label is the answer of more than half of its annotators. Left out are tasks without such an answer, and
    those whose listing was erased or archived since. `codes` are the policies in force. Tasks that name a decision
    get their provenance from the store. Raises InputError that names up to twenty wrong tasks; then nothing is kept.
    """
    left_out = _check(file, _judged(engine, file, codes))
    labels = (judged.label for judged in _judged(engine, file, codes) if judged.label)
    return ImportedTasks(write_labels(kept_file(folder, file), labels), left_out)


def _check(file: Path, judged: Iterable[_Judged]) -> dict[str, list[int]]:
    """The tasks to leave out. Raises InputError when something is wrong, or when there is no label."""
    problems: list[str] = []
    left_out: dict[str, list[int]] = defaultdict(list)
    first_item: dict[int, int] = {}
    labels = 0
    for number, one in enumerate(judged, start=1):
        problems.extend(one.problems)
        if one.task_id is not None and first_item.setdefault(one.task_id, number) != number:
            problems.append(f"task {one.task_id}: it is item {first_item[one.task_id]} already")
        if one.left_out and one.task_id is not None:
            left_out[one.left_out].append(one.task_id)
        labels += one.label is not None
        if len(problems) >= PROBLEMS_SHOWN:
            break
    if problems:
        raise refusal(file, [f"{file}: {problem}" for problem in problems])
    if not labels:
        raise InputError(f"nothing was imported from {file}: it has no labels")
    return dict(left_out)


def _judged(engine: Engine, file: Path, codes: Sequence[str]) -> Iterator[_Judged]:
    items = enumerate(read_array(file), start=1)
    while batch := list(islice(items, TASKS_AT_ONCE)):
        tasks = [_task(item, number) for number, item in batch]
        named = {t.data.decision_id for t in tasks if isinstance(t, AnnotatedTask) and t.data.decision_id}
        provenance = read_provenance(engine, named) if named else Provenance()
        for task in tasks:
            yield task if isinstance(task, _Judged) else _judge(task, codes, provenance)


def _task(item: Mapping[str, Any], number: int) -> AnnotatedTask | _Judged:
    """The task, or what is wrong with its shape."""
    name = f"task {item['id']}" if isinstance(item.get("id"), int) else f"item {number}"
    if "annotations" not in item or "data" not in item:
        return _Judged(None, problems=(f"{name}: it has no data or no annotations; export as JSON, not as JSON-MIN",))
    try:
        return AnnotatedTask.model_validate(item)
    except ValidationError as error:
        return _Judged(None, problems=tuple(f"{name}: {problem}" for problem in told(error)))


def _judge(task: AnnotatedTask, codes: Sequence[str], provenance: Provenance) -> _Judged:
    decision_id = task.data.decision_id
    if gone := provenance.gone.get(decision_id or ""):
        return _Judged(task.id, left_out=gone)
    problems = misfits(task.standing, codes)
    if decision_id and decision_id not in provenance.found:
        problems.append(f"there is no decision {decision_id} in this store; import where the task was exported")
    if problems:
        return _Judged(task.id, problems=tuple(f"task {task.id}: {problem}" for problem in problems))
    if not task.standing:
        return _Judged(task.id, left_out=NOT_ANNOTATED)
    agreed = agree(task.standing)
    if agreed is None:
        return _Judged(task.id, left_out=NO_MAJORITY)
    return _labelled(task, agreed, codes, provenance.of(decision_id, task.data.case_id))


def _labelled(task: AnnotatedTask, agreed: Agreed, codes: Collection[str], known: Mapping[str, Any]) -> _Judged:
    row = {
        "id": f"label_studio:{task.id}",
        "title": task.data.title,
        "description": task.data.description,
        "language": task.data.language or None,
        "verdict": "violation" if agreed.policies else "compliant",
        "policies": [code for code in codes if code in agreed.policies],
        "label_kind": "human_3+_votes" if agreed.reviewers >= VOTES else "human",
        "reviews": agreed.reviews,
        "reviewers": agreed.reviewers,
        "agreeing": agreed.agreeing,
        "reviewed_at": iso_utc(agreed.latest.astimezone(UTC)) if agreed.latest else None,
        **known,
    }
    try:
        return _Judged(task.id, LabelBody.model_validate(row).model_dump())
    except ValidationError as error:
        return _Judged(task.id, problems=tuple(f"task {task.id}: {problem}" for problem in told(error)))
