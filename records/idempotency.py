"""Answers kept under a caller's idempotency key, so that a repeated request is answered as the first one was.

After the IETF draft "The Idempotency-Key HTTP Header Field"; keys are apart for each API key and live for a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import cast

from sqlalchemy import Connection, Insert, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from fairstall.model.wire import iso_utc
from fairstall.records.tables import idempotency_keys

KEPT_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class KeyedAnswer:
    """`answer` is what was answered, byte for byte, to the request whose SHA-256 is `request_digest`."""

    api_key_id: str
    key: str
    request_digest: str
    answer: bytes
    stored_at: datetime

    @property
    def identity(self) -> tuple[str, str]:
        return self.api_key_id, self.key


def find_answer(connection: Connection, *, api_key_id: str, key: str, now: datetime) -> KeyedAnswer | None:
    """The answer kept under `key`, or None when there is none or it is older than a day."""
    table = idempotency_keys.c
    row = connection.execute(
        select(table.request_digest, table.answer, table.stored_at).where(
            table.api_key_id == api_key_id, table.idempotency_key == key, table.stored_at > iso_utc(now - KEPT_FOR)
        )
    ).one_or_none()
    if row is None:
        return None
    return KeyedAnswer(api_key_id, key, row.request_digest, row.answer, datetime.fromisoformat(row.stored_at))


def keep_answers(connection: Connection, answers: Sequence[KeyedAnswer]) -> set[tuple[str, str]]:
    """Keep each answer whose key is still free; the identities of those that were kept."""
    if not answers:
        return set()
    expired = iso_utc(max(one.stored_at for one in answers) - KEPT_FOR)
    connection.execute(delete(idempotency_keys).where(idempotency_keys.c.stored_at <= expired))
    rows = [
        {
            "api_key_id": one.api_key_id,
            "idempotency_key": one.key,
            "request_digest": one.request_digest,
            "answer": one.answer,
            "stored_at": iso_utc(one.stored_at),
        }
        for one in sorted(answers, key=lambda one: one.identity)
    ]
    kept = connection.execute(
        insert_new(connection, idempotency_keys)
        .values(rows)
        .returning(idempotency_keys.c.api_key_id, idempotency_keys.c.idempotency_key)
    )
    return {cast(tuple[str, str], tuple(row)) for row in kept}


def insert_new(connection: Connection, table: Table) -> Insert:
    """INSERT that leaves rows alone whose key is already there."""
    return _insert_new(connection.dialect.name, table)


@cache
def _insert_new(dialect: str, table: Table) -> Insert:
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()
