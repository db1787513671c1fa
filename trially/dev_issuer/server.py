"""Issue tokens with Authlib's authorization server and its two allowed grants."""

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
    """An authorization code and the request that it is bound to."""

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
        """Return the redirect URI that the code was sent to."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Return the requested scope."""
        return self.scope


class IssuedCodes:
    """The unused codes. They are in the memory of one process, as this issuer is."""

    def __init__(self) -> None:
        self._codes: dict[str, IssuedCode] = {}
        self._lock = threading.Lock()

    def store(self, code: IssuedCode) -> None:
        """Store a code until it is taken, or until `MAX_CODES` newer codes are stored."""
        with self._lock:
            while len(self._codes) >= MAX_CODES:
                self._codes.pop(next(iter(self._codes)))
            self._codes[code.code] = code

    def take(self, code: str, client_id: str) -> IssuedCode | None:
        """Return a valid code, or None. In any case the code cannot be taken again."""
        with self._lock:
            issued = self._codes.pop(code, None)
        if issued is None or issued.client_id != client_id or issued.expires_at <= time.time():
            return None
        return issued


# Authlib has no type hints, so its classes are Any to mypy, and its attribute names are its own.
class DevServer(AuthorizationServer):  # type: ignore[misc]
    """An authorization server that signs with the issuer's key and stores only codes."""

    def __init__(self, issuer: DevIssuer) -> None:
        super().__init__()
        self.issuer = issuer
        self.codes = IssuedCodes()
        self.register_grant(_CodeGrant, [_S256Challenge(required=True)])
        self.register_grant(_MachineGrant)

    def query_client(self, client_id: str) -> Client | None:
        """Return the client with this id, or None."""
        return find_client(client_id)

    def generate_token(
        self, client: Client, user: Person | None = None, scope: str | None = None, **_: Any
    ) -> dict[str, Any]:
        """Return the token endpoint's response: a token of `user`, or of the machine client."""
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
        """Store nothing, because a signed token is verified without the issuer."""


class _CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    """The code flow of a public client. It has no secret, so PKCE authenticates it."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["none"]  # noqa: RUF012

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        """Store a code, bound to the person and the request that it was issued for."""
        parameters = request.payload.data
        self.server.codes.store(
            IssuedCode(
                code=code,
                client_id=request.client.client_id,
                redirect_uri=parameters["redirect_uri"],
                scope=request.scope,
                nonce=parameters.get("nonce"),
                code_challenge=parameters["code_challenge"],
                code_challenge_method=parameters["code_challenge_method"],
                person=request.user,
                expires_at=time.time() + CODE_LIFETIME_SECONDS,
            )
        )

    def query_authorization_code(self, code: str, client: Client) -> IssuedCode | None:
        """Take a code out of the store, so that two requests cannot use it."""
        issued: IssuedCode | None = self.server.codes.take(code, client.client_id)
        return issued

    def delete_authorization_code(self, authorization_code: IssuedCode) -> None:
        """Do nothing, because the code is already taken."""

    def authenticate_user(self, authorization_code: IssuedCode) -> Person:
        """Return the person that the code is for."""
        return authorization_code.person

    def generate_authorization_code(self) -> str:
        """Return an unguessable code."""
        return secrets.token_urlsafe(32)

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Return the response, with an ID token if the scope contains `openid`."""
        status, token, headers = super().create_token_response()
        issued = self.request.authorization_code
        if "openid" in issued.scope.split():
            token["id_token"] = self.server.issuer.issue_id_token(
                issued.person, client_id=issued.client_id, nonce=issued.nonce
            )
        return status, token, headers


class _MachineGrant(ClientCredentialsGrant):  # type: ignore[misc]
    """The grant of a machine client, which authenticates with its secret."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]  # noqa: RUF012


class _S256Challenge(CodeChallenge):  # type: ignore[misc]
    """PKCE with S256, required at `/authorize`. Authlib alone would also accept `plain`."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012

    def validate_code_challenge(self, grant: AuthorizationCodeGrant, redirect_uri: str) -> None:
        """Raise `InvalidRequestError` for a request without an S256 challenge."""
        if grant.request.payload.data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with S256 is required.")
        super().validate_code_challenge(grant, redirect_uri)
