"""Months as the archive counts them: in UTC, written as in 2026-01."""

from datetime import UTC, datetime

from fairstall.model.errors import InputError
from fairstall.model.identifiers import earliest_id, moment_of


def month_of(decision_id: str) -> str:
    """The month of a decision, by its id; its reviews belong to it whenever they were made."""
    return f"{moment_of(decision_id):%Y-%m}"


def month_start(month: str) -> datetime:
    """The first moment of a month. Raises InputError."""
    try:
        return datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    except ValueError as error:
        raise InputError(f"{month!r} is no month: write it as in 2026-01") from error


def months_before(moment: datetime, months: int) -> datetime:
    """The first moment of the month that lies so many months before that of `moment`; after it with a negative one."""
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


def ids_of(month: str) -> tuple[str, str]:
    """The smallest id that a decision of the month can have, and the smallest of the next."""
    start = month_start(month)
    return earliest_id(start), earliest_id(months_before(start, -1))
