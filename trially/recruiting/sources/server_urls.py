"""URLs of FHIR servers, and of the records on them."""

from urllib.parse import SplitResult, urlsplit

LONGEST_BASE = 1024
_USUAL_PORTS = {"http": 80, "https": 443}


class ServerUrlError(ValueError):
    """A text is no base URL of a FHIR server."""


def canonical_base(url: str) -> str:
    """Return the one spelling of a server's base URL.

    It has `https`, a host in lower case, no port unless it is unusual, and no slash at the end.
    Raises `ServerUrlError` for a text that is no such URL.
    """
    base = "" if _has_more(url) else _spell(url)
    if not base:
        raise ServerUrlError(
            "Must be the base URL of a FHIR server: http or https, a host, and a path."
        )
    return base


def base_of(url: object, kind: str) -> str:
    """Return the server's base URL in the full URL of a resource; empty if it has none.

    `https://a.example/fhir/Patient/1` has the base `https://a.example/fhir`, in the spelling of
    `canonical_base`.
    """
    if type(url) is not str or url[:4].lower() != "http" or len(url) > LONGEST_BASE:
        return ""
    base, found, _ = url.partition("/_history/")[0].rpartition(f"/{kind}/")
    return _spell(base) if found else ""


def split_patient_url(key: str) -> tuple[str, str]:
    """Return the base URL, empty for a relative reference, and the id in the key of a patient."""
    base, _, source_id = key.rpartition("/Patient/")
    return base, source_id


def _spell(url: str) -> str:
    """Return the spelling of `canonical_base`, without user, query and fragment; empty if none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, _unusual_port(parts)
    except ValueError:
        return ""
    if not host or parts.scheme not in _USUAL_PORTS:
        return ""
    name = f"[{host}]" if ":" in host else host
    return f"https://{name}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def _unusual_port(parts: SplitResult) -> int | None:
    return None if parts.port == _USUAL_PORTS.get(parts.scheme) else parts.port


def _has_more(url: str) -> bool:
    """Return whether a URL has a user, a query or a fragment, or is not printable."""
    return any(mark in url for mark in "@?#\\") or any(sign.isspace() for sign in url)
