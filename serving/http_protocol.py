"""HTTP/1.1 as uvicorn speaks it, but for the answer to what is no HTTP: no app ever sees that."""

import logging
import secrets

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from fairstall.serving.problems import Malformed, problem_response
from fairstall.serving.shell import dress

log = logging.getLogger("fairstall.serving")


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    def send_400_response(self, msg: str) -> None:
        """Answer with a problem, as every other error is answered, and close."""
        request_id = secrets.token_hex(16)
        log.info("request", extra={"facts": {"request_id": request_id, "route": "other", "status": 400}})
        response = problem_response(Malformed("request", msg), request_id=request_id)
        dress(response.headers, request_id)
        response.headers["Connection"] = "close"
        head = [*self.server_state.default_headers, *response.raw_headers]
        lines = b"".join(b"%s: %s\r\n" % line for line in head)
        self.transport.write(STATUS_LINE[400] + lines + b"\r\n" + bytes(response.body))
        self.transport.close()
