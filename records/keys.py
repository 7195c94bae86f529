"""API keys: 256 random bits of which only the SHA-256 is kept. Who may do what with one is `serving`'s business."""

import hashlib
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from fairstall.model.errors import Conflict, InputError, NotFound
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading, writing
from fairstall.records.tables import api_keys

KEY_PREFIX = "fs_"


class Scope(StrEnum):
    """What a key is for: scoring listings, which includes reading decisions, or reading alone."""

    SCORE = "score"
    READ = "read"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`listings_per_s`: how fast it may score over ten seconds or more; None for no bound of its own."""

    key_id: str
    name: str
    scope: Scope
    created_at: datetime
    revoked_at: datetime | None = None
    expires_at: datetime | None = None
    listings_per_s: float | None = None

    def expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, slots=True)
class NewKey:
    """`secret` is shown once and never stored."""

    key_id: str
    secret: str


def create_key(
    engine: Engine,
    name: str,
    scope: Scope,
    *,
    now: datetime,
    expires_at: datetime | None = None,
    listings_per_s: float | None = None,
) -> NewKey:
    """A new key. Raises Conflict when a key that was not revoked has this name, InputError for one that never works."""
    if expires_at and expires_at <= now:
        raise InputError(f"a key that ended on {iso_utc(expires_at)} never works: give a time to come")
    if listings_per_s is not None and not 0 < listings_per_s < math.inf:
        raise InputError(f"a key cannot score {listings_per_s:g} listings a second: give a number above 0")
    new = NewKey(time_ordered_id(now), KEY_PREFIX + secrets.token_urlsafe(32))
    row = {
        "key_id": new.key_id,
        "name": name,
        "digest": key_digest(new.secret),
        "scope": str(scope),
        "created_at": iso_utc(now),
        "expires_at": iso_utc(expires_at) if expires_at else None,
        "listings_per_s": listings_per_s,
    }
    try:
        with writing(engine) as connection:
            connection.execute(insert(api_keys).values(row))
    except IntegrityError as error:
        raise Conflict(f"a key named {name!r} is in use: revoke it first, or take another name") from error
    return new


def find_key(engine: Engine, secret: str) -> ApiKey | None:
    """The key that `secret` is, unless it was revoked. Whether it has expired is for the reader to see."""
    query = select(api_keys).where(api_keys.c.digest == key_digest(secret), api_keys.c.revoked_at.is_(None))
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
    return _key(row) if row else None


def list_keys(engine: Engine) -> Sequence[ApiKey]:
    """Every key that ever was, oldest first."""
    with reading(engine) as connection:
        return [_key(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.key_id))]


def revoke_key(engine: Engine, name: str, *, now: datetime) -> None:
    """Take the key named out of use, for good. Raises NotFound."""
    change = update(api_keys).where(api_keys.c.name == name, api_keys.c.revoked_at.is_(None))
    with writing(engine) as connection:
        revoked = connection.execute(change.values(revoked_at=iso_utc(now))).rowcount
    if not revoked:
        raise NotFound(f"there is no key named {name!r} in use")


def key_digest(secret: str) -> str:
    """What is stored of a key. A plain hash will do: nobody guesses 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        name=row.name,
        scope=Scope(row.scope),
        created_at=datetime.fromisoformat(row.created_at),
        revoked_at=_moment(row.revoked_at),
        expires_at=_moment(row.expires_at),
        listings_per_s=row.listings_per_s,
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
