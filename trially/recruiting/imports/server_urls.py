"""URLs of records on FHIR servers."""

from urllib.parse import urlsplit

LONGEST_BASE = 1024


def base_of(url: object, kind: str) -> str:
    """Return the server's base URL in the full URL of a resource; empty if it has none.

    `https://a.example/fhir/Patient/1` has the base `https://a.example/fhir`. One server has one
    spelling: `https`, a host in lower case, no final slash.
    """
    if type(url) is not str or url[:4].lower() != "http" or len(url) > LONGEST_BASE:
        return ""
    base, found, _ = url.partition("/_history/")[0].rpartition(f"/{kind}/")
    return canonical_base(base) if found else ""


def canonical_base(url: str) -> str:
    """Return the one spelling of a base URL, empty if it is no URL of a server."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme.lower() not in ("http", "https") or not host:
        return ""
    return f"https://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def split_patient_url(key: str) -> tuple[str, str]:
    """Return the base URL, empty for a relative reference, and the id in the key of a patient."""
    base, _, source_id = key.rpartition("/Patient/")
    return base, source_id
