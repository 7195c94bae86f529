"""Identifiers that sort by the time they were made."""

import secrets
import uuid
from datetime import UTC, datetime


def time_ordered_id(now: datetime) -> str:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds since 1970, then 74 random bits."""
    return _identifier(now, secrets.randbits(74))


def earliest_id(moment: datetime) -> str:
    """The smallest identifier that can be made at `moment`: what was made before sorts below it, the rest does not."""
    return _identifier(moment, 0)


def moment_of(identifier: str) -> datetime:
    """The millisecond in which a time-ordered identifier was made, in UTC."""
    return datetime.fromtimestamp((uuid.UUID(identifier).int >> 80) / 1000, UTC)


def _identifier(now: datetime, random: int) -> str:
    milliseconds = int(now.timestamp() * 1000) & (2**48 - 1)
    value = milliseconds << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | (random & (2**62 - 1))
    digits = f"{value:032x}"  # as uuid.UUID writes them, in half the time
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
