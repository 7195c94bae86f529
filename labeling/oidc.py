"""OpenID Connect (authorization code flow, PKCE): what the identity provider is asked, and what its answer must hold.

Authlib speaks the protocol and joserfc checks signatures; their errors and the network's end here. Whose account an
identity opens is `single_sign_on`'s business.
"""

import hmac
import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from fairstall.labeling.oidc_settings import OidcSettings, is_safe
from fairstall.labeling.single_sign_on import Identity
from fairstall.model.errors import Forbidden, Overloaded, ServiceError

TIMEOUT_S = 5.0
CLOCK_SKEW_S = 60
METADATA_KEPT = timedelta(hours=1)
LOGINS_AT_ONCE = 8
SECRET_BYTES = 32

# Keys of the provider alone: a token that the client's secret signs could be made by whoever has that.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one log in has to come back with. It stays in the browser that began it, out of reach for scripts."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> "Attempt":
        return cls(*(secrets.token_urlsafe(SECRET_BYTES) for _ in range(3)))

    @classmethod
    def from_cookie(cls, cookie: str | None) -> "Attempt | None":
        parts = (cookie or "").split(".")
        return cls(*parts) if len(parts) == 3 and all(parts) else None

    def cookie(self) -> str:
        return f"{self.state}.{self.nonce}.{self.verifier}"

    def began(self, state: str) -> bool:
        return hmac.compare_digest(self.state.encode(), state.encode())


