"""docs/label-studio.md says what tasks hold and which are left out."""

from pathlib import Path

from fairstall.labeling.label_studio import imports
from fairstall.labeling.label_studio.provenance import Gone
from fairstall.labeling.label_studio.tasks import task_data

DOCS = (Path(__file__).parents[3] / "docs" / "label-studio.md").read_text()


def test_every_field_of_a_task_is_documented():
    fields = task_data({"title": "", "description": "", "listing_id": ""}, case_id="", decision_id="")
    assert [name for name in fields if f"`{name}`" not in DOCS] == []


def test_every_reason_to_leave_a_task_out_is_documented():
    reasons = (imports.NOT_ANNOTATED, imports.NO_MAJORITY, *Gone)
    assert [reason for reason in reasons if f"*{reason}*" not in DOCS] == []
