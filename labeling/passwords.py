"""Passwords: what one must look like, hashing and checking with argon2id (RFC 9106). Whose they are is `accounts`'."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from fairstall.model.errors import InputError, Overloaded

MIN_PASSWORD_CHARACTERS = 10
MAX_PASSWORD_CHARACTERS = 1_000
ONE_TIME_BYTES = 12

# argon2id takes 64 MiB and a core for each password; more at once would let strangers fill the memory.
PASSWORDS_AT_ONCE = 2
PASSWORD_WAIT_S = 5.0

NO_PASSWORD = ""  # in the place of a hash, for somebody whom an identity provider vouches for


class Passwords:
    """Makes and checks hashes, a few at a time."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = threading.BoundedSemaphore(PASSWORDS_AT_ONCE)

    def hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def fits(self, password_hash: str | None, password: str) -> bool:
        """Whether a password is the one behind a hash; without a hash it costs the same work, and never is.

        Raises Overloaded when too many are being checked.
        """
        with self._turn():
            try:
                return self._hasher.verify(password_hash or self._nobodys, password[:MAX_PASSWORD_CHARACTERS])
            except (VerificationError, InvalidHashError):
                return False

    def is_stale(self, password_hash: str) -> bool:
        """Whether a hash was made at another cost than new ones."""
        return self._hasher.check_needs_rehash(password_hash)

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(secrets.token_urlsafe())

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=PASSWORD_WAIT_S):
            raise Overloaded("Too many people are logging in at once; try again shortly.")
        try:
            yield
        finally:
            self._turns.release()


def check_password(password: str) -> None:
    """Raises InputError for a password that is too short or too long; it asks for nothing else (NIST SP 800-63B)."""
    if len(password) < MIN_PASSWORD_CHARACTERS:
        raise InputError(f"the password has {len(password)} characters and needs at least {MIN_PASSWORD_CHARACTERS}")
    if len(password) > MAX_PASSWORD_CHARACTERS:
        raise InputError(f"the password has more than {MAX_PASSWORD_CHARACTERS} characters")


def one_time_password() -> str:
    """96 random bits, to be replaced at the first log in."""
    return secrets.token_urlsafe(ONE_TIME_BYTES)