@dataclass(frozen=True, slots=True)
class Metadata:
    """Where the provider answers (OpenID Connect Discovery 1.0), and its keys."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    names_issuer: bool
    takes_basic: bool
    read_at: datetime


class Provider:
    """One identity provider. What it says of itself is read at the first log in and once an hour."""

    def __init__(self, settings: OidcSettings, clock: Callable[[], datetime]) -> None:
        self.settings = settings
        self._clock = clock
        self._metadata: Metadata | None = None
        self._keys: KeySet | None = None
        self._tls = httpx2.create_ssl_context()
        self._turns = threading.BoundedSemaphore(LOGINS_AT_ONCE)

    def address(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where to send the browser. Raises ServiceError when the provider does not answer."""
        with self._asking() as client:
            metadata = self._known(client)
            url, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                redirect_uri=redirect_uri,
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
            )
            return str(url)

    def identity(self, attempt: Attempt, answer: Mapping[str, str], redirect_uri: str) -> Identity:
        """Who came back from the provider with `answer`, the query of its redirect.

        Raises Forbidden when anything in it does not hold, and ServiceError when the provider does not answer.
        """
        if not attempt.began(answer.get("state", "")):
            raise Forbidden("This log in was begun elsewhere, or too long ago. Begin again.")
        with self._asking() as client:
            metadata = self._known(client)
            if answer.get("iss", "" if metadata.names_issuer else self.settings.issuer) != self.settings.issuer:
                raise Forbidden("The answer comes from another identity provider (RFC 9207).")
            if "code" not in answer:
                raise Forbidden(f"The identity provider did not log you in: {answer.get('error', 'no code')[:80]}.")
            client.token_endpoint_auth_method = self._client_authentication(metadata)
            tokens = client.fetch_token(
                metadata.token_endpoint,
                grant_type="authorization_code",
                code=answer["code"],
                redirect_uri=redirect_uri,
                code_verifier=attempt.verifier,
            )
            claims = self._checked(client, tokens, attempt.nonce)
            return self._identity(self._completed(client, metadata, claims))

    def log_out_address(self, back_to: str) -> str | None:
        """Where the browser ends its session at the provider (RP-Initiated Logout 1.0); None where it cannot."""
        with self._asking() as client:
            endpoint = self._known(client).end_session_endpoint
        asked = urlencode({"client_id": self.settings.client_id, "post_logout_redirect_uri": back_to})
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{asked}" if endpoint else None

    @contextmanager
    def _asking(self) -> Iterator[OAuth2Client]:
        """A client for one log in, and the one boundary where what goes wrong with it becomes Fairstall's errors."""
        if not self._turns.acquire(timeout=TIMEOUT_S):
            raise Overloaded("Too many people are logging in at once; try again shortly.")
        try:
            with self._client() as client:
                yield client
        except AuthlibBaseError as error:
            raise Forbidden(self._told(f"refused this log in ({error.error})", error)) from error
        except JoseError as error:
            raise Forbidden(self._told(f"sent an ID token that does not hold ({error})", error)) from error
        except httpx2.HTTPError as error:
            raise ServiceError(self._told("cannot be reached, or fails", error)) from error
        except (KeyError, TypeError, ValueError) as error:
            raise ServiceError(self._told("sent something that cannot be read", error)) from error
        finally:
            self._turns.release()

    def _told(self, what: str, error: Exception) -> str:
        log.warning("the identity provider %s %s: %r", self.settings.issuer, what, error)
        return f"The identity provider {what}. Try again; if it stays so, tell an administrator."

    def _client(self) -> OAuth2Client:
        return OAuth2Client(
            self.settings.client_id,
            self.settings.client_secret,
            scope=" ".join(self.settings.scopes),
            code_challenge_method="S256",
            verify=self._tls,
            timeout=TIMEOUT_S,
            leeway=0,  # the access token is used at once, however short its life
        )

    def _known(self, client: OAuth2Client) -> Metadata:
        now = self._clock()
        if self._metadata is None or now - self._metadata.read_at >= METADATA_KEPT:
            url = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            self._metadata, self._keys = self._metadata_of(_get(client, url), now), None
        return self._metadata

    def _metadata_of(self, found: Mapping[str, Any], now: datetime) -> Metadata:
        if found["issuer"] != self.settings.issuer:
            raise ValueError(f"it says that its issuer is {found['issuer']!r}")
        return Metadata(
            authorization_endpoint=_endpoint(found, "authorization_endpoint"),
            token_endpoint=_endpoint(found, "token_endpoint"),
            jwks_uri=_endpoint(found, "jwks_uri"),
            userinfo_endpoint=_endpoint(found, "userinfo_endpoint") if "userinfo_endpoint" in found else None,
            end_session_endpoint=_endpoint(found, "end_session_endpoint") if "end_session_endpoint" in found else None,
            names_issuer=bool(found.get("authorization_response_iss_parameter_supported")),
            takes_basic="client_secret_basic"
            in found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]),
            read_at=now,
        )

    def _client_authentication(self, metadata: Metadata) -> str:
        if not self.settings.client_secret:
            return "none"
        return "client_secret_basic" if metadata.takes_basic else "client_secret_post"

    def _checked(self, client: OAuth2Client, tokens: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """The claims of the ID token, when signature, issuer, audience, times and nonce hold (Core 1.0, 3.1.3.7)."""
        token = self._verified(client, tokens["id_token"])
        claims = CodeIDToken(
            token.claims,
            token.header,
            {
                "iss": {"essential": True, "value": self.settings.issuer},
                "aud": {"essential": True, "value": self.settings.client_id},
            },
            {"nonce": nonce, "client_id": self.settings.client_id, "access_token": tokens.get("access_token")},
        )
        claims.validate(now=int(self._clock().timestamp()), leeway=CLOCK_SKEW_S)
        return dict(claims)

    def _verified(self, client: OAuth2Client, id_token: str) -> jwt.Token:
        """The token, by the keys that are known, or by new ones when the provider has changed them."""
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        if known := self._keys:
            try:
                return jwt.decode(id_token, known, registry=registry)
            except (InvalidKeyIdError, BadSignatureError):
                log.info("the identity provider has other keys now")
        new = KeySet.import_key_set(_get(client, self._known(client).jwks_uri))  # type: ignore[arg-type]
        self._keys = new
        return jwt.decode(id_token, new, registry=registry)

    def _completed(self, client: OAuth2Client, metadata: Metadata, claims: dict[str, Any]) -> dict[str, Any]:
        """With what only the user info endpoint tells, where a claim is missing."""
        wanted = {self.settings.name_claim}
        wanted |= {self.settings.role_claim} if self.settings.roles else set()
        wanted |= {"email_verified"} if self.settings.name_claim == "email" else set()
        if wanted <= claims.keys() or metadata.userinfo_endpoint is None:
            return claims
        told = _get(client, metadata.userinfo_endpoint, withhold_token=False)
        if told["sub"] != claims["sub"]:
            raise Forbidden("The identity provider tells of somebody else than it logged in.")
        return {**told, **claims}

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        name = claims.get(self.settings.name_claim)
        if not isinstance(name, str):
            raise Forbidden(f"The identity provider does not tell your name: it sends no {self.settings.name_claim!r}.")
        if self.settings.name_claim == "email" and claims.get("email_verified") is not True:
            raise Forbidden("The identity provider has not verified your email address, by which you are known here.")
        groups = claims.get(self.settings.role_claim) or []
        return Identity(
            issuer=self.settings.issuer,
            subject=claims["sub"],
            name=name,
            groups=frozenset([groups] if isinstance(groups, str) else map(str, groups)),
        )


def _get(client: OAuth2Client, url: str, *, withhold_token: bool = True) -> dict[str, Any]:
    """A JSON object of the provider's. Raises httpx2.HTTPError, or ValueError for something else."""
    response = client.request("GET", url, withhold_token=withhold_token)
    response.raise_for_status()
    found = response.json()
    if not isinstance(found, dict):
        raise ValueError(f"{url} is no JSON object")
    return found


def _endpoint(found: Mapping[str, Any], name: str) -> str:
    url = str(found[name])
    if not is_safe(url):
        raise ValueError(f"its {name} {url} is no https address")
    return url
