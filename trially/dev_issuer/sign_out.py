"""OpenID Connect RP-Initiated Logout 1.0, with Authlib's endpoint."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oidc.rpinitiated import EndSessionEndpoint, EndSessionRequest

from trially.dev_issuer.clients import Client

BAD_HINT = "The parameter id_token_hint is not an ID token of this issuer."


class SignOut(EndSessionEndpoint):  # type: ignore[misc]
    """Revokes the refresh tokens of the sign-in that an ID token belongs to.

    This issuer has no session of its own: each sign-in shows the login page.
    """

    def get_server_jwks(self) -> dict[str, Any]:
        """Return the issuer's keys. They verify ID tokens, also expired ones."""
        keys: dict[str, Any] = self.server.issuer.public_keys()
        return keys

    def get_algorithms(self) -> list[str]:
        """Return the algorithm of ID tokens."""
        return ["RS256"]

    def end_session(self, end_session_request: EndSessionRequest) -> None:
        """Revoke the refresh tokens, if the request has an ID token."""
        claims = end_session_request.id_token_claims
        if claims:
            self.server.refresh_tokens.end(claims["sid"])

    def _validate_id_token_hint(self, id_token_hint: str) -> dict[str, Any]:
        """Return the claims. An access token has the same signer and no `sid`."""
        try:
            claims: dict[str, Any] = super()._validate_id_token_hint(id_token_hint)
        except (InvalidRequestError, ValueError) as error:
            raise InvalidRequestError(BAD_HINT) from error
        if claims.get("iss") != self.server.issuer.url or not isinstance(claims.get("sid"), str):
            raise InvalidRequestError(BAD_HINT)
        return claims

    def _is_valid_post_logout_redirect_uri(
        self, client: Client, post_logout_redirect_uri: str
    ) -> bool:
        """Return whether the URI is allowed: the client registers a rule instead of a list."""
        return client.check_redirect_uri(post_logout_redirect_uri)
