"""The people who may log in: creating, disabling, roles, passwords and lockout.

What a role allows is in `permissions`; people whom an identity provider vouches for log in by `single_sign_on`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import Connection, Engine, Row, case, delete, insert, literal_column, select, update
from sqlalchemy.exc import IntegrityError

from fairstall.labeling.lanes import SENIOR, SHARED, lane_of_person, lane_of_team
from fairstall.labeling.passwords import NO_PASSWORD, Passwords, check_password, one_time_password
from fairstall.labeling.permissions import Role
from fairstall.model.errors import Conflict, InputError, NotFound, Unauthorized
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading, writing
from fairstall.records.tables import cases, sessions, users

FAILURES_BEFORE_LOCK = 8
LOCK = timedelta(minutes=15)
ONE_TIME = timedelta(days=3)

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
_REFUSED = (
    f"Name and password do not match. After {FAILURES_BEFORE_LOCK} failures an account is locked for "
    f"{LOCK.seconds // 60} minutes."
)


@dataclass(frozen=True, slots=True)
class User:
    """`one_time` has logged in with a password that is to be replaced; `single_sign_on` has none here."""

    user_id: str
    name: str
    role: Role
    teams: tuple[str, ...] = ()
    one_time: bool = False
    single_sign_on: bool = False

    @property
    def actor(self) -> str:
        """How the ledger names this person."""
        return f"user:{self.name}"


@dataclass(frozen=True, slots=True)
class Account:
    """A user as an administrator sees him. `linked`: an identity provider has vouched for him already."""

    user: User
    created_at: datetime
    disabled: bool
    locked: bool
    one_time_until: datetime | None = None
    linked: bool = False


@dataclass(frozen=True, slots=True)
class Invitation:
    """A password for a first log in, which nobody can read again."""

    name: str
    password: str
    until: datetime


class Accounts:
    """The users table. Passwords are kept as argon2id, never otherwise, and never logged.

    Whatever changes an account ends its sessions.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime], *, hasher: PasswordHasher | None = None) -> None:
        self._engine = engine
        self._clock = clock
        self._passwords = Passwords(hasher)

    def create(self, name: str, role: Role, password: str) -> User:
        """A new user. Raises InputError for a bad name or password and Conflict for a name that is taken."""
        name = tidy_name(name)
        check_password(password)
        return self._insert(name, role, password_hash=self._passwords.hash(password))

    def invite(self, name: str, role: Role) -> Invitation:
        """A new user with a one-time password. Raises as `create` does."""
        name, invitation = tidy_name(name), self._invitation(name)
        self._insert(name, role, **self._one_time(invitation))
        return invitation

    def admit(self, name: str, role: Role) -> User:
        """A new user without a password, whom the identity provider vouches for. Raises as `create` does."""
        return self._insert(tidy_name(name), role, password_hash=NO_PASSWORD)

    def all(self) -> list[Account]:
        """Every account, by name."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(users).order_by(users.c.name)).all()
        return [self._account(row) for row in rows]

    def get(self, name: str) -> Account:
        """The account with that name. Raises NotFound."""
        row = self._find(name)
        if row is None:
            raise NotFound(f"there is no user called {name[:64]}")
        return self._account(row)

    def disable(self, name: str) -> None:
        """Shut an account; what was handed to it alone goes back to all.

        Raises NotFound, and Conflict for the last administrator.
        """
        self._change(name, {"disabled": True}, keeps_admin=False)

    def set_teams(self, name: str, teams: Sequence[str]) -> User:
        """Put a person into these teams and no other. Raises InputError for a bad name of a team, and NotFound."""
        tidy = tuple(dict.fromkeys(tidy_name(team) for team in teams))
        self._change(name, {"teams": list(tidy)})
        row = self._find(name)
        assert row is not None
        return user_of(row)

    def enable(self, name: str) -> None:
        """Open a disabled or locked account again. Raises NotFound."""
        self._change(name, {"disabled": False, "failed_logins": 0, "locked_until": None})

    def set_role(self, name: str, role: Role) -> None:
        """Give somebody another role. Raises NotFound, and Conflict for the last administrator."""
        self._change(name, {"role": str(role)}, keeps_admin=role is Role.ADMIN)

    def set_password(self, name: str, password: str) -> None:
        """Replace a password, or single sign-on, and lift a lock. Raises InputError or NotFound."""
        check_password(password)
        self._change(name, _chosen(self._passwords.hash(password)))

    def reset_password(self, name: str) -> Invitation:
        """A one-time password in the place of the password or of single sign-on. Raises NotFound."""
        invitation = self._invitation(name)
        self._change(name, self._one_time(invitation))
        return invitation

    def change_password(self, user: User, present: str, new: str) -> User:
        """Replace one's own password. Raises InputError; a wrong present one counts as a failure to log in."""
        check_password(new)
        if new == present:
            raise InputError("the new password is the present one")
        self.log_in(user.name, present)
        self._change(user.name, _chosen(self._passwords.hash(new)))
        return self.get(user.name).user

    def use_single_sign_on(self, name: str) -> None:
        """Take the password away, and the link to the identity provider: the next log in by it makes a new one.

        Raises NotFound.
        """
        self._change(name, _chosen(NO_PASSWORD))

    def log_in(self, name: str, password: str) -> User:
        """The user with that name and password. Raises Unauthorized, in the same words whatever was wrong.

        An unknown, locked or disabled account costs the same work as any other, so that names cannot be guessed by
        the time it takes. Raises Overloaded when too many passwords are being checked.
        """
        row = self._find(name)
        now = iso_utc(self._clock())
        password_fits = self._passwords.fits(row.password_hash if row else None, password)
        if row is None or row.disabled or _locked(row, now):
            raise Unauthorized(_REFUSED)
        if not password_fits or _ran_out(row, now):
            self._count_failure(row.user_id)
            raise Unauthorized(_REFUSED)
        self._forget_failures(row, password)
        return user_of(row)

    def _insert(self, name: str, role: Role, **values: object) -> User:
        now = self._clock()
        user_id = time_ordered_id(now)
        new = {"user_id": user_id, "name": name, "role": str(role), "created_at": iso_utc(now)} | values
        try:
            with writing(self._engine) as connection:
                return user_of(connection.execute(insert(users).values(new).returning(users)).one())
        except IntegrityError as error:
            raise Conflict(f"there is already a user called {name}") from error

    def _invitation(self, name: str) -> Invitation:
        return Invitation(name, one_time_password(), self._clock() + ONE_TIME)

    def _one_time(self, invitation: Invitation) -> dict[str, object]:
        chosen = _chosen(self._passwords.hash(invitation.password))
        return chosen | {"one_time_until": iso_utc(invitation.until)}

    def _account(self, row: Row[Any]) -> Account:
        return Account(
            user=user_of(row),
            created_at=datetime.fromisoformat(row.created_at),
            disabled=row.disabled,
            locked=_locked(row, iso_utc(self._clock())),
            one_time_until=datetime.fromisoformat(row.one_time_until) if row.one_time_until else None,
            linked=row.subject is not None,
        )

    def _find(self, name: str) -> Row[Any] | None:
        with reading(self._engine) as connection:
            return connection.execute(select(users).where(users.c.name == name.strip().casefold())).one_or_none()

    def _change(self, name: str, values: Mapping[str, object], *, keeps_admin: bool = True) -> None:
        with writing(self._engine) as connection:
            if not keeps_admin:
                _check_another_admin(connection, name)
            change = update(users).where(users.c.name == tidy_name(name)).values(values)
            user_id = connection.execute(change.returning(users.c.user_id)).scalar_one_or_none()
            if user_id is None:
                raise NotFound(f"there is no user called {name}")
            connection.execute(delete(sessions).where(sessions.c.user_id == user_id))
            _free_lanes_without_anybody(connection)

    def _count_failure(self, user_id: str) -> None:
        lock_end = iso_utc(self._clock() + LOCK)
        failures = users.c.failed_logins + 1
        locks = failures >= FAILURES_BEFORE_LOCK
        change = update(users).where(users.c.user_id == user_id)
        with writing(self._engine) as connection:
            connection.execute(
                change.values(
                    failed_logins=case((locks, 0), else_=failures),
                    locked_until=case((locks, lock_end), else_=users.c.locked_until),
                )
            )

    def _forget_failures(self, row: Row[Any], password: str) -> None:
        stale = self._passwords.is_stale(row.password_hash)
        if not (stale or row.failed_logins or row.locked_until):
            return
        password_hash = self._passwords.hash(password) if stale else row.password_hash
        change = update(users).where(users.c.user_id == row.user_id)
        with writing(self._engine) as connection:
            connection.execute(change.values(failed_logins=0, locked_until=None, password_hash=password_hash))


