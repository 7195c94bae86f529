"""Open cases and reviews become tasks that show what an annotator needs, and of blind cases nothing that tells."""

import json
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from sqlalchemy import insert, select

from fairstall.labeling.label_studio.export import export_open_cases, export_reviews
from fairstall.labeling.lanes import SENIOR
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.decide import Outcome
from fairstall.model.errors import InputError
from fairstall.model.listing import Price
from fairstall.records.erasure import Erasure
from fairstall.records.ledger import CaseReason
from fairstall.records.tables import cases

WEAPONS, DRUGS = "prohibited/weapons", "prohibited/drugs"
IDS = ("listing_id", "decision_id", "case_id")


@pytest.fixture
def open_tasks(policies, tmp_path):
    """Export the open cases of a store; returns the tasks."""

    def run(store, **options) -> list[dict]:
        export_open_cases(store.engine, tmp_path / "tasks.json", policies, **options)
        return json.loads((tmp_path / "tasks.json").read_text())

    return run


@pytest.fixture
def reviewed_tasks(policies, tmp_path):
    """Export the reviews of a store; returns the tasks."""

    def run(store, **options) -> list[dict]:
        export_reviews(store.engine, tmp_path / "reviews.json", policies, **options)
        return json.loads((tmp_path / "reviews.json").read_text())

    return run


def without_ids(task: dict) -> dict:
    return task | {"data": {name: value for name, value in task["data"].items() if name not in IDS}}


def again(store, case_id: str, *, reason: str) -> None:
    """Open a later case about the same decision."""
    with store.engine.begin() as connection:
        row = connection.execute(select(cases).where(cases.c.case_id == case_id)).one()
        later = {"case_id": f"{case_id[:-1]}~", "reason": reason}
        connection.execute(insert(cases).values({**row._mapping, **later}))


def decide(store, user, verdict=ReviewVerdict.COMPLIANT, policies=()):
    return store.queue.decide(store.queue.claim(user).case_id, user, verdict, policies)


def test_an_open_case_is_a_task_with_what_the_model_found(store, open_tasks):
    facts = {"category": "Tools", "price": Price(Decimal("12.50"), "EUR"), "market": "de", "listing_id": "L-1"}
    case_id = store.open_case("Flick knife", "With pills.", words=("Flick",), also=((DRUGS, ("pills",)),), **facts)
    (task,) = open_tasks(store)
    assert task["data"].pop("decision_id") != case_id
    weapons = {"start": 0, "end": 5, "text": "Flick", "labels": [WEAPONS]}
    drugs = {"start": 5, "end": 10, "text": "pills", "labels": [DRUGS]}
    title = {"from_name": "title_evidence", "to_name": "title", "type": "labels"}
    description = {"from_name": "description_evidence", "to_name": "description", "type": "labels"}
    chosen = {"from_name": "policies", "to_name": "title", "type": "choices", "value": {"choices": [WEAPONS, DRUGS]}}
    assert task == {
        "data": {
            "title": "Flick knife",
            "description": "With pills.",
            "category": "Tools",
            "price": "12.50 EUR",
            "market": "de",
            "language": "en",
            "listing_id": "L-1",
            "case_id": case_id,
        },
        "predictions": [
            {
                "model_version": "tiny-000000000000",
                "score": 0.42,
                "result": [
                    {"id": "policies", **chosen},
                    {"id": "evidence-1", **title, "value": weapons},
                    {"id": "evidence-2", **description, "value": drugs},
                ],
            }
        ],
    }


def test_offsets_count_code_points_whatever_is_before_them(sqlite_store, open_tasks):
    title, description = (
        "\U0001f52b\U0001f52b Flick knife \U0001f48a",
        "\U0001f468\u200d\U0001f692\r\n\U0001d52a pistol",
    )
    sqlite_store.open_case(title, description, words=("knife", "pistol"))
    (task,) = open_tasks(sqlite_store)
    spans = [(region["to_name"], region["value"]) for region in task["predictions"][0]["result"][1:]]
    assert [(field, span["start"], span["end"]) for field, span in spans] == [("title", 9, 14), ("description", 7, 13)]
    assert [task["data"][field][span["start"] : span["end"]] for field, span in spans] == ["knife", "pistol"]


@pytest.mark.parametrize("outcome", [Outcome.APPROVE, Outcome.REVIEW, Outcome.BLOCK])
def test_a_blind_case_tells_nothing_of_the_model(sqlite_store, open_tasks, tmp_path, outcome):
    facts = {"outcome": outcome, "reason": CaseReason.CONTROL, "inclusion_probability": 0.0125}
    sqlite_store.open_case("Flick knife", words=("Flick",), **facts)
    (task,) = open_tasks(sqlite_store)
    assert task["predictions"] == []
    text = (tmp_path / "tasks.json").read_text()
    assert not [told for told in ("control", "0.0125", "0.42", WEAPONS, "tiny-", "seller-1") if told in text]


