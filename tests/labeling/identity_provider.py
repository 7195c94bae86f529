"""A small provider of OpenID Connect that runs as a process of its own: `python identity_provider.py` prints its port.

It does what the specifications ask of it: codes that are good once, PKCE, client authentication, signed ID tokens. What
it does wrong, a test asks for at `/control`.
"""

import base64
import hashlib
import secrets
import socket
import sys
import time
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID = "fairstall"
CLIENT_SECRET = "a secret, known to two"
PEOPLE = {
    "mira": {"sub": "1001", "preferred_username": "Mira", "email": "mira@market.example", "groups": ["moderators"]},
    "boss": {"sub": "1002", "preferred_username": "boss", "groups": ["staff", "fairstall-admins", "moderators"]},
    "guest": {"sub": "1003", "preferred_username": "guest", "groups": ["cooks"]},
}


@dataclass
class Code:
    """What the provider remembers between the redirect and the token request."""

    claims: dict[str, Any]
    nonce: str
    challenge: str
    redirect_uri: str


@dataclass
class State:
    issuer: str
    keys: list[RSAKey]
    codes: dict[str, Code] = field(default_factory=dict)
    access: dict[str, dict[str, Any]] = field(default_factory=dict)
    people: dict[str, dict[str, Any]] = field(default_factory=lambda: PEOPLE)
    wrong: dict[str, Any] = field(default_factory=dict)


def new_key() -> RSAKey:
    return RSAKey.generate_key(2048, auto_kid=True)


def create_provider(issuer: str) -> Starlette:
    state = State(issuer, [new_key()])
    endpoints = {
        "/.well-known/openid-configuration": (discovery, "GET"),
        "/jwks": (jwks, "GET"),
        "/authorize": (authorize, "GET"),
        "/authorized": (authorized, "POST"),
        "/token": (token, "POST"),
        "/userinfo": (userinfo, "GET"),
        "/logout": (logout, "GET"),
        "/control": (control, "POST"),
    }
    app = Starlette(routes=[Route(path, answer, methods=[method]) for path, (answer, method) in endpoints.items()])
    app.state.provider = state
    return app


def state_of(request: Request) -> State:
    return request.app.state.provider


async def discovery(request: Request) -> Response:
    state = state_of(request)
    issuer = state.issuer
    found = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "end_session_endpoint": f"{issuer}/logout",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": [state.wrong.get("asks_for", "client_secret_basic")],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }
    return JSONResponse(found | state.wrong.get("discovery", {}))


async def jwks(request: Request) -> Response:
    return JSONResponse(KeySet(list(state_of(request).keys)).as_dict(private=False))


async def authorize(request: Request) -> Response:
    """The provider's own log-in page."""
    asked = request.query_params
    if asked["client_id"] != CLIENT_ID or asked["response_type"] != "code" or asked["code_challenge_method"] != "S256":
        return Response("no such client", 400)
    kept = "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in asked.items())
    return HTMLResponse(
        "<!doctype html><title>Identity provider</title><h1>Who are you?</h1>"
        f'<form method="post" action="/authorized">{kept}<input name="who" aria-label="Who" autofocus>'
        "<button>Log in</button></form>"
    )


async def authorized(request: Request) -> Response:
    state = state_of(request)
    asked = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
    answer = {"state": asked["state"], "iss": state.wrong.get("answer_iss", state.issuer)}
    if asked.get("who") not in state.people:
        answer["error"] = "access_denied"
    else:
        answer["code"] = secrets.token_urlsafe(16)
        claims = state.people[asked["who"]]
        state.codes[answer["code"]] = Code(claims, asked["nonce"], asked["code_challenge"], asked["redirect_uri"])
    return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 303)


async def token(request: Request) -> Response:
    state = state_of(request)
    if state.wrong.get("token_answer"):
        return Response(state.wrong["token_answer"], state.wrong.get("token_status", 200))
    sent = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
    if not knows_client(state.wrong.get("asks_for", "client_secret_basic"), request, sent):
        return JSONResponse({"error": "invalid_client"}, 401)
    code = state.codes.pop(sent.get("code", ""), None)
    if code is None or code.redirect_uri != sent.get("redirect_uri") or challenge(sent) != code.challenge:
        return JSONResponse({"error": "invalid_grant"}, 400)
    access = secrets.token_urlsafe(16)
    state.access[access] = code.claims
    answer = {"access_token": access, "token_type": "Bearer", "expires_in": 60, "id_token": id_token(state, code)}
    return JSONResponse(answer)


def knows_client(method: str, request: Request, sent: dict[str, str]) -> bool:
    if method == "client_secret_basic":
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        return request.headers.get("authorization") == f"Basic {expected}"
    proof = {"client_secret_post": CLIENT_SECRET, "none": None}[method]
    return (sent.get("client_id"), sent.get("client_secret")) == (CLIENT_ID, proof)


def challenge(sent: dict[str, str]) -> str:
    digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def id_token(state: State, code: Code) -> str:
    now = int(time.time()) + state.wrong.get("clock_ahead_s", 0)
    claims = {"iss": state.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": code.nonce}
    kept_back = state.wrong.get("only_in_userinfo", [])
    told = {name: value for name, value in code.claims.items() if name not in kept_back}
    claims = {
        name: value for name, value in (claims | told | state.wrong.get("claims", {})).items() if value is not None
    }
    return signed(state, claims)


def signed(state: State, claims: dict[str, Any]) -> str:
    key = state.keys[-1]
    match state.wrong.get("signed"):
        case "by another key":
            return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, new_key())
        case "by the client's secret":
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(CLIENT_SECRET), algorithms=["HS256"])
        case "by nobody":
            return jwt.encode({"alg": "none"}, claims, OctKey.import_key(CLIENT_SECRET), algorithms=["none"])
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


async def userinfo(request: Request) -> Response:
    state = state_of(request)
    claims = state.access[request.headers["authorization"].removeprefix("Bearer ")]
    return JSONResponse(claims | state.wrong.get("userinfo", {}))


async def logout(request: Request) -> Response:
    return HTMLResponse(f"<!doctype html><h1>Logged out of {escape(request.query_params['client_id'])}</h1>")


async def control(request: Request) -> Response:
    """What a test wants to be wrong from now on, who there is beside the usual people, and whether the keys change."""
    state, wanted = state_of(request), await request.json()
    state.wrong = wanted.get("wrong", {})
    state.people = PEOPLE | wanted.get("people", {})
    if wanted.get("new_keys"):
        state.keys = [new_key()]
    return JSONResponse({})


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    app = create_provider(f"http://localhost:{port}")
    uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")).run(sockets=[listener])


if __name__ == "__main__":
    main()
