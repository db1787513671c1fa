"""Issuers that no tenant may register: those of operators, of trially itself, and of everybody."""

from collections.abc import Collection
from urllib.parse import urlsplit

from trially.auth.issuer_profile import IssuerProfile

BUILT_IN_PATH = "/dev-issuer"
"""The path of the built-in development issuer, whatever its port is."""

SHARED_HOSTS = frozenset(
    {
        "accounts.google.com",
        "appleid.apple.com",
        "github.com",
        "gitlab.com",
        "token.actions.githubusercontent.com",
        "www.facebook.com",
    }
)
SHARED_ISSUERS = tuple(
    f"https://login.microsoftonline.com/{name}"
    for name in ("common", "consumers", "organizations", "9188040d-6c67-4c5b-b112-36a304b66dad")
)
"""Issuers of everybody. The proof keeps them out too; the list says so in plain words at once."""


class ReservedIssuers:
    """The issuers that operators trust, and the host of this back end.

    `profiles` are those of tenants' tokens, `others` the issuers of other APIs.
    """

    def __init__(
        self, profiles: Collection[IssuerProfile], others: Collection[str], public_url: str
    ) -> None:
        people = [each for each in profiles if each.client_keys is None]
        self._issuers = {
            normal(name)
            for each in people
            for name in (each.issuer, each.recorded_as)
            if name is not None
        } | set(map(normal, others))
        self._prefixes = tuple(
            normal(each.issuer) for each in profiles if each.client_keys is not None
        )
        self._host = _authority(public_url)

    def why(self, issuer: str) -> str | None:
        """Return why no tenant may register an issuer, as a sentence; None if a tenant may."""
        name, host = normal(issuer), urlsplit(issuer).hostname or ""
        if name in self._issuers or name.startswith(self._prefixes):
            return "The operators of this service trust this issuer already."
        if _authority(issuer) == self._host or name.endswith(BUILT_IN_PATH):
            return "This is an issuer of trially itself."
        if host in SHARED_HOSTS or name.startswith(tuple(map(normal, SHARED_ISSUERS))):
            return "Everybody can sign in at this issuer. Register one of your organisation alone."
        return None


def normal(issuer: str) -> str:
    """Return one text for all spellings of an issuer that a browser would take for the same."""
    parts = urlsplit(issuer)
    return f"{_authority(issuer)}{parts.path.rstrip('/').lower()}"


def _authority(url: str) -> str:
    """Return scheme, host and port in lower case, without the scheme's own port."""
    parts = urlsplit(url)
    own = {"https": 443, "http": 80}.get(parts.scheme.lower())
    port = "" if parts.port in (None, own) else f":{parts.port}"
    return f"{parts.scheme.lower()}://{(parts.hostname or '').rstrip('.')}{port}"
