"""In whose words an error is told: the address decides, since each protocol has addresses of its own."""

from collections.abc import Callable, Mapping

from starlette.responses import Response

from fairstall.serving import inference, moderations
from fairstall.serving.problems import problem_response

DIALECTS: Mapping[str, Callable[[BaseException], Response]] = {
    "/v1/moderations": moderations.error_response,
    "/v2": inference.error_response,
}


def error_response(path: str, error: BaseException, *, request_id: str) -> Response:
    """The answer for an error at that address: problem JSON everywhere but at the addresses of another protocol."""
    for root, tell in DIALECTS.items():
        if f"{path}/".startswith(f"{root}/"):
            return tell(error)
    return problem_response(error, request_id=request_id)
