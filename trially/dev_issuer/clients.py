"""The clients of the built-in issuer: the web app, and one machine client per tenant."""

import re
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import ClientMixin

from trially.config import LOOPBACK_HOSTS

WEB_CLIENT_ID = "web"
MACHINE_SECRET = "dev-secret"  # noqa: S105  public, so the issuer serves loopback only
SCOPES = ("openid", "profile", "email")

_MACHINE_ID = re.compile(r"svc-([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)")


@dataclass(frozen=True)
class Client(ClientMixin):  # type: ignore[misc]
    """A client, with the methods that Authlib calls."""

    client_id: str
    grant_type: str
    tenant: str | None = None

    def check_grant_type(self, grant_type: str) -> bool:
        """Return whether this is the client's grant type. Each client has one."""
        return grant_type == self.grant_type

    def check_response_type(self, response_type: str) -> bool:
        """Return whether the client may request this response type at `/authorize`."""
        return response_type == "code" and self.grant_type == "authorization_code"

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        """Return whether the client authenticates so. The web app cannot keep a secret."""
        return (method == "none") == (self.client_id == WEB_CLIENT_ID)

    def check_client_secret(self, client_secret: str) -> bool:
        """Return whether this is the secret of machine clients."""
        return self.client_id != WEB_CLIENT_ID and secrets.compare_digest(
            client_secret.encode(), MACHINE_SECRET.encode()
        )

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Return whether a code may be sent to this URI: any port and path on loopback."""
        try:
            parts = urlsplit(redirect_uri)
        except ValueError:
            return False
        return (
            parts.scheme == "http"
            and parts.hostname in LOOPBACK_HOSTS
            and "@" not in parts.netloc
            and not parts.fragment
            # At a backslash, browsers end the host and urlsplit does not.
            and "\\" not in redirect_uri
            and redirect_uri.isprintable()
        )

    def get_default_redirect_uri(self) -> None:
        """Return None, because a request must have its redirect URI."""

    def get_allowed_scope(self, scope: str | None) -> str:
        """Return the requested scopes that the issuer supports."""
        return " ".join(name for name in (scope or "").split() if name in SCOPES)


def find_client(client_id: str) -> Client | None:
    """Return the client with this id, or None."""
    if client_id == WEB_CLIENT_ID:
        return Client(client_id, "authorization_code")
    machine = _MACHINE_ID.fullmatch(client_id)
    return Client(client_id, "client_credentials", machine[1]) if machine else None
