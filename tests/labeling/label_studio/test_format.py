"""Label Studio's own SDK takes our configuration, tasks, predictions and annotations, and we take its annotations."""

import json
from dataclasses import replace

import pytest
from label_studio_sdk.label_interface import LabelInterface
from label_studio_sdk.label_interface.objects import AnnotationValue

from fairstall.labeling.label_studio.export import export_open_cases, export_reviews
from fairstall.labeling.label_studio.imports import import_annotations
from fairstall.labeling.label_studio.interface import labeling_config
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.policies import PolicySet
from fairstall.model.policy_file import starter_policies
from fairstall.records.ledger import CaseReason

WEAPONS, DRUGS = "prohibited/weapons", "prohibited/drugs"
HOSTILE = '<script>alert(1)</script> $title {{description}} "]]> </View> \U0001f52b'


@pytest.fixture
def interface(policies) -> LabelInterface:
    return LabelInterface(labeling_config(policies))


def exported(folder, name) -> tuple[LabelInterface, list[dict]]:
    return LabelInterface((folder / f"{name}.xml").read_text()), json.loads((folder / f"{name}.json").read_text())


def test_the_configuration_is_valid_and_asks_for_every_policy():
    policies = starter_policies()
    interface = LabelInterface(labeling_config(policies))
    interface.validate()
    controls = {control.name: control for control in interface.controls}
    assert set(controls) == {"policies", "title_evidence", "description_evidence", "note"}
    assert controls["policies"].labels == ["compliant", *policies.codes]
    assert controls["policies"].is_multiple_choice
    assert controls["title_evidence"].labels == controls["description_evidence"].labels == list(policies.codes)
    assert {(text.tag, text.value) for text in interface.objects} == {("Text", "$title"), ("Text", "$description")}


def test_choices_carry_titles_guidelines_and_the_keys_of_the_console(interface, policies):
    attributes = interface.get_control("policies").labels_attrs
    weapons = attributes[WEAPONS].attr
    assert weapons == {
        "value": "Weapons",
        "alias": WEAPONS,
        "hotkey": "1",
        "hint": "Ask what the buyer gets.\n\nA picture of weapons is fine.",
    }
    assert attributes["compliant"].attr["hotkey"] == "c"
    assert ["hotkey" in attributes[code].attr for code in policies.codes] == [True] * 9 + [False] * 3


def test_policies_with_the_same_title_are_told_apart(policies):
    twice = PolicySet("test-2", (policies[WEAPONS], replace(policies[DRUGS], title="Weapons")))
    interface = LabelInterface(labeling_config(twice))
    interface.validate()
    named = [tag.attr["value"] for tag in interface.get_control("policies").labels_attrs.values()]
    assert named == ["Compliant", f"Weapons ({WEAPONS})", f"Weapons ({DRUGS})"]


def test_tasks_and_their_predictions_are_valid(sqlite_store, policies, tmp_path):
    sqlite_store.open_case(f"Flick knife {HOSTILE}", HOSTILE, words=("knife",), also=((DRUGS, ("script",)),))
    sqlite_store.open_case("", "Only a description", reason=CaseReason.CONTROL)
    sqlite_store.open_case("Only a title", "", policy="prohibited/of_old")
    export_open_cases(sqlite_store.engine, tmp_path / "tasks.json", policies)
    interface, tasks = exported(tmp_path, "tasks")
    interface.validate()
    assert [interface.validate_task({"data": task["data"]}) for task in tasks] == [True] * 3
    assert [len(task["predictions"]) for task in tasks] == [1, 0, 0]
    assert interface.validate_prediction(tasks[0]["predictions"][0], return_errors=True) == []
    assert tasks[0]["data"]["title"] == f"Flick knife {HOSTILE}"


def test_annotations_of_reviews_are_valid(sqlite_store, policies, tmp_path):
    mira = sqlite_store.user()
    verdicts = ((ReviewVerdict.VIOLATION, (DRUGS, "prohibited/of_old")), (ReviewVerdict.COMPLIANT, ()))
    for verdict, chosen in verdicts:
        case_id = sqlite_store.open_case(f"Pills, {verdict}")
        sqlite_store.queue.claim(mira)
        sqlite_store.queue.decide(case_id, mira, verdict, chosen)
    export_reviews(sqlite_store.engine, tmp_path / "reviews.json", policies)
    interface, tasks = exported(tmp_path, "reviews")
    assert [interface.validate_annotation(one) for task in tasks for one in task["annotations"]] == [True, True]


@pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")  # the SDK's own
def test_an_annotation_that_the_sdk_makes_is_imported(sqlite_store, interface, policies, tmp_path):
    chosen = {"policies": [DRUGS, WEAPONS], "title_evidence": [{"start": 0, "end": 4, "labels": [DRUGS]}]}
    regions = interface.create_regions(chosen | {"note": "In the title."})
    annotation = AnnotationValue(completed_by=7, result=regions).model_dump()
    assert interface.validate_annotation(annotation)
    task = {"id": 1, "data": interface.generate_sample_task(), "annotations": [annotation]}
    (tmp_path / "export.json").write_text(json.dumps([task]))
    imported = import_annotations(
        sqlite_store.engine, tmp_path / "export.json", tmp_path / "imported", codes=policies.codes
    )
    (row,) = map(json.loads, (tmp_path / "imported" / imported.manifest.file).read_text().splitlines())
    assert (row["policies"], row["title"]) == ([WEAPONS, DRUGS], task["data"]["title"])
