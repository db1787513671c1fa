"""The clients the built-in issuer knows: the web app, and one machine for each tenant."""

import re
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import ClientMixin

from trially.config import LOOPBACK_HOSTS

WEB_CLIENT_ID = "web"
MACHINE_SECRET = "dev-secret"  # noqa: S105  known to all, which is why this stays on loopback
SCOPES = ("openid", "profile", "email")

_MACHINE_ID = re.compile(r"svc-([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)")


@dataclass(frozen=True)
class Client(ClientMixin):  # type: ignore[misc]
    """A client as Authlib asks about it."""

    client_id: str
    grant_type: str
    tenant: str | None = None

    def check_grant_type(self, grant_type: str) -> bool:
        """Tell whether this is the one way in which the client gets tokens."""
        return grant_type == self.grant_type

    def check_response_type(self, response_type: str) -> bool:
        """Tell whether the client may ask for this on the login page."""
        return response_type == "code" and self.grant_type == "authorization_code"

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        """Tell whether the client proves itself in this way: the web app cannot keep a secret."""
        return (method == "none") == (self.client_id == WEB_CLIENT_ID)

    def check_client_secret(self, client_secret: str) -> bool:
        """Tell whether this is the machines' secret."""
        return self.client_id != WEB_CLIENT_ID and secrets.compare_digest(
            client_secret.encode(), MACHINE_SECRET.encode()
        )

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Tell whether a code may be sent here: any port and path of this machine."""
        try:
            parts = urlsplit(redirect_uri)
        except ValueError:
            return False
        return (
            parts.scheme == "http"
            and parts.hostname in LOOPBACK_HOSTS
            and "@" not in parts.netloc
            and not parts.fragment
            # Browsers and urlsplit disagree about where a host ends at a backslash.
            and "\\" not in redirect_uri
            and redirect_uri.isprintable()
        )

    def get_default_redirect_uri(self) -> None:
        """Return nothing: the redirect URI must always be given."""

    def get_allowed_scope(self, scope: str | None) -> str:
        """Return the scopes that mean something here."""
        return " ".join(name for name in (scope or "").split() if name in SCOPES)


def find_client(client_id: str) -> Client | None:
    """Return the client of this id."""
    if client_id == WEB_CLIENT_ID:
        return Client(client_id, "authorization_code")
    machine = _MACHINE_ID.fullmatch(client_id)
    return Client(client_id, "client_credentials", machine[1]) if machine else None
