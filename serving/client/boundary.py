"""Where httpx begins: our requests become its own, and its answers and every one of its exceptions become ours."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from fairstall.client.calls import REQUEST_ID
from fairstall.client.errors import BadAnswer, ClientError, Misconfigured, Reply, TimedOut, Unreachable
from fairstall.client.retries import Send
from fairstall.client.settings import Access
from fairstall.model.release import release_version

# The service gives up on a listing after 5 seconds; reading waits for that, and for the store.
TIMEOUTS = httpx.Timeout(connect=2.0, write=5.0, read=10.0, pool=5.0)
# Idle connections are given up before the service closes them, which it does after 75 seconds.
LIMITS = httpx.Limits(max_connections=50, max_keepalive_connections=20, keepalive_expiry=30.0)
SHORTEST_WAIT_S = 0.001  # zero would mean not to wait at all, which is another error than too late

FOREIGN: Mapping[type[Exception], type[ClientError]] = {
    httpx.TimeoutException: TimedOut,
    httpx.NetworkError: Unreachable,
    httpx.RemoteProtocolError: Unreachable,
    httpx.ProxyError: Unreachable,
    httpx.LocalProtocolError: Misconfigured,
    httpx.UnsupportedProtocol: Misconfigured,
    httpx.InvalidURL: Misconfigured,
    httpx.DecodingError: BadAnswer,
    httpx.TooManyRedirects: BadAnswer,
    httpx.HTTPStatusError: BadAnswer,
    httpx.CookieConflict: BadAnswer,
    httpx.StreamError: BadAnswer,
    httpx.HTTPError: ClientError,  # what a later httpx may add
}
FOREIGN_ERRORS = tuple(FOREIGN)


class TimeLeft(Mapping[str, float]):
    """The timeouts of a request, each cut to what is left of the whole call at the moment when that wait begins.

    httpx hands its `timeout` extension on as it is, and each wait (pool, connect, write, read) looks itself up in it.
    """

    def __init__(self, timeouts: httpx.Timeout, left_s: Callable[[], float]) -> None:
        self._waits = timeouts.as_dict()
        self._left_s = left_s

    def __getitem__(self, name: str) -> float:
        wait = self._waits[name]
        left = max(self._left_s(), SHORTEST_WAIT_S)
        return left if wait is None else min(wait, left)

    def __iter__(self) -> Iterator[str]:
        return iter(self._waits)

    def __len__(self) -> int:
        return len(self._waits)


def translated(error: Exception) -> ClientError:
    """httpx's exception as ours, with the original as its cause. Its words are left there: they can hold headers."""
    kind = next(FOREIGN[cls] for cls in type(error).__mro__ if cls in FOREIGN)
    found = kind(f"{(kind.__doc__ or '').strip()} httpx says {type(error).__name__}.")
    found.__cause__ = error
    return found


def client_options(access: Access, timeouts: httpx.Timeout, limits: httpx.Limits) -> dict[str, Any]:
    """What both of httpx's clients are made with. Raises Misconfigured."""
    agent = f"fairstall-client/{release_version()} httpx/{httpx.__version__}"
    headers = {"Authorization": f"Bearer {access.key}", "User-Agent": agent, "Accept": "application/json"}
    try:
        address = httpx.URL(access.url)
    except httpx.InvalidURL as error:
        raise translated(error) from error
    return {"base_url": address, "headers": headers, "timeout": timeouts, "limits": limits}


def request_of(http: httpx.Client | httpx.AsyncClient, send: Send) -> httpx.Request:
    call, waits = send.call, {"timeout": TimeLeft(http.timeout, send.left_s)}
    return http.build_request(call.method, call.path, content=call.content, headers=call.headers(), extensions=waits)


def reply_of(response: httpx.Response, send: Send) -> Reply:
    request_id = response.headers.get(REQUEST_ID, send.call.request_id)
    return Reply(response.status_code, dict(response.headers), response.content, request_id)
