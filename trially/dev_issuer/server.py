"""How the built-in issuer gives out tokens: Authlib's server and the two grants it allows."""

import secrets
import threading
import time
from dataclasses import dataclass
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Request
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant
from authlib.oauth2.rfc7636 import CodeChallenge

from trially.dev_issuer.clients import Client, find_client
from trially.dev_issuer.issuer import DevIssuer, Person

CODE_LIFETIME_SECONDS = 60
MAX_CODES = 1000


@dataclass(frozen=True)
class IssuedCode:
    """An authorization code, and all that it is bound to."""

    code: str
    client_id: str
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str
    code_challenge_method: str
    person: Person
    expires_at: float

    def get_redirect_uri(self) -> str:
        """Return where the code was sent."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Return what was asked for."""
        return self.scope


class IssuedCodes:
    """The codes that are still good. They live in one process, as this issuer does."""

    def __init__(self) -> None:
        self._codes: dict[str, IssuedCode] = {}
        self._lock = threading.Lock()

    def keep(self, code: IssuedCode) -> None:
        """Keep a code until it is taken, expires, or a thousand newer ones have come."""
        with self._lock:
            while len(self._codes) >= MAX_CODES:
                self._codes.pop(next(iter(self._codes)))
            self._codes[code.code] = code

    def take(self, code: str, client_id: str) -> IssuedCode | None:
        """Return the code if it is good, and never again, whatever becomes of the attempt."""
        with self._lock:
            issued = self._codes.pop(code, None)
        if issued is None or issued.client_id != client_id or issued.expires_at <= time.time():
            return None
        return issued


# Authlib carries no types, so its classes are Any to mypy and its names of settings are its own.
class DevServer(AuthorizationServer):  # type: ignore[misc]
    """An authorization server that signs with the issuer's key and remembers only codes."""

    def __init__(self, issuer: DevIssuer) -> None:
        super().__init__()
        self.issuer = issuer
        self.codes = IssuedCodes()
        self.register_grant(_CodeGrant, [_S256Challenge(required=True)])
        self.register_grant(_MachineGrant)

    def query_client(self, client_id: str) -> Client | None:
        """Return the client of this id."""
        return find_client(client_id)

    def generate_token(
        self, client: Client, user: Person | None = None, scope: str | None = None, **_: Any
    ) -> dict[str, Any]:
        """Return what the token endpoint answers: a person's token, or the machine's own."""
        scope = client.get_allowed_scope(scope)
        access_token = self.issuer.issue_token(
            subject=user.subject if user else client.client_id,
            tenant=user.tenant if user else client.tenant,
            client_id=client.client_id,
            scope=scope,
        )
        return {
            "token_type": "Bearer",
            "access_token": access_token,
            "expires_in": self.issuer.lifetime_seconds,
            "scope": scope,
        }

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """Keep nothing: a signed token needs no memory of it."""


class _CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    """The code flow of a public client: no secret, so the code verifier is the proof."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["none"]  # noqa: RUF012

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        """Keep a code, bound to whom and to what it was issued."""
        asked = request.payload.data
        self.server.codes.keep(
            IssuedCode(
                code=code,
                client_id=request.client.client_id,
                redirect_uri=asked["redirect_uri"],
                scope=request.scope,
                nonce=asked.get("nonce"),
                code_challenge=asked["code_challenge"],
                code_challenge_method=asked["code_challenge_method"],
                person=request.user,
                expires_at=time.time() + CODE_LIFETIME_SECONDS,
            )
        )

    def query_authorization_code(self, code: str, client: Client) -> IssuedCode | None:
        """Take a code out of those kept, so that two requests never share one."""
        issued: IssuedCode | None = self.server.codes.take(code, client.client_id)
        return issued

    def delete_authorization_code(self, authorization_code: IssuedCode) -> None:
        """Do nothing: the code is already taken."""

    def authenticate_user(self, authorization_code: IssuedCode) -> Person:
        """Return whom the code is for."""
        return authorization_code.person

    def generate_authorization_code(self) -> str:
        """Return an unguessable code."""
        return secrets.token_urlsafe(32)

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Add an ID token where the client asked who signed in."""
        status, token, headers = super().create_token_response()
        issued = self.request.authorization_code
        if "openid" in issued.scope.split():
            token["id_token"] = self.server.issuer.issue_id_token(
                issued.person, client_id=issued.client_id, nonce=issued.nonce
            )
        return status, token, headers


class _MachineGrant(ClientCredentialsGrant):  # type: ignore[misc]
    """The grant of a machine that shows its secret."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]  # noqa: RUF012


class _S256Challenge(CodeChallenge):  # type: ignore[misc]
    """PKCE with SHA-256 from the first request on; Authlib alone would also take `plain`."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012

    def validate_code_challenge(self, grant: AuthorizationCodeGrant, redirect_uri: str) -> None:
        """Refuse a login that no code verifier will prove."""
        if grant.request.payload.data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with S256 is required.")
        super().validate_code_challenge(grant, redirect_uri)
