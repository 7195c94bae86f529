"""The first user and the first key of a new installation, kept in a file until somebody deletes it."""

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fairstall.model.errors import Conflict, SetupError

if TYPE_CHECKING:
    from sqlalchemy import Engine

FILE = "first-login.json"
NAME = "admin"
KEY_NAME = "first-key"


@dataclass(frozen=True, slots=True)
class FirstLogin:
    """What `fairstall up` made the first time; `api_key` may score."""

    user: str
    password: str
    api_key: str


def first_login(engine: "Engine", home: Path, clock: Callable[[], datetime]) -> FirstLogin | None:
    """The first login, made now if the store has no users; None once its file is gone. Raises SetupError."""
    path = home / FILE
    if path.exists():
        return _read(path)
    return _make(engine, path, clock)


def _read(path: Path) -> FirstLogin:
    try:
        return FirstLogin(**json.loads(path.read_bytes()))
    except (OSError, TypeError, ValueError) as error:
        raise SetupError(f"{path} cannot be read: {error}; delete it if you have users of your own") from error


def _make(engine: "Engine", path: Path, clock: Callable[[], datetime]) -> FirstLogin | None:
    from fairstall.labeling.accounts import Accounts
    from fairstall.labeling.permissions import Role
    from fairstall.records.keys import Scope, create_key

    accounts = Accounts(engine, clock)
    if accounts.all():
        return None
    password = secrets.token_urlsafe(12)
    try:
        accounts.create(NAME, Role.ADMIN, password)
    except Conflict:  # another process was faster, and its file tells
        return None
    login = FirstLogin(NAME, password, create_key(engine, KEY_NAME, Scope.SCORE, now=clock()).secret)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(login), file, indent=1)
    return login
