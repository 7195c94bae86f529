"""The Python client of the scoring API, for the services that upload listings: `Fairstall`, and `AsyncFairstall`.

It imports httpx and the standard library, and nothing of the server that it talks to. The folder is `serving/client`.
"""

from importlib.util import find_spec

from fairstall.model.errors import MissingExtra

if find_spec("httpx") is None:
    raise MissingExtra("fairstall.client", "client")

from fairstall.client.answers import (
    Decision,
    Evidence,
    Finding,
    Health,
    OnTimeout,
    Outcome,
    Policies,
    Policy,
    Readiness,
    Resemblance,
    StoredDecision,
    Versions,
)
from fairstall.client.calls import ListingFields, PriceFields
from fairstall.client.errors import (
    BadAnswer,
    BadRequest,
    ClientError,
    Conflict,
    Failed,
    FieldProblem,
    Forbidden,
    InvalidListing,
    KeyReused,
    Misconfigured,
    NotFound,
    Overloaded,
    TimedOut,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from fairstall.client.retries import Retries
from fairstall.client.shells import AsyncFairstall, Fairstall

__all__ = [
    "AsyncFairstall",
    "BadAnswer",
    "BadRequest",
    "ClientError",
    "Conflict",
    "Decision",
    "Evidence",
    "Failed",
    "Fairstall",
    "FieldProblem",
    "Finding",
    "Forbidden",
    "Health",
    "InvalidListing",
    "KeyReused",
    "ListingFields",
    "Misconfigured",
    "NotFound",
    "OnTimeout",
    "Outcome",
    "Overloaded",
    "Policies",
    "Policy",
    "PriceFields",
    "Readiness",
    "Resemblance",
    "Retries",
    "StoredDecision",
    "TimedOut",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
    "Versions",
]
