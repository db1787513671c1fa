"""Make ids of URNs, for resources that have no other id."""

import hashlib
import re

_GLOBAL = re.compile(r"urn:(?:uuid|oid):([A-Za-z0-9.-]{1,64})", re.IGNORECASE)


def id_of_urn(urn: str) -> str:
    """Return the id of the resource that a URN names.

    A UUID or OID is unique everywhere, and is the id itself. The last part of another URN is not,
    and may be no valid id. Its id is a digest of the whole URN.
    """
    match = _GLOBAL.fullmatch(urn)
    return match[1] if match else f"urn-{hashlib.blake2s(urn.encode(), digest_size=24).hexdigest()}"