def user_of(row: Row[Any]) -> User:
    """The User in a row that has the columns of `users`."""
    once, elsewhere = row.one_time_until is not None, row.password_hash == NO_PASSWORD
    teams = tuple(row.teams)
    return User(row.user_id, row.name, Role(row.role), teams, one_time=once, single_sign_on=elsewhere)


def _free_lanes_without_anybody(connection: Connection) -> None:
    """Open cases that were given to a person or a team of whom nobody is left go back to everybody."""
    working = select(users.c.user_id, users.c.teams).where(users.c.disabled.is_(False))
    served = {SHARED, SENIOR}
    for user_id, teams in connection.execute(working):
        served |= {lane_of_person(user_id), *map(lane_of_team, teams)}
    left = update(cases).where(cases.c.state == literal_column("'open'"), cases.c.lane.not_in(served))
    connection.execute(left.values(lane=SHARED))


def tidy_name(name: str) -> str:
    """The one spelling of a user's name. Raises InputError."""
    tidy = name.strip().casefold()
    if not _NAME.fullmatch(tidy):
        raise InputError(f"{name[:80]!r} is no name for a person or a team: use 1 to 64 of a-z, 0-9 and . _ - @ +")
    return tidy


def _chosen(password_hash: str) -> dict[str, object]:
    return {
        "password_hash": password_hash,
        "one_time_until": None,
        "issuer": None,
        "subject": None,
        "failed_logins": 0,
        "locked_until": None,
    }


def _locked(row: Row[Any], now: str) -> bool:
    return row.locked_until is not None and row.locked_until > now


def _ran_out(row: Row[Any], now: str) -> bool:
    return row.one_time_until is not None and row.one_time_until <= now


def _check_another_admin(connection: Connection, name: str) -> None:
    """Raises Conflict when nobody else administers; whoever checks at the same time waits for this transaction."""
    admins = select(users.c.name).where(users.c.role == str(Role.ADMIN), users.c.disabled.is_(False))
    names = connection.execute(admins.order_by(users.c.user_id).with_for_update()).scalars().all()
    if names == [tidy_name(name)]:
        raise Conflict(f"{name} is the last administrator: make somebody else one first")
