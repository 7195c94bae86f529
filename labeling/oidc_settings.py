"""What an operator says of his identity provider, read from a TOML file. Nothing here speaks to it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ConfigDict, TypeAdapter, ValidationError

from fairstall.labeling.permissions import Role
from fairstall.model.errors import SetupError

EVERYBODY = "*"
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """A provider of OpenID Connect, and what its claims mean here.

    `roles` gives the role for each value of `role_claim`, the first that somebody has, and that of `*` to everybody
    else. Without `roles` everybody keeps the role that an administrator gave, and nobody is made at his first log in.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=False)

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    client_secret_file: Path | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name_claim: str = "preferred_username"
    role_claim: str = "groups"
    roles: Mapping[str, Role] = field(default_factory=dict)
    new_users: bool = True
    passwords: bool = True


def load_oidc_settings(path: Path, secret: str | None = None) -> OidcSettings:
    """The settings in a file, with the client's secret from `secret` or from the file that they name.

    Raises SetupError.
    """
    try:
        settings = TypeAdapter(OidcSettings).validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise SetupError(f"{path}: {told}") from error
    except (OSError, ValueError) as error:
        raise SetupError(f"{path} cannot be read: {error}") from error
    if not is_safe(settings.issuer):
        raise SetupError(f"{path}: issuer: {settings.issuer} has to be an https address")
    if "openid" not in settings.scopes:
        raise SetupError(f"{path}: scopes: 'openid' has to be one of them")
    if settings.new_users and not settings.roles:
        raise SetupError(f"{path}: say in [roles] what new users may do, or set new_users = false")
    return replace(settings, client_secret=_secret(path, settings, secret))


def is_safe(url: str) -> bool:
    """Whether what is sent there cannot be read on the way: https, or this machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _THIS_MACHINE)
    )


def _secret(path: Path, settings: OidcSettings, given: str | None) -> str | None:
    if given or settings.client_secret_file is None:
        return given or settings.client_secret
    try:
        return settings.client_secret_file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise SetupError(f"{path}: client_secret_file cannot be read: {error}") from error
