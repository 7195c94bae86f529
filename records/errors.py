"""The one boundary where the database drivers' exceptions become Fairstall's."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from fairstall.model.errors import StoreUnavailable

# Locked, full, gone, failing or refusing. Every other database error is a bug of ours and keeps its traceback.
UNAVAILABLE: tuple[type[Exception], ...] = (
    exc.OperationalError,
    exc.InterfaceError,
    exc.InternalError,
    exc.DisconnectionError,
    exc.TimeoutError,
)
BROKEN_FILE = "DatabaseError"  # sqlite3's own name for "not a database" and "disk image is malformed"


@contextmanager
def store_errors() -> Iterator[None]:
    """Raise StoreUnavailable in place of whatever the database says when it cannot do its work."""
    try:
        yield
    except UNAVAILABLE as error:
        raise StoreUnavailable(_told(error)) from error
    except exc.DatabaseError as error:
        if type(error.orig).__name__ != BROKEN_FILE:
            raise
        raise StoreUnavailable(_told(error)) from error


def _told(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    said = str(cause).strip().partition("\n")[0] or type(cause).__name__
    return f"the database cannot do it now ({said}); nothing was stored, try again shortly"
