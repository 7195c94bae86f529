"""Annotations become labels by majority, with the provenance that the store kept back; a wrong task is named."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from fairstall.labeling.label_studio.export import export_open_cases
from fairstall.labeling.label_studio.imports import ImportedTasks, import_annotations
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.errors import InputError
from fairstall.records.archive import Archive
from fairstall.records.archiving import Archiving
from fairstall.records.erasure import Erasure
from fairstall.records.ledger import CaseReason
from fairstall.records.seals import seal_all
from fairstall.records.tables import cases

WEAPONS, DRUGS = "prohibited/weapons", "prohibited/drugs"
CODES = (WEAPONS, DRUGS)
EXPORTED = Path(__file__).with_name("exported_by_1.23.2.json")


def answer(*choices: str, by: object = None, **facts) -> dict:
    region = {"id": "policies", "from_name": "policies", "to_name": "title", "type": "choices"}
    return {"id": 1, "completed_by": by, "result": [region | {"value": {"choices": list(choices)}}], **facts}


def task(*annotations: dict, task_id: int = 12, **data) -> dict:
    return {"id": task_id, "data": {"title": "Flick knife", "description": "", **data}, "annotations": [*annotations]}


@pytest.fixture
def imported(sqlite_store, tmp_path):
    """Import tasks, or a file of them; returns what was done and the rows that were kept."""

    def run(tasks: list[dict] | Path, store=sqlite_store) -> tuple[ImportedTasks, list[dict]]:
        file, kept = tmp_path / "export.json", tmp_path / "imported"
        file.write_bytes(tasks.read_bytes() if isinstance(tasks, Path) else json.dumps(tasks).encode())
        done = import_annotations(store.engine, file, kept, codes=CODES)
        return done, [json.loads(line) for line in (kept / done.manifest.file).read_text().splitlines()]

    return run


def decision_of(store, case_id: str) -> str:
    with store.engine.connect() as connection:
        return connection.scalar(select(cases.c.decision_id).where(cases.c.case_id == case_id))


def test_a_label_gets_back_what_its_task_did_not_tell(store, policies, tmp_path, imported):
    case_id = store.open_case("Flick knife", reason=CaseReason.CONTROL, inclusion_probability=0.01)
    export_open_cases(store.engine, tmp_path / "tasks.json", policies)
    (sent,) = json.loads((tmp_path / "tasks.json").read_text())
    at = {"created_at": "2026-11-24T09:00:00.000001Z", "updated_at": "2026-11-24T11:30:00+02:00"}
    done, rows = imported([{"id": 12, **sent, "annotations": [answer(WEAPONS, by=3, **at)]}], store)
    assert rows == [
        {
            "id": "label_studio:12",
            "title": "Flick knife",
            "description": "Sharp.",
            "language": "en",
            "verdict": "violation",
            "policies": [WEAPONS],
            "label_kind": "human",
            "decision_id": decision_of(store, case_id),
            "case_id": case_id,
            "reason": "control",
            "reviews": 1,
            "reviewers": 1,
            "decided_together": 1,
            "agreeing": 1,
            "reviewed_at": "2026-11-24T09:30:00.000000Z",
            "model_version": "tiny-000000000000",
            "policies_version": "test-000000000000",
            "inclusion_probability": 0.01,
            "scores": {WEAPONS: 0.42, DRUGS: 0.01},
        }
    ]
    assert (done.manifest.verdicts, done.left_out) == ({"violation": 1}, {})


def test_a_case_about_another_decision_is_not_taken_for_its_own(sqlite_store, imported):
    decision_id = decision_of(sqlite_store, sqlite_store.open_case())
    _, (row,) = imported([task(answer(WEAPONS), decision_id=decision_id, case_id=sqlite_store.open_case())])
    assert (row["decision_id"], row["case_id"], row["reason"]) == (decision_id, None, None)


def test_a_project_that_did_not_come_from_here_needs_only_texts_and_choices(imported):
    _, (row,) = imported([task(answer("compliant", by={"id": 3, "email": "mira@example.com"}))])
    assert (row["verdict"], row["policies"], row["language"]) == ("compliant", [], None)
    assert (row["decision_id"], row["inclusion_probability"], row["reviewed_at"]) == (None, 1.0, None)


def test_what_label_studio_1_23_2_exported_is_imported(sqlite_store, imported):
    """The file has a task with two answers of one person, a blind one, and one that was skipped."""
    knife = sqlite_store.open_case("Flick knife")
    blind = sqlite_store.open_case("Blind one", reason=CaseReason.CONTROL, inclusion_probability=0.01)
    tasks = json.loads(EXPORTED.read_text())
    for sent, case_id in zip(tasks, (knife, blind, knife), strict=True):
        sent["data"]["decision_id"] = decision_of(sqlite_store, case_id)
    done, rows = imported(tasks)
    told = [(row["id"], row["policies"], row["reviews"], row["agreeing"], row["inclusion_probability"]) for row in rows]
    assert told == [("label_studio:4", [], 2, 1, 1.0), ("label_studio:5", [WEAPONS], 1, 1, 0.01)]
    assert done.left_out == {"not annotated": [6]}
    assert rows[0]["title"] == "\U0001f52b\U0001f52b Flick knife <script>alert(1)</script> & \U0001f48a pills"


@pytest.mark.parametrize(
    ("answers", "label", "counts", "kind"),
    [
        ([answer(WEAPONS, by=1), answer(WEAPONS, by=2)], [WEAPONS], (2, 2, 2), "human"),
        (
            [answer(WEAPONS, by=1), answer("compliant", by=2), answer(WEAPONS, by=3)],
            [WEAPONS],
            (3, 3, 2),
            "human_3+_votes",
        ),
        ([answer(DRUGS, WEAPONS, by=1), answer(WEAPONS, DRUGS, by=2)], [WEAPONS, DRUGS], (2, 2, 2), "human"),
        ([answer(WEAPONS, by=1), answer("compliant", by=2, was_cancelled=True)], [WEAPONS], (1, 1, 1), "human"),
        ([answer(WEAPONS), answer(WEAPONS), answer("compliant")], [WEAPONS], (3, 3, 2), "human_3+_votes"),
    ],
    ids=["all agree", "two of three", "in any order", "one skipped", "nobody named"],
)
def test_the_answer_of_more_than_half_is_the_label(imported, answers, label, counts, kind):
    _, (row,) = imported([task(*answers)])
    assert (row["policies"], row["label_kind"]) == (label, kind)
    assert (row["reviews"], row["reviewers"], row["agreeing"]) == counts


def test_of_one_annotator_the_latest_answer_counts(imported):
    newest, oldest = {"created_at": "2026-11-24T12:00:00Z"}, {"created_at": "2026-11-24T11:00:00Z"}
    _, (row,) = imported([task(answer(WEAPONS, by=1, **newest), answer("compliant", by=1, **oldest))])
    assert (row["policies"], row["reviews"], row["reviewers"], row["agreeing"]) == ([WEAPONS], 2, 1, 1)
    assert row["reviewed_at"] == "2026-11-24T12:00:00.000000Z"


@pytest.mark.parametrize(
    "answers",
    [
        [answer(WEAPONS, by=1), answer("compliant", by=2)],
        [answer(WEAPONS, by=1), answer(WEAPONS, DRUGS, by=2)],
        [answer(WEAPONS, by=1), answer(WEAPONS, by=2), answer(DRUGS, by=3), answer("compliant", by=4)],
    ],
    ids=["a tie", "a tie about which policies", "half"],
)
def test_without_a_majority_a_task_is_left_out_and_told(imported, answers):
    done, rows = imported([task(*answers), task(answer(WEAPONS), task_id=13)])
    assert [row["id"] for row in rows] == ["label_studio:13"]
    assert done.left_out == {"without a majority": [12]}


def test_what_was_erased_since_does_not_come_back(store, imported):
    ids = [
        decision_of(store, store.open_case(f"Flick knife of {seller}", seller_id=seller)) for seller in ("ana", "ben")
    ]
    Erasure(store.engine, "ana", store.clock).run(actor="operator:kim", reason="ticket 7")
    tasks = [task(answer(WEAPONS), task_id=number, decision_id=one) for number, one in enumerate(ids, start=1)]
    done, rows = imported(tasks, store)
    assert [row["id"] for row in rows] == ["label_studio:2"]
    assert done.left_out == {"erased since": [1]}


def test_what_was_archived_since_is_left_out(sqlite_store, imported, tmp_path):
    case_id = sqlite_store.open_case()
    mira = sqlite_store.user()
    sqlite_store.queue.claim(mira)
    sqlite_store.queue.decide(case_id, mira, ReviewVerdict.COMPLIANT)
    decision_id = decision_of(sqlite_store, case_id)
    sqlite_store.clock.advance(days=60)
    seal_all(sqlite_store.engine, sqlite_store.clock)
    archiving = Archiving(sqlite_store.engine, Archive(tmp_path / "archive"), sqlite_store.clock)
    archiving.run(datetime(2027, 1, 1, tzinfo=UTC), actor="operator:kim")
    done, _ = imported([task(answer(WEAPONS), decision_id=decision_id), task(answer(WEAPONS), task_id=13)])
    assert done.left_out == {"in the archive": [12]}


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (task(answer("prohibited/joy")), "task 12: annotation 1: no policy in force is called 'prohibited/joy'"),
        (task(answer(WEAPONS), answer("joy")), "task 12: annotation 1: no policy in force is called 'joy'"),
        (task(answer("compliant", WEAPONS)), "task 12: annotation 1 chooses compliant and a policy"),
        (task(answer()), "task 12: annotation 1 chooses nothing in 'policies'"),
        (task({"id": 5, "result": []}), "task 12: annotation 5 chooses nothing in 'policies'"),
        (task(answer(WEAPONS), title=" "), "task 12: label: title and description are both empty"),
        (task(answer(WEAPONS), title="x" * 1001), "task 12: title: String should have at most 1000 characters"),
        (task(answer(WEAPONS), title=5), "task 12: data.title: Input should be a valid string"),
        (task(answer(WEAPONS), language="?"), "task 12: language: String should match pattern"),
        (
            task(answer(WEAPONS, created_at="noon")),
            "task 12: annotations.0.created_at: Input should be a valid datetime",
        ),
        (task(answer(WEAPONS), decision_id="d-1"), "task 12: there is no decision d-1 in this store"),
        (task(answer(WEAPONS), task_id=1), "task 1: it is item 1 already"),
        (
            {"id": 12, "title": "Flick knife", "policies": WEAPONS},
            "task 12: it has no data or no annotations; export as JSON",
        ),
        ({"data": {}, "annotations": []}, "item 2: id: Field required"),
    ],
)
def test_a_wrong_task_is_named_and_nothing_is_kept(imported, tmp_path, wrong, problem):
    with pytest.raises(InputError) as refused:
        imported([task(answer(WEAPONS), task_id=1), wrong])
    assert f"export.json: {problem}" in str(refused.value)
    assert not (tmp_path / "imported").exists()


def test_at_most_twenty_problems_are_told(imported):
    with pytest.raises(InputError) as refused:
        imported([task(answer("joy"), task_id=number) for number in range(600)])
    assert len(str(refused.value).splitlines()) == 21


def test_a_file_without_any_label_is_refused(imported):
    for nothing in ([], [task()]):
        with pytest.raises(InputError, match="it has no labels"):
            imported(nothing)


def test_training_reads_what_is_kept(sqlite_store, imported, tmp_path):
    reviewed = pytest.importorskip("fairstall.training.reviewed")
    case_id = sqlite_store.open_case(reason=CaseReason.CONTROL, inclusion_probability=0.1)
    done, _ = imported([task(answer(WEAPONS), decision_id=decision_of(sqlite_store, case_id), language="en")])
    (row,) = reviewed.review_rows(tmp_path / "imported" / done.manifest.file, CODES)
    assert (row.title, row.labels, row.weight, row.label_kind) == ("Flick knife", (1.0, 0.0), 10.0, "human")
