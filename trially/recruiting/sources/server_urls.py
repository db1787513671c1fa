"""Base URLs of FHIR servers."""

from urllib.parse import urlsplit


class ServerUrlError(ValueError):
    """A text is no base URL of a FHIR server."""


def canonical_base(url: str) -> str:
    """Return the one spelling of a server's base URL: `https`, a host in lower case, no slash last.

    Raises `ServerUrlError` for a text that is no such URL.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme.lower() not in ("http", "https") or _has_more(url):
        raise ServerUrlError(
            "Must be the base URL of a FHIR server: http or https, a host, and a path."
        )
    return f"https://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def _has_more(url: str) -> bool:
    """Return whether a URL has a user, a query or a fragment, or is not printable."""
    return any(mark in url for mark in "@?#\\") or any(sign.isspace() for sign in url)
