"""The clients of the built-in issuer: the web app, and one machine client per tenant."""

import re
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import ClientMixin

from trially.config import LOOPBACK_HOSTS

WEB_CLIENT_ID = "web"
MACHINE_PREFIX = "svc-"
MACHINE_SECRET = "dev-secret"  # noqa: S105  public, so the issuer serves loopback only
NO_SECRET = ("", "undefined")
"""Passwords of HTTP Basic that mean no secret. Auth.js sends `undefined` if it is given none."""

SECRET_METHODS = ("client_secret_basic", "client_secret_post")
PUBLIC_METHODS = ("none", "basic_without_secret")
SCOPES = ("openid", "profile", "email", "offline_access")
WEB_GRANTS = ("authorization_code", "refresh_token")
MACHINE_GRANTS = ("client_credentials",)

_MACHINE_ID = re.compile(MACHINE_PREFIX + r"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)")


@dataclass(frozen=True)
class Client(ClientMixin):  # type: ignore[misc]
    """A client, with the methods that Authlib calls."""

    client_id: str
    tenant: str | None = None
    """The slug of a machine client's tenant. None for the web app."""

    @property
    def grant_types(self) -> tuple[str, ...]:
        """The grants that the client may use at the token endpoint."""
        return WEB_GRANTS if self.is_public else MACHINE_GRANTS

    @property
    def is_public(self) -> bool:
        """Whether this is the web app, which cannot keep a secret."""
        return self.tenant is None

    def check_grant_type(self, grant_type: str) -> bool:
        """Return whether the client may use this grant."""
        return grant_type in self.grant_types

    def check_response_type(self, response_type: str) -> bool:
        """Return whether the client may request this response type at `/authorize`."""
        return response_type == "code" and self.is_public

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        """Return whether the client authenticates so."""
        return method in (PUBLIC_METHODS if self.is_public else SECRET_METHODS)

    def check_client_secret(self, client_secret: str) -> bool:
        """Return whether this is the secret of machine clients."""
        return not self.is_public and secrets.compare_digest(
            client_secret.encode(), MACHINE_SECRET.encode()
        )

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Return whether a browser may be sent to this URI with a code, or after a sign-out."""
        return self.is_public and is_loopback_uri(redirect_uri)

    def get_default_redirect_uri(self) -> None:
        """Return None, because a request must have its redirect URI."""

    def get_allowed_scope(self, scope: str | None) -> str:
        """Return the requested scopes that the issuer supports."""
        return " ".join(name for name in (scope or "").split() if name in SCOPES)


def is_loopback_uri(uri: str) -> bool:
    """Return whether a URI is of a web app on this machine: http, with any port and path."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "http"
        and parts.hostname in LOOPBACK_HOSTS
        and "@" not in parts.netloc
        and "#" not in uri
        # At a backslash, browsers end the host and urlsplit does not.
        and "\\" not in uri
        and uri.isprintable()
    )


def find_client(client_id: str) -> Client | None:
    """Return the client with this id, or None."""
    if client_id == WEB_CLIENT_ID:
        return Client(client_id)
    machine = _MACHINE_ID.fullmatch(client_id)
    return Client(client_id, machine[1]) if machine else None
