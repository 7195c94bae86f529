"""What the policies state for a listing, told with whatever keeps the listing from being answered."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from fairstall.model.errors import ServiceError
from fairstall.serving.reload import ModelInService

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


def stating(endpoint: Endpoint, model: ModelInService) -> Endpoint:
    """A scoring endpoint whose 503, and 429 of too much waiting, carry `on_timeout` of the policies in force.

    All of it is inside, from the look at the key on: whoever asked about a listing is told, wherever it ended.
    """

    @wraps(endpoint)
    async def stated(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ServiceError as error:
            error.on_timeout = model.batcher.assessor.policies.on_timeout
            raise

    return stated
