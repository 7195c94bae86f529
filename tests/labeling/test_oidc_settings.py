"""The file on an identity provider: what it may say, and how a mistake in it is told."""

import pytest

from fairstall.cli.console import provider_of
from fairstall.labeling.oidc_settings import load_oidc_settings
from fairstall.labeling.permissions import Role
from fairstall.model.errors import MissingExtra, SetupError

GOOD = 'issuer = "https://login.example"\nclient_id = "fairstall"\n'
ROLES = '[roles]\n"cn=mods, ou=x" = "moderator"\n"*" = "auditor"\n'


@pytest.fixture
def written(tmp_path):
    def write(text: str):
        path = tmp_path / "oidc.toml"
        path.write_text(text)
        return path

    return write


def test_the_roles_keep_their_order_and_the_rest_its_defaults(written):
    settings = load_oidc_settings(written(GOOD + ROLES))
    assert list(settings.roles.items()) == [("cn=mods, ou=x", Role.MODERATOR), ("*", Role.AUDITOR)]
    assert (settings.name_claim, settings.passwords, settings.client_secret) == ("preferred_username", True, None)


def test_the_secret_of_the_environment_wins_over_the_file_and_is_never_printed(written, tmp_path):
    (tmp_path / "secret").write_text("from a file\n")
    path = written(GOOD + f'client_secret_file = "{tmp_path / "secret"}"\n' + ROLES)
    assert load_oidc_settings(path).client_secret == "from a file"
    settings = load_oidc_settings(path, "from the environment")
    assert settings.client_secret == "from the environment"
    assert "from the environment" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("issuer = ", "cannot be read"),
        ('client_id = "fairstall"', "issuer"),
        (GOOD + 'isuer = "x"\n' + ROLES, "isuer"),
        (GOOD + '[roles]\nmods = "king"\n', "roles.mods"),
        (GOOD, "say in \\[roles\\] what new users may do"),
        (GOOD.replace("https", "http") + ROLES, "has to be an https address"),
        (GOOD + 'scopes = ["email"]\n' + ROLES, "'openid' has to be one"),
        (GOOD + 'client_secret_file = "/nowhere"\n' + ROLES, "client_secret_file cannot be read"),
    ],
)
def test_a_mistake_is_told_with_its_place(written, text, told):
    with pytest.raises(SetupError, match=told) as refused:
        load_oidc_settings(written(text))
    assert "oidc.toml" in str(refused.value)


def test_plain_http_is_for_this_machine_alone(written):
    local = GOOD.replace("https://login.example", "http://localhost:8080/realms/x")
    assert load_oidc_settings(written(local + ROLES)).issuer.startswith("http://localhost")


def test_a_missing_file_is_the_operators_to_mend(tmp_path):
    with pytest.raises(SetupError, match="cannot be read"):
        provider_of(tmp_path / "none.toml", None)


def test_without_its_extra_single_sign_on_names_it(written, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "authlib", None)
    monkeypatch.delitem(sys.modules, "fairstall.labeling.oidc", raising=False)
    for name in [name for name in sys.modules if name.startswith("authlib.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtra, match=r"pip install 'fairstall\[oidc\]'"):
        provider_of(written(GOOD + ROLES), None)
