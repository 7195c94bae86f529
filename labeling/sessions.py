"""Who is logged in: random tokens in a cookie, only their digests in the database. Cookies themselves are `web`'s."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, insert, select

from fairstall.labeling.accounts import User, user_of
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading, writing
from fairstall.records.tables import sessions, users

TOKEN_BYTES = 32
SESSION = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Session:
    user: User
    csrf_token: str

    def accepts(self, csrf_token: str) -> bool:
        """Whether a form or a request of this session carries its token."""
        return hmac.compare_digest(self.csrf_token.encode(), csrf_token.encode())


class Sessions:
    """The sessions table. A session ends after twelve hours, at log out, and when its user is disabled."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def open(self, user: User) -> str:
        """The token of a new session, 256 random bits; expired sessions are cleared away."""
        token, now = secrets.token_urlsafe(TOKEN_BYTES), self._clock()
        values = {
            "digest": _digest(token),
            "user_id": user.user_id,
            "csrf_token": secrets.token_urlsafe(TOKEN_BYTES),
            "created_at": iso_utc(now),
            "expires_at": iso_utc(now + SESSION),
        }
        with writing(self._engine) as connection:
            connection.execute(delete(sessions).where(sessions.c.expires_at <= iso_utc(now)))
            connection.execute(insert(sessions).values(values))
        return token

    def find(self, token: str) -> Session | None:
        """The live session of a token, or None."""
        live = (
            select(users, sessions.c.csrf_token)
            .join(sessions, sessions.c.user_id == users.c.user_id)
            .where(sessions.c.digest == _digest(token))
            .where(sessions.c.expires_at > iso_utc(self._clock()))
            .where(users.c.disabled.is_(False))
        )
        with reading(self._engine) as connection:
            row = connection.execute(live).one_or_none()
        return Session(user_of(row), row.csrf_token) if row else None

    def close(self, token: str) -> None:
        with writing(self._engine) as connection:
            connection.execute(delete(sessions).where(sessions.c.digest == _digest(token)))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
