"""Who is logged in: random tokens in a cookie, only their digests in the database. Cookies themselves are `web`'s."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, and_, delete, func, insert, or_, select, update

from fairstall.labeling.accounts import User, user_of
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading, writing
from fairstall.records.tables import sessions, users

TOKEN_BYTES = 32
RENEWED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session lasts, and how long without a request."""

    longest: timedelta = timedelta(hours=12)
    idle: timedelta = timedelta(hours=1)


DEFAULT_LIMITS = SessionLimits()


@dataclass(frozen=True, slots=True)
class Session:
    """A live session. `digest` tells it from others, and is no secret; `browser` is where it was begun."""

    user: User
    csrf_token: str = field(repr=False)
    digest: str
    created_at: datetime
    seen_at: datetime
    browser: str

    def accepts(self, csrf_token: str) -> bool:
        """Whether a form or a request of this session carries its token."""
        return hmac.compare_digest(self.csrf_token.encode(), csrf_token.encode())


@dataclass(frozen=True, slots=True)
class Presence:
    """How many live sessions somebody has, and when one of them was last used."""

    sessions: int
    seen_at: datetime


class Sessions:
    """The sessions table. A session ends at its limits, at log out, and with every change of its user's account."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime], limits: SessionLimits = DEFAULT_LIMITS) -> None:
        self._engine = engine
        self._clock = clock
        self.limits = limits

    def open(self, user: User, browser: str = "") -> str:
        """The token of a new session, 256 random bits; sessions that ended are cleared away."""
        token, now = secrets.token_urlsafe(TOKEN_BYTES), self._clock()
        values = {
            "digest": _digest(token),
            "user_id": user.user_id,
            "csrf_token": secrets.token_urlsafe(TOKEN_BYTES),
            "created_at": iso_utc(now),
            "seen_at": iso_utc(now),
            "expires_at": iso_utc(now + self.limits.longest),
            "browser": browser,
        }
        ended = or_(sessions.c.expires_at <= iso_utc(now), sessions.c.seen_at <= iso_utc(now - self.limits.idle))
        with writing(self._engine) as connection:
            connection.execute(delete(sessions).where(ended))
            connection.execute(insert(sessions).values(values))
        return token

    def find(self, token: str) -> Session | None:
        """The live session of a token, or None."""
        found = self._read(sessions.c.digest == _digest(token))
        return found[0] if found else None

    def renew(self, session: Session) -> None:
        """Count a request against the idle limit, to the minute, so that most requests write nothing."""
        now = self._clock()
        if now - session.seen_at >= RENEWED_EVERY:
            seen = update(sessions).where(sessions.c.digest == session.digest).values(seen_at=iso_utc(now))
            with writing(self._engine) as connection:
                connection.execute(seen)

    def of(self, user: User) -> list[Session]:
        """The live sessions of somebody, the one used last first."""
        return self._read(sessions.c.user_id == user.user_id)

    def presence(self) -> dict[str, Presence]:
        """Who is logged in, by user id."""
        columns = (sessions.c.user_id, func.count(), func.max(sessions.c.seen_at))
        query = select(*columns).where(self._live()).group_by(sessions.c.user_id)
        with reading(self._engine) as connection:
            return {
                user_id: Presence(count, datetime.fromisoformat(seen))
                for user_id, count, seen in connection.execute(query)
            }

    def close(self, token: str) -> None:
        self._delete(sessions.c.digest == _digest(token))

    def end(self, user: User, digest: str) -> None:
        """End one session of somebody."""
        self._delete(and_(sessions.c.user_id == user.user_id, sessions.c.digest == digest))

    def end_all(self, user: User, *, but: str | None = None) -> None:
        """End the sessions of somebody, except for the one with the digest `but`."""
        self._delete(and_(sessions.c.user_id == user.user_id, sessions.c.digest != (but or "")))

    def _read(self, which: ColumnElement[bool]) -> list[Session]:
        query = (
            select(users, sessions.c.digest, sessions.c.csrf_token, sessions.c.seen_at, sessions.c.browser)
            .add_columns(sessions.c.created_at.label("begun_at"))
            .join(sessions, sessions.c.user_id == users.c.user_id)
            .where(which, self._live(), users.c.disabled.is_(False))
            .order_by(sessions.c.seen_at.desc())
        )
        with reading(self._engine) as connection:
            return [_session(row) for row in connection.execute(query)]

    def _live(self) -> ColumnElement[bool]:
        now = self._clock()
        return and_(sessions.c.expires_at > iso_utc(now), sessions.c.seen_at > iso_utc(now - self.limits.idle))

    def _delete(self, which: ColumnElement[bool]) -> None:
        with writing(self._engine) as connection:
            connection.execute(delete(sessions).where(which))


def _session(row: Row[Any]) -> Session:
    return Session(
        user=user_of(row),
        csrf_token=row.csrf_token,
        digest=row.digest,
        created_at=datetime.fromisoformat(row.begun_at),
        seen_at=datetime.fromisoformat(row.seen_at),
        browser=row.browser,
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
