"""docs/reviewing.md says what the console does."""

import re
from pathlib import Path
from typing import get_args

from fairstall.cli.user import RoleName
from fairstall.labeling.export import LABEL_KIND
from fairstall.labeling.label_import import LabelBody
from fairstall.labeling.permissions import PERMISSIONS, Permission, Role

HERE = Path(__file__).parents[2]
DOCS = (HERE / "docs" / "reviewing.md").read_text()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_roles_are_documented_as_they_are():
    lines = DOCS.splitlines()
    head = cells(next(line for line in lines if line.startswith("| role |")))
    assert head[1:] == [str(permission) for permission in Permission]
    for role in Role:
        row = cells(next(line for line in lines if line.startswith(f"| {role} |")))
        assert [cell == "yes" for cell in row[1:]] == [permission in PERMISSIONS[role] for permission in Permission]


def test_the_command_line_knows_every_role():
    assert set(get_args(RoleName)) == set(Role)


def test_every_key_on_a_page_is_documented_and_listed_in_the_dialog():
    templates = {file.name: file.read_text() for file in (HERE / "labeling" / "templates").glob("*.html")}
    panels = set(re.findall(r'panel\(file, "[\w-]+", "(.)"', templates["_panels.html"]))
    keys = {key for text in templates.values() for key in re.findall(r'data-key="([^"{]+)"', text)}
    keys |= panels | {"1", "9"}
    documented = set(re.findall(r"`(.)`", "\n".join(re.findall(r"^\| `.*?\|", DOCS, re.MULTILINE))))
    listed = set(re.findall(r"<kbd>(.)</kbd>", templates["_keys.html"]))
    assert keys == documented
    assert keys - {"?"} == listed


def test_every_field_of_a_label_is_documented():
    assert LABEL_KIND in DOCS
    assert [name for name in LabelBody.model_fields if f"`{name}`" not in DOCS] == []
