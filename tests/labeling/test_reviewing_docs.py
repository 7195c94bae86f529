"""docs/reviewing.md says what the console does."""

import re
from pathlib import Path

from fairstall.labeling.export import LABEL_KIND
from fairstall.labeling.label_import import LabelBody

HERE = Path(__file__).parents[2]
DOCS = (HERE / "docs" / "reviewing.md").read_text()


def test_every_key_on_a_page_is_documented_and_listed_in_the_dialog():
    templates = {file.name: file.read_text() for file in (HERE / "labeling" / "templates").glob("*.html")}
    panels = set(re.findall(r'panel\(file, "[\w-]+", "(.)"', templates["_panels.html"]))
    keys = {key for text in templates.values() for key in re.findall(r'data-key="([^"{]+)"', text)}
    keys |= panels | {"1", "9"}
    documented = set(re.findall(r"`(.)`", "\n".join(re.findall(r"^\| `.*?\|", DOCS, re.MULTILINE))))
    dialogs = [text.partition("<dialog")[2] for text in templates.values()]
    listed = {key for dialog in (*dialogs, templates["_keys.html"]) for key in re.findall(r"<kbd>(.)</kbd>", dialog)}
    assert keys == documented
    assert keys - {"?"} == listed


def test_every_field_of_a_label_is_documented():
    assert LABEL_KIND in DOCS
    assert [name for name in LabelBody.model_fields if f"`{name}`" not in DOCS] == []
