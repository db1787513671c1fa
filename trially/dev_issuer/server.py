"""Issue tokens with Authlib's authorization server and the grants of the two kinds of client."""

import secrets
import time
from collections.abc import Callable
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, OAuth2Request
from authlib.oauth2.rfc6749.grants import (
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    RefreshTokenGrant,
)
from authlib.oauth2.rfc7636 import CodeChallenge
from flask import Response, request

from trially.dev_issuer.clients import (
    NO_SECRET,
    PUBLIC_METHODS,
    SECRET_METHODS,
    Client,
    find_client,
)
from trially.dev_issuer.issuer import DevIssuer
from trially.dev_issuer.people import Person
from trially.dev_issuer.refusal_log import record_refusal
from trially.dev_issuer.sign_ins import (
    CODE_LIFETIME_SECONDS,
    REFRESH_LIFETIME_SECONDS,
    IssuedCode,
    IssuedCodes,
    RefreshTokens,
    SignIn,
)
from trially.dev_issuer.sign_out import SignOut

USED_CODE = (
    "The code is unknown, has been used, was issued to another client, or is older than"
    f" {CODE_LIFETIME_SECONDS} seconds. Start the sign-in again."
)
USED_REFRESH_TOKEN = (
    "The refresh token is unknown, has been used, or is older than"
    f" {REFRESH_LIFETIME_SECONDS // 86_400} days; or the issuer was restarted. Each refresh token"
    " is valid once, and using it again revokes its successors. Start the sign-in again."
)
NO_MEMBER = "The person is no longer a member of the tenant."


# Authlib has no type hints, so its classes are Any to mypy, and its attribute names are its own.
class DevServer(AuthorizationServer):  # type: ignore[misc]
    """An authorization server that signs with the issuer's key.

    It stores unused codes and refresh tokens, and no access tokens.
    """

    def __init__(self, issuer: DevIssuer) -> None:
        super().__init__()
        self.issuer = issuer
        self.codes = IssuedCodes()
        self.refresh_tokens = RefreshTokens()
        self.register_client_auth_method("basic_without_secret", _authenticate_without_secret)
        self.register_grant(_CodeGrant, [_S256Challenge(required=True)])
        self.register_grant(_RefreshGrant)
        self.register_grant(_MachineGrant)
        self.register_endpoint(SignOut)

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

    def handle_error_response(self, request: OAuth2Request | None, error: OAuth2Error) -> Response:
        """Send an error to the client. All refusals come here, ours and Authlib's."""
        record_refusal(error.error, error.description)
        response: Response = super().handle_error_response(request, error)
        return response

    def id_token(self, sign_in: SignIn, person: Person, nonce: str | None) -> dict[str, str]:
        """Return the member `id_token` of a response, if the scope contains `openid`."""
        if "openid" not in sign_in.scope.split():
            return {}
        return {"id_token": self.issuer.issue_id_token(sign_in, person, nonce=nonce)}


class _CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    """The code flow of a public client. It has no secret, so PKCE authenticates it."""

    TOKEN_ENDPOINT_AUTH_METHODS = PUBLIC_METHODS

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        """Store a code, bound to the person and the request that it was issued for."""
        parameters, now = request.payload.data, time.time()
        self.server.codes.store(
            IssuedCode(
                code=code,
                redirect_uri=parameters["redirect_uri"],
                nonce=parameters.get("nonce"),
                code_challenge=parameters["code_challenge"],
                code_challenge_method=parameters["code_challenge_method"],
                sign_in=SignIn(
                    client_id=request.client.client_id,
                    scope=request.client.get_allowed_scope(request.scope),
                    person=request.user,
                    auth_time=int(now),
                ),
                expires_at=now + CODE_LIFETIME_SECONDS,
            )
        )

    def query_authorization_code(self, code: str, client: Client) -> IssuedCode:
        """Take a code out of the store, so that two requests cannot use it."""
        issued: IssuedCode | None = self.server.codes.take(code, client.client_id)
        if issued is None:
            raise InvalidGrantError(USED_CODE)
        return issued

    def delete_authorization_code(self, authorization_code: IssuedCode) -> None:
        """Do nothing, because the code is already taken."""

    def authenticate_user(self, authorization_code: IssuedCode) -> Person:
        """Return the person that the code is for."""
        return authorization_code.sign_in.person

    def generate_authorization_code(self) -> str:
        """Return an unguessable code."""
        return secrets.token_urlsafe(32)

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Return the response, with the other tokens that the scope contains."""
        status, token, headers = super().create_token_response()
        issued: IssuedCode = self.request.authorization_code
        token |= self.server.id_token(issued.sign_in, issued.sign_in.person, issued.nonce)
        if "offline_access" in issued.sign_in.scope.split():
            token["refresh_token"] = self.server.refresh_tokens.issue(issued.sign_in)
        return status, token, headers


class _RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]
    """The exchange of a refresh token for an access token and the next refresh token."""

    TOKEN_ENDPOINT_AUTH_METHODS = PUBLIC_METHODS

    def authenticate_refresh_token(self, refresh_token: str) -> SignIn:
        """Return the sign-in that a valid refresh token belongs to."""
        sign_in: SignIn | None = self.server.refresh_tokens.find(refresh_token)
        if sign_in is None:
            raise InvalidGrantError(USED_REFRESH_TOKEN)
        return sign_in

    def authenticate_user(self, refresh_token: SignIn) -> Person:
        """Return the person as a member of today, who may have another name or role."""
        signed_in = refresh_token.person
        person: Person | None = self.server.issuer.people.find(signed_in.subject, signed_in.tenant)
        if person is None:
            self.server.refresh_tokens.end(refresh_token.session_id)
            raise InvalidGrantError(NO_MEMBER)
        return person

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Return the response, with the next refresh token."""
        status, token, headers = super().create_token_response()
        following = self.server.refresh_tokens.rotate(self.request.form["refresh_token"])
        if following is None:
            raise InvalidGrantError(USED_REFRESH_TOKEN)
        sign_in: SignIn = self.request.refresh_token
        token |= self.server.id_token(sign_in, self.request.user, None)
        return status, {**token, "refresh_token": following}, headers

    def revoke_old_credential(self, refresh_token: SignIn) -> None:
        """Do nothing, because the rotation replaces the refresh token."""


class _MachineGrant(ClientCredentialsGrant):  # type: ignore[misc]
    """The grant of a machine client, which authenticates with its secret."""

    TOKEN_ENDPOINT_AUTH_METHODS = SECRET_METHODS


def _authenticate_without_secret(
    query_client: Callable[[str], Client | None], asked: OAuth2Request
) -> Client | None:
    """Return the client of an HTTP Basic header without a secret, or None."""
    authorization = request.authorization
    if authorization is None or authorization.type != "basic":
        return None
    has_secret = authorization.password not in NO_SECRET or asked.form.get("client_secret")
    return None if has_secret else query_client(authorization.username or "")


class _S256Challenge(CodeChallenge):  # type: ignore[misc]
    """PKCE with S256, required at `/authorize`. Authlib alone would also accept `plain`."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012

    def validate_code_challenge(self, grant: AuthorizationCodeGrant, redirect_uri: str) -> None:
        """Raise `InvalidRequestError` for a request without an S256 challenge."""
        if grant.request.payload.data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with S256 is required.")
        super().validate_code_challenge(grant, redirect_uri)
