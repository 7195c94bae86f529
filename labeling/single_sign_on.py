"""The accounts of people whom an identity provider vouches for. How it does so is `oidc`'s."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from fairstall.labeling.accounts import User, tidy_name, user_of
from fairstall.labeling.oidc_settings import EVERYBODY
from fairstall.labeling.passwords import NO_PASSWORD
from fairstall.labeling.permissions import Role
from fairstall.model.errors import Conflict, Forbidden, InputError
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.wire import iso_utc
from fairstall.records.engine import writing
from fairstall.records.tables import sessions, users


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, as a provider has proved. `subject` is the provider's own name, never given to another."""

    issuer: str
    subject: str
    name: str
    groups: frozenset[str]


class SingleSignOn:
    """Finds, links or makes the account of an identity, and gives it the role that its groups have.

    An account belongs to the subject that logged in to it first. A name alone opens only an account that an
    administrator made for single sign-on and that nobody has used: never one with a password, nor another subject's.
    """

    def __init__(
        self, engine: Engine, clock: Callable[[], datetime], *, roles: Mapping[str, Role], new_users: bool
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._roles = roles
        self._new_users = new_users

    @property
    def gives_roles(self) -> bool:
        """Whether the provider says who has which role, and nobody else."""
        return bool(self._roles)

    def log_in(self, identity: Identity) -> User:
        """The user of an identity. Raises Forbidden for somebody who has no account, or may have none."""
        try:
            with writing(self._engine) as connection:
                user = self._admit(connection, identity)
        except IntegrityError as error:
            raise Conflict("This account was made at the same moment. Log in again.") from error
        if user is None:
            raise Forbidden(f"None of the groups of {identity.name} has a role here.")
        return user

    def _admit(self, connection: Connection, identity: Identity) -> User | None:
        """The user, or None for somebody without a role: his sessions have ended then."""
        role = self._role(identity)
        linked = (users.c.issuer == identity.issuer, users.c.subject == identity.subject)
        row = connection.execute(select(users).where(*linked)).one_or_none()
        if self.gives_roles and role is None:
            _end_sessions(connection, row)
            return None
        row = row or self._claimed(connection, identity) or self._made(connection, identity, role)
        if row.disabled:
            raise Forbidden(f"The account {row.name} is disabled. An administrator can enable it.")
        return _with_role(connection, row, role or Role(row.role))

    def _role(self, identity: Identity) -> Role | None:
        theirs = (role for group, role in self._roles.items() if group in identity.groups)
        return next(theirs, self._roles.get(EVERYBODY))

    def _claimed(self, connection: Connection, identity: Identity) -> Row[Any] | None:
        """The account that waits for somebody of this name, linked to the subject now."""
        name = _name(identity)
        row = connection.execute(select(users).where(users.c.name == name)).one_or_none()
        if row is None:
            return None
        waits = (users.c.user_id == row.user_id, users.c.password_hash == NO_PASSWORD, users.c.subject.is_(None))
        link = update(users).where(*waits).values(issuer=identity.issuer, subject=identity.subject)
        linked = connection.execute(link.returning(users)).one_or_none()
        if linked is None:
            raise Forbidden(f"The name {name} belongs to an account with another way in. An administrator can help.")
        return linked

    def _made(self, connection: Connection, identity: Identity, role: Role | None) -> Row[Any]:
        if role is None or not self._new_users:
            raise Forbidden(f"There is no account called {_name(identity)}. An administrator can make one.")
        now = self._clock()
        values = {
            "user_id": time_ordered_id(now),
            "name": _name(identity),
            "role": str(role),
            "password_hash": NO_PASSWORD,
            "created_at": iso_utc(now),
            "issuer": identity.issuer,
            "subject": identity.subject,
        }
        return connection.execute(insert(users).values(values).returning(users)).one()


def _name(identity: Identity) -> str:
    try:
        return tidy_name(identity.name)
    except InputError as error:
        raise Forbidden(f"The identity provider gives a name that cannot be used: {error}") from error


def _with_role(connection: Connection, row: Row[Any], role: Role) -> User:
    if row.role == role:
        return user_of(row)
    _end_sessions(connection, row)
    change = update(users).where(users.c.user_id == row.user_id).values(role=str(role))
    return user_of(connection.execute(change.returning(users)).one())


def _end_sessions(connection: Connection, row: Row[Any] | None) -> None:
    if row is not None:
        connection.execute(delete(sessions).where(sessions.c.user_id == row.user_id))
