"""The people who may log in: creating, disabling, passwords and lockout. What a role allows is in `permissions`."""

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Engine, Row, case, delete, insert, literal_column, select, update
from sqlalchemy.exc import IntegrityError

from fairstall.labeling.lanes import SENIOR, SHARED, lane_of_person, lane_of_team
from fairstall.labeling.permissions import Role
from fairstall.model.errors import Conflict, InputError, NotFound, Overloaded, Unauthorized
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading, writing
from fairstall.records.tables import cases, sessions, users

MIN_PASSWORD_CHARACTERS = 10
MAX_PASSWORD_CHARACTERS = 1_000
FAILURES_BEFORE_LOCK = 8
LOCK = timedelta(minutes=15)

# argon2id takes 64 MiB and a core for each password; more at once would let strangers fill the memory.
PASSWORDS_AT_ONCE = 2
PASSWORD_WAIT_S = 5.0

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_REFUSED = (
    f"Name and password do not match. After {FAILURES_BEFORE_LOCK} failures an account is locked for "
    f"{LOCK.seconds // 60} minutes."
)


@dataclass(frozen=True, slots=True)
class User:
    user_id: str
    name: str
    role: Role
    teams: tuple[str, ...] = ()

    @property
    def actor(self) -> str:
        """How the ledger names this person."""
        return f"user:{self.name}"


@dataclass(frozen=True, slots=True)
class Account:
    """A user as an administrator sees him."""

    user: User
    created_at: str
    disabled: bool
    locked: bool


class Accounts:
    """The users table. Passwords are kept as argon2id (RFC 9106), never otherwise, and never logged."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime], *, hasher: PasswordHasher | None = None) -> None:
        self._engine = engine
        self._clock = clock
        self._hasher = hasher or PasswordHasher()
        self._turns = threading.BoundedSemaphore(PASSWORDS_AT_ONCE)

    def create(self, name: str, role: Role, password: str) -> User:
        """A new user. Raises InputError for a bad name or password and Conflict for a name that is taken."""
        name = tidy_name(name)
        check_password(password)
        now = self._clock()
        user = User(time_ordered_id(now), name, role)
        values = {
            "user_id": user.user_id,
            "name": name,
            "role": str(role),
            "password_hash": self._hasher.hash(password),
            "created_at": iso_utc(now),
        }
        try:
            with writing(self._engine) as connection:
                connection.execute(insert(users).values(values))
        except IntegrityError as error:
            raise Conflict(f"there is already a user called {name}") from error
        return user

    def all(self) -> list[Account]:
        """Every account, by name."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(users).order_by(users.c.name)).all()
        now = iso_utc(self._clock())
        return [Account(user_of(row), row.created_at, row.disabled, _locked(row, now)) for row in rows]

    def disable(self, name: str) -> None:
        """Shut an account and end its sessions; what was handed to it alone goes back to all. Raises NotFound."""
        self._change(name, disabled=True)

    def set_teams(self, name: str, teams: Sequence[str]) -> User:
        """Put a person into these teams and no other. Raises InputError for a bad name of a team, and NotFound."""
        tidy = tuple(dict.fromkeys(tidy_name(team) for team in teams))
        self._change(name, teams=list(tidy))
        row = self._find(name)
        assert row is not None
        return user_of(row)

    def enable(self, name: str) -> None:
        """Open a disabled or locked account again. Raises NotFound."""
        self._change(name, disabled=False, failed_logins=0, locked_until=None)

    def set_password(self, name: str, password: str) -> None:
        """Replace a password, lift a lock and end the user's sessions. Raises InputError or NotFound."""
        check_password(password)
        self._change(name, password_hash=self._hasher.hash(password), failed_logins=0, locked_until=None)

    def log_in(self, name: str, password: str) -> User:
        """The user with that name and password. Raises Unauthorized, in the same words whatever was wrong.

        An unknown, locked or disabled account costs the same work as any other, so that names cannot be guessed by
        the time it takes. Raises Overloaded when too many passwords are being checked.
        """
        row = self._find(name)
        now = iso_utc(self._clock())
        password_fits = self._verify(row.password_hash if row else self._nobody, password[:MAX_PASSWORD_CHARACTERS])
        if row is None or row.disabled or _locked(row, now):
            raise Unauthorized(_REFUSED)
        if not password_fits:
            self._count_failure(row.user_id)
            raise Unauthorized(_REFUSED)
        self._forget_failures(row, password)
        return user_of(row)

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash("a password that nobody has")

    def _find(self, name: str) -> Row[Any] | None:
        with reading(self._engine) as connection:
            return connection.execute(select(users).where(users.c.name == name.strip().casefold())).one_or_none()

    def _change(self, name: str, **values: object) -> None:
        with writing(self._engine) as connection:
            change = update(users).where(users.c.name == tidy_name(name)).values(values)
            user_id = connection.execute(change.returning(users.c.user_id)).scalar_one_or_none()
            if user_id is None:
                raise NotFound(f"there is no user called {name}")
            connection.execute(delete(sessions).where(sessions.c.user_id == user_id))
            _free_lanes_without_anybody(connection)

    def _verify(self, password_hash: str, password: str) -> bool:
        with self._turn():
            try:
                return self._hasher.verify(password_hash, password)
            except (VerificationError, InvalidHashError):
                return False

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=PASSWORD_WAIT_S):
            raise Overloaded("Too many people are logging in at once; try again shortly.")
        try:
            yield
        finally:
            self._turns.release()

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
        stale = self._hasher.check_needs_rehash(row.password_hash)
        if not (stale or row.failed_logins or row.locked_until):
            return
        password_hash = self._hasher.hash(password) if stale else row.password_hash
        change = update(users).where(users.c.user_id == row.user_id)
        with writing(self._engine) as connection:
            connection.execute(change.values(failed_logins=0, locked_until=None, password_hash=password_hash))


def user_of(row: Row[Any]) -> User:
    """The User in a row that has the columns of `users`."""
    return User(row.user_id, row.name, Role(row.role), tuple(row.teams))


def _free_lanes_without_anybody(connection: Connection) -> None:
    """Open cases that were given to a person or a team of whom nobody is left go back to everybody."""
    working = select(users.c.user_id, users.c.teams).where(users.c.disabled.is_(False))
    served = {SHARED, SENIOR}
    for user_id, teams in connection.execute(working):
        served |= {lane_of_person(user_id), *map(lane_of_team, teams)}
    left = update(cases).where(cases.c.state == literal_column("'open'"), cases.c.lane.not_in(served))
    connection.execute(left.values(lane=SHARED))


def _locked(row: Row[Any], now: str) -> bool:
    return row.locked_until is not None and row.locked_until > now


def tidy_name(name: str) -> str:
    """The one spelling of a user's name. Raises InputError."""
    tidy = name.strip().casefold()
    if not _NAME.fullmatch(tidy):
        raise InputError(f"{name!r} is no name for a person or a team: use 1 to 64 of a-z, 0-9, '.', '_' and '-'")
    return tidy


def check_password(password: str) -> None:
    """Raises InputError for a password that is too short or too long; it asks for nothing else (NIST SP 800-63B)."""
    if len(password) < MIN_PASSWORD_CHARACTERS:
        raise InputError(f"the password has {len(password)} characters and needs at least {MIN_PASSWORD_CHARACTERS}")
    if len(password) > MAX_PASSWORD_CHARACTERS:
        raise InputError(f"the password has more than {MAX_PASSWORD_CHARACTERS} characters")
