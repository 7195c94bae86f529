"""docs/people.md says who may do what, and what the file on an identity provider holds."""

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import get_args

from fairstall.cli.user import RoleName
from fairstall.labeling.oidc_settings import OidcSettings, load_oidc_settings
from fairstall.labeling.permissions import PERMISSIONS, Permission, Role
from fairstall.labeling.view_log import View, ViewedPage

DOCS = (Path(__file__).parents[2] / "docs" / "people.md").read_text()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def rows_under(head: str) -> dict[str, str]:
    """The first two cells of each row of a table."""
    table = DOCS.partition(head)[2].partition("\n\n")[0].splitlines()[2:]
    return {name.strip("`"): second for name, second, *_ in map(cells, table)}


def test_the_roles_are_documented_as_they_are():
    lines = DOCS.splitlines()
    head = cells(next(line for line in lines if line.startswith("| role |")))
    assert head[1:] == [str(permission) for permission in Permission]
    for role in Role:
        row = cells(next(line for line in lines if line.startswith(f"| {role} |")))
        assert [cell == "yes" for cell in row[1:]] == [permission in PERMISSIONS[role] for permission in Permission]


def test_the_command_line_knows_every_role():
    assert set(get_args(RoleName)) == set(Role)


def test_every_key_of_the_file_is_documented_and_required_where_it_is():
    documented = rows_under("| key | default |")
    assert list(documented) == [field.name for field in fields(OidcSettings)]
    for field in fields(OidcSettings):
        required = field.default is MISSING and field.default_factory is MISSING
        assert (documented[field.name] == "required") == required, field.name


def test_the_file_that_is_shown_can_be_read(tmp_path):
    shown = re.search(r"```toml\n(.*?)```", DOCS, re.DOTALL)[1]
    secret = tmp_path / "secret"
    secret.write_text("a secret\n")
    path = tmp_path / "oidc.toml"
    path.write_text(shown.replace("/run/secrets/fairstall-oidc", str(secret)))
    settings = load_oidc_settings(path)
    assert list(settings.roles.values()) == [Role.ADMIN, Role.MANAGER, Role.MODERATOR]
    assert settings.client_secret == "a secret"


def test_every_column_of_the_log_and_every_page_in_it_is_documented():
    documented = rows_under("| column | meaning |")
    assert list(documented) == [field.name for field in fields(View)]
    assert all(f"`{page}`" in documented["page"] for page in ViewedPage)