def test_a_blind_case_looks_like_one_under_review_for_doubt_alone(sqlite_store, open_tasks):
    sqlite_store.open_case("Flick knife", reason=CaseReason.CONTROL, inclusion_probability=0.01)
    sqlite_store.open_case("Flick knife", policy="prohibited/of_old")  # of which no finding can be told
    blind, doubtful = map(without_ids, open_tasks(sqlite_store))
    assert blind == doubtful


def test_a_golden_case_looks_like_an_uncertain_one(sqlite_store, open_tasks):
    for reason in (CaseReason.UNCERTAIN, CaseReason.GOLDEN):
        sqlite_store.open_case("Flick knife", words=("Flick",), reason=reason)
    uncertain, golden = map(without_ids, open_tasks(sqlite_store))
    assert uncertain == golden


def test_the_most_urgent_cases_come_first_and_what_is_decided_or_erased_does_not_come(store, open_tasks):
    store.open_case("decided", priority=9.0)
    decide(store, store.user())
    store.open_case("erased", seller_id="ana")
    Erasure(store.engine, "ana", store.clock).run(actor="operator:kim", reason="ticket 7")
    for priority in (0.2, 0.9, 0.5):
        store.open_case(f"at {priority}", priority=priority)
    assert [task["data"]["title"] for task in open_tasks(store)] == ["at 0.9", "at 0.5", "at 0.2"]
    assert [task["data"]["title"] for task in open_tasks(store, limit=1)] == ["at 0.9"]


def test_a_decision_has_one_task_and_a_blind_case_about_it_keeps_it_blind(store, open_tasks):
    blind = store.open_case("Flick knife", words=("Flick",), reason=CaseReason.CONTROL)
    again(store, blind, reason="golden")
    plain = store.open_case("Dagger", words=("Dagger",))
    again(store, plain, reason="second_opinion")
    told = [(task["data"]["case_id"], len(task["predictions"])) for task in open_tasks(store)]
    assert sorted(told) == sorted([(blind, 0), (plain, 1)])


def test_what_waits_for_somebody_in_particular_stays_here(sqlite_store, open_tasks):
    case_id = sqlite_store.open_case()
    with sqlite_store.engine.begin() as connection:
        connection.execute(cases.update().where(cases.c.case_id == case_id).values(lane=SENIOR))
    assert open_tasks(sqlite_store) == []


def test_no_open_cases_are_an_empty_array(sqlite_store, open_tasks):
    assert open_tasks(sqlite_store) == []


def test_a_review_is_an_annotation(store, reviewed_tasks):
    case_id = store.open_case("Flick knife", words=("Flick",))
    mira = store.user()
    store.queue.claim(mira)
    store.clock.advance(seconds=12)
    store.queue.decide(case_id, mira, ReviewVerdict.VIOLATION, (WEAPONS,), "Ana sold one before.")
    (task,) = reviewed_tasks(store, email_domain="example.com")
    (annotation,) = task["annotations"]
    assert task["data"]["case_id"] == case_id
    assert len(task["predictions"]) == 1
    assert annotation.pop("created_at").startswith("2026-11-22T12:00:12.")
    assert annotation.pop("lead_time") == pytest.approx(12, abs=0.1)
    assert annotation.pop("result")[0]["value"] == {"choices": [WEAPONS]}
    assert annotation == {
        "completed_by": {"email": "mira@example.com"},
        "was_cancelled": False,
        "ground_truth": False,
    }
    (task,) = reviewed_tasks(store)
    assert "completed_by" not in task["annotations"][0]


def test_all_reviews_of_a_listing_are_on_one_task_and_a_blind_one_keeps_it_blind(store, reviewed_tasks):
    for name, reason in (("mira", CaseReason.CONTROL), ("noor", CaseReason.UNCERTAIN)):
        store.open_case("Flick knife", words=("Flick",), reason=reason, listing_id="L-1")
        decide(store, store.user(name))
    (task,) = reviewed_tasks(store)
    chosen = [annotation["result"][0]["value"]["choices"] for annotation in task["annotations"]]
    assert (chosen, task["predictions"]) == ([["compliant"], ["compliant"]], [])


def test_a_review_that_was_undone_is_left_out(store, reviewed_tasks):
    store.open_case()
    mira = store.user()
    decide(store, mira)
    store.queue.undo(mira)
    assert reviewed_tasks(store) == []


def test_a_policy_that_only_old_reviews_name_can_still_be_chosen(sqlite_store, reviewed_tasks, open_tasks, tmp_path):
    sqlite_store.open_case()
    decide(sqlite_store, sqlite_store.user(), ReviewVerdict.VIOLATION, ("prohibited/of_old",))
    reviewed_tasks(sqlite_store)
    open_tasks(sqlite_store)
    choices = {
        name: [choice.get("alias") for choice in ElementTree.parse(tmp_path / name).iter("Choice")]
        for name in ("reviews.xml", "tasks.xml")
    }
    assert choices["reviews.xml"] == [*choices["tasks.xml"], "prohibited/of_old"]


def test_a_file_of_another_ending_is_refused(sqlite_store, policies, tmp_path):
    with pytest.raises(InputError, match=r"tasks\.xml has to end in \.json"):
        export_open_cases(sqlite_store.engine, tmp_path / "tasks.xml", policies)
    assert list(tmp_path.glob("tasks*")) == []
