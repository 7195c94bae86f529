"""Identifiers that sort by the time they were made."""

import secrets
import uuid
from datetime import datetime


def time_ordered_id(now: datetime) -> str:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds since 1970, then 74 random bits."""
    milliseconds = int(now.timestamp() * 1000) & (2**48 - 1)
    random = secrets.randbits(74)
    value = milliseconds << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | (random & (2**62 - 1))
    return str(uuid.UUID(int=value))
