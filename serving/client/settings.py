"""Where the service is and who asks: given by the caller, or read from the environment when a client is made."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fairstall.client.errors import Misconfigured

URL_VARIABLE = "FAIRSTALL_URL"
KEY_VARIABLE = "FAIRSTALL_KEY"


@dataclass(frozen=True, slots=True)
class Access:
    """The address of the service and the key, which no representation shows."""

    url: str
    key: str = field(repr=False)


def find_access(url: str | None, key: str | None) -> Access:
    """What was given, or else what the environment says. Raises Misconfigured; the key itself is never repeated."""
    url = (url or os.environ.get(URL_VARIABLE, "")).strip()
    key = (key or os.environ.get(KEY_VARIABLE, "")).strip()
    if not url:
        raise Misconfigured(f"no address: give one, or set {URL_VARIABLE}")
    if not _is_address(url):
        raise Misconfigured("the address is not one like https://fairstall.example.org")
    if not key:
        raise Misconfigured(f"no key: give one, or set {KEY_VARIABLE}; `fairstall key create` makes one")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise Misconfigured("the key has characters that no key has")
    return Access(url, key)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        return False
